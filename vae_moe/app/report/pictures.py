"""The pictures of a report, as PNG files: curves, latents, calibration, sheets of images."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy.stats import binomtest
from sklearn.manifold import TSNE

from vae_moe.engine import threads
from vae_moe.plots import cluster_plots, drawing, score_plots

#: Of the columns of a history, those worth a panel.
CURVES = ("loss", "recon", "kl_z", "kl_c", "kl_c2", "nll")
EMBEDDED_ROWS = 2000
TSNE_ITERATIONS = 500
LEAST_ROWS = 10  # for t-SNE
BINS = 10  # of a curve of reliability, at most
SHEET_CELL = 56  # dots a side of an image on a sheet, at least


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def curves(history: Mapping[str, Sequence[float]]) -> bytes:
    """Training curves of the loss and its terms; whatever else a history holds is left out."""
    shown = {name: values for name, values in history.items() if name.removeprefix("val_") in CURVES}
    return png(score_plots.training_curves(shown or history))


def latent_space(points: np.ndarray, groups: np.ndarray, n_groups: int, kind: str) -> bytes:
    """Points of rows in the plane, coloured by group.

    Args:
        points: [M, 2].
        groups: [M] integers below K.
        n_groups: K.
        kind: what a group is.
    """
    named = {group: str(group) for group in range(n_groups)}
    figure = drawing.figure(drawing.PANEL + 1.6 + len(named) // drawing.LONG, drawing.PANEL + 0.2)
    axes = figure.subplots()
    drawing.embedding(axes, points, groups, named)
    drawing.legend(figure, named, kind)
    return png(figure)


def in_the_plane(z: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows [M] of z [N, L], all or EMBEDDED_ROWS drawn ones, and their points [M, 2]: t-SNE, or z itself if L is 2."""
    rows = np.arange(len(z))
    if len(z) > EMBEDDED_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(z), EMBEDDED_ROWS, replace=False))
    return rows, _embedded(z[rows], seed)


def tree(joined: np.ndarray, kind: str, samples: np.ndarray | None = None) -> bytes:
    """Groups joined two at a time, with the means of images that were generated of each.

    Args:
        joined: [K - 1, 4], as SciPy's ``linkage``.
        kind: what a group is.
        samples: of each group in turn, [K n, H, W] or [K n, H, W, 3] bytes, or None.
    """
    names = [f"{kind} {group}" for group in range(len(joined) + 1)]
    if samples is None:
        return png(cluster_plots.tree(joined, names))
    means = samples.reshape(len(names), -1, samples[0].size).mean(1) / 255
    return png(cluster_plots.tree(joined, names, images=means, image_shape=samples.shape[1:]))


def sheet(pixels: np.ndarray, across: int) -> bytes:
    """Images side by side, ``across`` in a row, enlarged by whole factors with a gap of white.

    Args:
        pixels: [R, H, W] or [R, H, W, 3], bytes.
        across: images in a row.
    """
    n, height, width = pixels.shape[:3]
    colours = np.broadcast_to(pixels.reshape(n, height, width, -1), (n, height, width, 3))
    times = max(1, SHEET_CELL // max(height, width))
    colours = colours.repeat(times, 1).repeat(times, 2)
    down = -(-n // across)
    cells = np.full((down * across, height * times + 3, width * times + 3, 3), 255, np.uint8)
    cells[:n, 3:, 3:] = colours
    rows = cells.reshape(down, across, *cells.shape[1:]).swapaxes(1, 2)  # [down, H, across, W, 3]
    picture = rows.reshape(down * cells.shape[1], across * cells.shape[2], 3)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png")
    return buffer.getvalue()


def reliability(probabilities: np.ndarray, correct: np.ndarray) -> bytes:
    """How often a prediction of some probability is right: bins of equally many rows against the diagonal.

    Args:
        probabilities: [N], of the predicted class.
        correct: [N], whether it was the true one.
    """
    order = np.argsort(probabilities, kind="stable")
    parts = [part for part in np.array_split(order, min(BINS, max(1, len(order) // 10))) if len(part)]
    predicted = np.array([probabilities[part].mean() for part in parts])
    right = np.array([correct[part].mean() for part in parts])
    intervals = [binomtest(int(correct[part].sum()), len(part)).proportion_ci(method="wilson") for part in parts]
    error = np.abs(np.array([[interval.low, interval.high] for interval in intervals]).T - right)  # [2, bins]
    low = max(0.0, float(min(predicted.min(), (right - error[0]).min())) - 0.05)
    axes = dict(xlim=(low, 1.02), ylim=(low, 1.05), xlabel="predicted probability", ylabel="share that was right")
    return _against_the_diagonal(predicted, right, error, **axes)


def coverage(levels: Sequence[float], covered: Sequence[float]) -> bytes:
    """Share of held-out rows inside their predictive intervals against the intervals' level."""
    axes = dict(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="level of the interval", ylabel="share of rows inside")
    return _against_the_diagonal(levels, covered, None, **axes)


def _against_the_diagonal(x, y, error, **axes_) -> bytes:
    figure = drawing.figure(4.6, 4.2)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", label="perfect")
    axes.errorbar(x, y, error, color=drawing.COLOURS[0], marker="o", capsize=3, label="held-out rows")
    axes.set(**axes_)
    axes.grid(color="0.92")
    axes.legend(frameon=False, fontsize=9)
    return png(figure)


def _embedded(z: np.ndarray, seed: int) -> np.ndarray:
    if z.shape[1] == 2:
        return z
    if z.shape[1] < 2 or len(z) < LEAST_ROWS:
        return np.pad(z, [(0, 0), (0, 1)])[:, :2]
    embedding = TSNE(perplexity=min(30.0, (len(z) - 1) / 3), max_iter=TSNE_ITERATIONS, random_state=seed)
    with threads.one_if(True):  # the same numbers
        return embedding.set_output(transform="default").fit_transform(z)
