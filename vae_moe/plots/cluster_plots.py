"""Figures of reconstructions, samples, latent spaces, scores and training: arrays in, a matplotlib Figure out.

They use no pyplot and leave no global state; ``figure.savefig(path)`` is crisp at the figure's own resolution.
Component k has the same colour and marker in every figure.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import offset_copy
from scipy.cluster.hierarchy import dendrogram

from vae_moe.metrics import best_assignment, majority_classes
from vae_moe.plots import drawing


def reconstructions(x, x_reconstructed, *, image_shape=None, labels=None, title=None) -> Figure:
    """Originals (left) against reconstructions (right), as in Figures 4, 5, 8 and 9 of the report.

    Images become two grids of the first 10 x 10 examples, or of as many as there are. Points with D = 2 become two
    scatters with the same axes; with D > 2 both are projected on the first two principal components of ``x``.

    Args:
        x: [N, D]; images in [0, 1].
        x_reconstructed: [N, D].
        image_shape: (H, W) or (H, W, 3) of D entries, or None for points.
        labels: [N] integers >= 0 that colour the points; images are drawn without.
        title: over the figure.

    Raises:
        ValueError: shapes that do not fit each other, no rows, or values that are not finite.
    """
    x = drawing.checked("x", x, ("N", "D"))
    x_reconstructed = drawing.checked("x_reconstructed", x_reconstructed, x.shape)
    coloured = labels is not None and image_shape is None
    figure = drawing.figure(2 * drawing.PANEL + 0.3 + 0.8 * coloured, drawing.PANEL + 0.4, title)
    left, right = figure.subplots(1, 2)
    if image_shape is not None:
        across = min(drawing.GRID, int(np.ceil(np.sqrt(len(x)))))
        drawing.images(left, x[: across**2], across, image_shape)
        drawing.images(right, x_reconstructed[: across**2], across, image_shape)
    else:
        groups = drawing.checked("labels", labels if coloured else np.zeros(len(x), int), (len(x),), np.inf)
        planes, axis_name = drawing.to_plane(x, x_reconstructed)
        for axes, points in zip((left, right), planes, strict=True):
            drawing.scatter(axes, points, groups, np.concatenate(planes), axis_name)
        if coloured:
            drawing.legend(figure, {label: str(label) for label in np.unique(groups).tolist()}, "class")
    left.set_title("original")
    right.set_title("reconstructed")
    return figure


def generated(samples, embedding, components, *, image_shape=None, classes=None, names=None, title=None) -> Figure:
    """Samples of each component (left) and t-SNE of z (right), as in Figures 6, 7, 10 and 11 of the report.

    Images: one row of ten for each component; where n allows, several rows if K < 10 and longer rows if K > 20.
    Points: one cloud for each component, projected on the first two principal components of all samples if D > 2.

    Args:
        samples: [K, n, D], n drawn from each component; images in [0, 1].
        embedding: [M, 2] of z.
        components: [M] integers below K, one for each row of ``embedding``.
        image_shape: (H, W) or (H, W, 3) of D entries, or None for points.
        classes: [M] integers >= 0; they name a component by its majority class, unless ``names`` are given.
        names: K names of the components, such as those of `component_names`.
        title: over the figure.

    Raises:
        ValueError: shapes that do not fit each other, components outside [0, K), or values that are not finite.
    """
    samples = drawing.checked("samples", samples, ("K", "n", "D"))
    k, n, d = samples.shape
    embedding = drawing.checked("embedding", embedding, ("M", 2))
    components = drawing.checked("components", components, (len(embedding),), k)
    if names is None and classes is not None:
        classes = drawing.checked("classes", classes, components.shape, np.inf)
        names = component_names(majority_classes(classes, components, k), "class")
    named = drawing.named(names, k)
    across = min(n, max(drawing.GRID, k // 2))
    down = max(1, min(n // across, drawing.GRID // k))  # rows of one component
    width, height = drawing.PANEL, max(drawing.PANEL, 0.15 * k)
    if image_shape is not None:
        width = min(height, height * across * image_shape[1] / (k * down * image_shape[0])) + 1
    figure = drawing.figure(width + height + 1.5 + k // drawing.LONG, height + 0.4, title)
    left, right = figure.subplots(1, 2, width_ratios=[width, height])
    if image_shape is not None:
        drawing.images(left, samples[:, : across * down].reshape(-1, d), across, image_shape)
        middles = (np.arange(k) + 0.5) * down * (image_shape[0] + 1) - 1  # with the lines between
        left.set_yticks(middles, list(named.values()), fontsize=drawing.font(k))
        left.tick_params(axis="y", length=0, pad=16)
        beside = offset_copy(left.get_yaxis_transform(), figure, x=-8, units="points")
        for component, middle in enumerate(middles):
            left.plot(
                0, middle, **drawing.style(component), markersize=drawing.font(k) - 2, clip_on=False, transform=beside
            )
    else:
        (points,), axis_name = drawing.to_plane(samples.reshape(-1, d))
        drawing.scatter(left, points, np.repeat(np.arange(k), n), points, axis_name)
    left.set_title("generated")
    drawing.embedding(right, embedding, components, named)
    right.set_title("t-SNE of z, by component")
    drawing.legend(figure, named, "component")
    return figure


def traversal(decoded, pairs, names, *, image_shape=None, title=None) -> Figure:
    """The way from one component to another: p(x|z) along the line between their means, one line for each pair.

    Args:
        decoded: [P, S, D], S steps for each of P pairs; images in [0, 1].
        pairs: P pairs (from, to) of components below K.
        names: K names of the components.
        image_shape: (H, W) or (H, W, 3) of D entries, or None for points, whose ways are drawn in the plane.
        title: over the figure.

    Raises:
        ValueError: shapes that do not fit each other, or values that are not finite.
    """
    decoded = drawing.checked("decoded", decoded, (len(pairs), "S", "D"))
    n_pairs, steps, d = decoded.shape
    named = drawing.named(names, len(names))
    labels = [f"{named[start]} → {named[end]}" for start, end in pairs]
    if image_shape is None:
        figure = drawing.figure(drawing.PANEL + 2.5, drawing.PANEL + 0.4, title)
        axes = figure.subplots()
        (points,), axis_name = drawing.to_plane(decoded.reshape(-1, d))
        for i, label in enumerate(labels):
            way = points[i * steps : (i + 1) * steps]
            style = drawing.style(pairs[i][0])
            axes.plot(*way.T, color=style["color"], marker=style["marker"], markersize=3, linewidth=1, label=label)
        axes.set(xlabel=f"{axis_name}1", ylabel=f"{axis_name}2", aspect="equal")
        figure.legend(loc="outside right upper", fontsize=drawing.font(n_pairs), frameon=False)
        return figure
    height, width = image_shape[:2]
    figure = drawing.figure(0.45 * steps * width / height + 2.2, 0.45 * n_pairs + 0.4, title)
    axes = figure.subplots()
    drawing.images(axes, decoded.reshape(-1, d), steps, image_shape)
    middles = (np.arange(n_pairs) + 0.5) * (height + 1) - 1
    axes.set_yticks(middles, labels, fontsize=drawing.font(n_pairs))
    axes.tick_params(axis="y", length=0)
    return figure


def latent_space(embedding, classes, components, names, *, title=None) -> Figure:
    """t-SNE of z twice: by true class (left) and by component (right).

    A class has the colour of the component it is matched with (`vae_moe.metrics.best_assignment`), so that a point
    which changes its colour is one that is clustered wrongly.

    Args:
        embedding: [M, 2] of z.
        classes: [M] integers >= 0.
        components: [M] integers below K.
        names: K names of the components.
        title: over the figure.

    Raises:
        ValueError: shapes that do not fit each other, components outside [0, K), or values that are not finite.
    """
    named = drawing.named(names, len(names))
    embedding = drawing.checked("embedding", embedding, ("M", 2))
    classes = drawing.checked("classes", classes, (len(embedding),), np.inf)
    components = drawing.checked("components", components, (len(embedding),), len(named))
    styles = drawing.matched_styles(classes, components, len(named))
    classes_named = {styles[label]: str(label) for label in sorted(styles)}
    figure = drawing.figure(2 * drawing.PANEL + 2 + len(named) // drawing.LONG, drawing.PANEL + 0.4, title)
    left, right = figure.subplots(1, 2)
    drawing.embedding(left, embedding, np.array([styles[label] for label in classes.tolist()]), classes_named)
    left.set_title("t-SNE of z, by true class")
    drawing.embedding(right, embedding, components, named)
    right.set_title("t-SNE of z, by component")
    drawing.legend(figure, classes_named, "class", left=True)
    drawing.legend(figure, named, "component")
    return figure


def confusion(y, components, n_components: int, names, *, title=None) -> Figure:
    """Counts of classes (rows) against components (columns), ordered so that matched pairs are on the diagonal.

    The pairs are those of `vae_moe.metrics.best_assignment`, framed; the shade is the share of the class.

    Args:
        y: [N] integer classes >= 0.
        components: [N] integers below ``n_components``.
        n_components: K.
        names: K names of the components.
        title: over the figure.

    Raises:
        ValueError: shapes that do not fit each other, or components outside [0, K).
    """
    named = drawing.named(names, n_components)
    y = drawing.checked("y", y, ("N",), np.inf)
    components = drawing.checked("components", components, y.shape, n_components)
    pairs = sorted((label, component) for component, label in best_assignment(y, components).items())
    rows = list(dict.fromkeys([label for label, _ in pairs] + np.unique(y).tolist()))
    columns = list(dict.fromkeys([component for _, component in pairs] + list(named)))
    counts = np.array(
        [np.bincount(components[y == label], minlength=n_components)[columns] for label in rows]
    )  # [C, K]
    shares = counts / counts.sum(1, keepdims=True)
    width, height = (max(1.5, max(0.25, min(0.5, 9 / n)) * n) for n in (len(columns), len(rows)))
    figure = drawing.figure(width + 1, height + 1.5, title)
    axes = figure.subplots()
    font = drawing.font(max(counts.shape))
    drawing.shares(axes, shares, np.where(counts, counts.astype(str), ""), font)
    for i in range(len(pairs)):
        axes.add_patch(Rectangle((i - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=drawing.COLOURS[1], linewidth=1.5))
    axes.set_xticks(range(len(columns)), [named[k] for k in columns], rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [str(label) for label in rows])
    axes.tick_params(length=0, labelsize=font)
    axes.set(xlabel="component", ylabel="true class")
    axes.set_title(f"{counts.trace()} of {len(y)} matched: {counts.trace() / len(y):.1%}", fontsize=10)
    return figure


def tree(joined, names: Sequence[str] | None = None, *, images=None, image_shape=None, title=None) -> Figure:
    """Components joined two at a time, the nearest first, from the left to the right.

    Args:
        joined: [K - 1, 4], K at least 2, as SciPy's `linkage` or an estimator's `tree_`.
        names: K names of the components, or None for their numbers.
        images: [K, D] in [0, 1], one of each component, to be drawn at the nodes; a node has the mean of those below.
        image_shape: (H, W) or (H, W, 3) of D entries, of images.
        title: over the figure.

    Raises:
        ValueError: another shape, values that are not finite, or another number of names.
    """
    joined = drawing.checked("joined", joined, ("K - 1", 4))
    named = drawing.named(names, len(joined) + 1)
    least, most = (0.18, 0.3) if images is None else (0.55, 0.55)  # inches a leaf
    height = 1 + max(least, min(most, 9 / len(named))) * len(named)
    figure = drawing.figure(drawing.PANEL + (1 if images is None else 3), height, title)
    axes = figure.subplots()
    drawn = dendrogram(
        joined, ax=axes, orientation="right", labels=list(named.values()), link_color_func=lambda _: drawing.COLOURS[0]
    )
    if images is not None:
        images = drawing.checked("images", images, (len(named), "D"))
        drawing.images_at_nodes(axes, joined, drawn["leaves"], images, image_shape)
        axes.tick_params(axis="y", pad=22)  # points, beside the images
    axes.tick_params(axis="y", length=0, labelsize=drawing.font(len(named)))
    axes.set_xlabel("distance, nats")
    axes.spines[["left", "top", "right"]].set_visible(False)
    return figure


def side_by_side(images: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """Titled pictures in two columns, dot for dot: a page of the figures of one data set.

    Args:
        images: (title, picture) pairs; a picture is [H, W, 4] or [H, W, 3], bytes or floats in [0, 1].

    Raises:
        ValueError: no pictures, or one of another shape.
    """
    shapes = [np.shape(picture) for _, picture in images]
    if not shapes or any(len(shape) != 3 or shape[2] not in (3, 4) for shape in shapes):
        raise ValueError(f"images must be pictures [H, W, 3 or 4], at least one, received the shapes {shapes}.")
    gap, strip, across = 16, 40, min(2, len(shapes))  # dots; the strip holds a title
    column = max(shape[1] for shape in shapes) + gap
    rows = [max(s[0] for s in shapes[i : i + across]) + gap + strip for i in range(0, len(shapes), across)]
    width, height = column * across + gap, sum(rows)
    figure = Figure((width / drawing.DPI, height / drawing.DPI), dpi=drawing.DPI)
    FigureCanvasAgg(figure)
    for i, (title, picture) in enumerate(images):
        h, w = shapes[i][:2]
        x = gap + i % across * column + (column - gap - w) // 2
        y = height - sum(rows[: i // across]) - strip - h
        axes = figure.add_axes((x / width, y / height, w / width, h / height))
        axes.imshow(picture, aspect="auto", interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(title, fontsize=15, weight="bold")
    return figure


def component_names(majority: Sequence[int | None], kind: str = "digit") -> list[str]:
    """Names such as "0: digit 7", or "2: empty" for None; the number tells components of the same class apart.

    Args:
        majority: K classes, such as `vae_moe.metrics.majority_classes` gives.
        kind: what a class is.
    """
    return [f"{k}: empty" if label is None else f"{k}: {kind} {label}" for k, label in enumerate(majority)]
