"""Figures of reconstructions, samples, latent spaces, scores and training: arrays in, a matplotlib Figure out.

They use no pyplot and leave no global state; ``figure.savefig(path)`` is crisp at the figure's own `DPI`. Component k
has the same colour and marker in every figure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import offset_copy

from vae_moe.metrics import best_assignment, majority_classes

DPI = 130
# Chosen among the colours of Okabe and Ito, Tol, and Petroff: any two are 19 or more apart in CIELAB to the normal eye
# and under simulated protanopia and deuteranopia (Machado et al. 2009), where matplotlib's own ten fall to 5.
_COLOURS = ["#0072B2", "#E69F00", "#BD1F01", "#33BBEE", "#228833", "#882255", "#B9AC70", "#332288"]
_COLOURS += ["#CC6677", "#BBBBBB"]
_MARKERS = "o^sDv"  # the next for every ten components, so that fifty differ
_PANEL = 5.0  # inches
_GRID = 10  # images across, and down unless K is larger
_MANY = 20  # components above which text gets smaller and numbers stand for names inside a panel
_LONG = 30  # lines of a legend's column
_CURVES = ("loss", "recon", "nll", "kl_z", "kl_c", "clustering_accuracy", "accuracy", "nmi", "ari")  # drawn first


def reconstructions(x, x_reconstructed, *, image_shape=None, labels=None, title=None) -> Figure:
    """Originals (left) against reconstructions (right), as in Figures 4, 5, 8 and 9 of the report.

    Images become two grids of the first 10 x 10 examples, or of as many as there are. Points with D = 2 become two
    scatters with the same axes; with D > 2 both are projected on the first two principal components of ``x``.

    Args:
        x: [N, D]; images in [0, 1].
        x_reconstructed: [N, D].
        image_shape: (H, W) with H W = D, or None for points.
        labels: [N] integers >= 0 that colour the points; images are drawn without.
        title: over the figure.

    Raises:
        ValueError: shapes that do not fit each other, no rows, or values that are not finite.
    """
    x = _checked("x", x, ("N", "D"))
    x_reconstructed = _checked("x_reconstructed", x_reconstructed, x.shape)
    coloured = labels is not None and image_shape is None
    figure = _figure(2 * _PANEL + 0.3 + 0.8 * coloured, _PANEL + 0.4, title)
    left, right = figure.subplots(1, 2)
    if image_shape is not None:
        across = min(_GRID, int(np.ceil(np.sqrt(len(x)))))
        _images(left, x[: across**2], across, image_shape)
        _images(right, x_reconstructed[: across**2], across, image_shape)
    else:
        groups = _checked("labels", labels if coloured else np.zeros(len(x), int), (len(x),), np.inf)
        planes, axis_name = _to_plane(x, x_reconstructed)
        for axes, points in zip((left, right), planes, strict=True):
            _scatter(axes, points, groups, np.concatenate(planes), axis_name)
        if coloured:
            _legend(figure, {label: str(label) for label in np.unique(groups).tolist()}, "class")
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
        image_shape: (H, W) with H W = D, or None for points.
        classes: [M] integers >= 0; they name a component by its majority class, unless ``names`` are given.
        names: K names of the components, such as those of `component_names`.
        title: over the figure.

    Raises:
        ValueError: shapes that do not fit each other, components outside [0, K), or values that are not finite.
    """
    samples = _checked("samples", samples, ("K", "n", "D"))
    k, n, d = samples.shape
    embedding = _checked("embedding", embedding, ("M", 2))
    components = _checked("components", components, (len(embedding),), k)
    if names is None and classes is not None:
        classes = _checked("classes", classes, components.shape, np.inf)
        names = component_names(majority_classes(classes, components, k), "class")
    named = _named(names, k)
    across = min(n, max(_GRID, k // 2))
    down = max(1, min(n // across, _GRID // k))  # rows of one component
    width, height = _PANEL, max(_PANEL, 0.15 * k)
    if image_shape is not None:
        width = min(height, height * across * image_shape[1] / (k * down * image_shape[0])) + 1
    figure = _figure(width + height + 1.5 + k // _LONG, height + 0.4, title)
    left, right = figure.subplots(1, 2, width_ratios=[width, height])
    if image_shape is not None:
        _images(left, samples[:, : across * down].reshape(-1, d), across, image_shape)
        middles = (np.arange(k) + 0.5) * down * (image_shape[0] + 1) - 1  # with the lines between
        left.set_yticks(middles, list(named.values()), fontsize=_font(k))
        left.tick_params(axis="y", length=0, pad=16)
        beside = offset_copy(left.get_yaxis_transform(), figure, x=-8, units="points")
        for component, middle in enumerate(middles):
            left.plot(0, middle, **_style(component), markersize=_font(k) - 2, clip_on=False, transform=beside)
    else:
        (points,), axis_name = _to_plane(samples.reshape(-1, d))
        _scatter(left, points, np.repeat(np.arange(k), n), points, axis_name)
    left.set_title("generated")
    _embedding(right, embedding, components, named)
    right.set_title("t-SNE of z, by component")
    _legend(figure, named, "component")
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
    named = _named(names, len(names))
    embedding = _checked("embedding", embedding, ("M", 2))
    classes = _checked("classes", classes, (len(embedding),), np.inf)
    components = _checked("components", components, (len(embedding),), len(named))
    styles = {label: component for component, label in best_assignment(classes, components).items()}
    for label in np.unique(classes).tolist():
        styles.setdefault(label, max(len(named) - 1, *styles.values()) + 1)
    classes_named = {styles[label]: str(label) for label in sorted(styles)}
    figure = _figure(2 * _PANEL + 2 + len(named) // _LONG, _PANEL + 0.4, title)
    left, right = figure.subplots(1, 2)
    _embedding(left, embedding, np.array([styles[label] for label in classes.tolist()]), classes_named)
    left.set_title("t-SNE of z, by true class")
    _embedding(right, embedding, components, named)
    right.set_title("t-SNE of z, by component")
    _legend(figure, classes_named, "class", left=True)
    _legend(figure, named, "component")
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
    named = _named(names, n_components)
    y = _checked("y", y, ("N",), np.inf)
    components = _checked("components", components, y.shape, n_components)
    pairs = sorted((label, component) for component, label in best_assignment(y, components).items())
    rows = list(dict.fromkeys([label for label, _ in pairs] + np.unique(y).tolist()))
    columns = list(dict.fromkeys([component for _, component in pairs] + list(named)))
    counts = np.array(
        [np.bincount(components[y == label], minlength=n_components)[columns] for label in rows]
    )  # [C, K]
    shares = counts / counts.sum(1, keepdims=True)
    width, height = (max(1.5, max(0.25, min(0.5, 9 / n)) * n) for n in (len(columns), len(rows)))
    figure = _figure(width + 1, height + 1.5, title)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    font = _font(max(counts.shape))
    for i, j in np.argwhere(counts).tolist():
        colour = "white" if shares[i, j] > 0.5 else "black"
        axes.text(j, i, str(counts[i, j]), ha="center", va="center", color=colour, fontsize=font)
    for i in range(len(pairs)):
        axes.add_patch(Rectangle((i - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=_COLOURS[1], linewidth=1.5))
    axes.set_xticks(range(len(columns)), [named[k] for k in columns], rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [str(label) for label in rows])
    axes.tick_params(length=0, labelsize=font)
    axes.set(xlabel="component", ylabel="true class")
    axes.set_title(f"{counts.trace()} of {len(y)} matched: {counts.trace() / len(y):.1%}", fontsize=10)
    return figure


def training_curves(history: Mapping[str, Sequence[float]], *, title=None) -> Figure:
    """One panel for each quantity over the epochs, training and validation (``val_``) together.

    Args:
        history: one value an epoch by name, NaN where none was taken: Keras' ``History.history``, or the columns of
            ``history.csv``, whose ``epoch`` is not drawn.
        title: over the figure.

    Raises:
        ValueError: nothing to draw, or lists of different lengths.
    """
    lengths = {name: len(values) for name, values in history.items() if name != "epoch"}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(
            f"history must hold lists of one common length, at least 1, received the lengths {lengths}. Give one value "
            "an epoch, NaN where there is none."
        )
    names = list(dict.fromkeys(name.removeprefix("val_") for name in lengths))
    names.sort(key=lambda name: _CURVES.index(name) if name in _CURVES else len(_CURVES))
    across = min(4, len(names))
    down = -(-len(names) // across)
    figure = _figure(3 * across + 0.4, 2.3 * down + 0.7, title)
    kinds = {"": ("training", _COLOURS[0]), "val_": ("validation", _COLOURS[1])}
    for i, name in enumerate(names):
        axes = figure.add_subplot(down, across, i + 1)
        for prefix, (label, colour) in kinds.items():
            values = np.asarray(history.get(prefix + name, []), float)
            epochs = np.flatnonzero(np.isfinite(values))
            marker = "o" if len(epochs) <= _MANY else ""
            axes.plot(epochs + 1, values[epochs], color=colour, label=label, marker=marker, markersize=3)
        axes.set_title(name, fontsize=10)
        axes.set_xlim(0.5, max(lengths.values()) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        axes.grid(color="0.92")
        axes.tick_params(labelsize=8)
        if i + across >= len(names):
            axes.set_xlabel("epoch")
    handles = [Line2D([], [], color=colour, label=label) for label, colour in kinds.values()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
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
    figure = Figure((width / DPI, height / DPI), dpi=DPI)
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


def _checked(name: str, values, shape: tuple[int | str, ...], below: float | None = None) -> np.ndarray:
    """An array of the shape, letters standing for any size > 0: integers in [0, below), or finite floats without."""
    values = np.asarray(values, float if below is None else None)
    wrong = any(isinstance(size, int) and size != n for size, n in zip(shape, values.shape, strict=False))
    if wrong or values.ndim != len(shape) or not values.size:
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"{name} must have the shape [{wanted}] and not be empty, received {list(values.shape)}.")
    if below is None and not np.isfinite(values).all():
        n_bad = np.sum(~np.isfinite(values))
        raise ValueError(f"{name} must be finite, received {n_bad} NaN or infinite values. Draw before they arise.")
    if below is not None and not (values.dtype.kind in "iu" and values.min() >= 0 and values.max() < below):
        received = f"{values.dtype} from {values.min()} to {values.max()}"
        raise ValueError(f"{name} must be integers in [0, {below}), received {received}. Number them from 0.")
    return values


def _named(names: Sequence[str] | None, k: int) -> dict[int, str]:
    """Names by component, or numbers without."""
    names = [str(i) for i in range(k)] if names is None else names
    if len(names) != k:
        raise ValueError(f"names must hold one name for each of the {k} components, received {len(names)}: {names}.")
    return dict(enumerate(names))


def _figure(width: float, height: float, title: str | None) -> Figure:
    figure = Figure((width, height), dpi=DPI, layout=ConstrainedLayoutEngine(wspace=0.05))
    FigureCanvasAgg(figure)
    if title is not None:
        figure.suptitle(title, fontsize=13)
    return figure


def _font(n: int) -> float:
    return 9 if n <= _MANY else 6.5


def _style(component: int) -> dict[str, Any]:
    marker = _MARKERS[component // len(_COLOURS) % len(_MARKERS)]
    return {"color": _COLOURS[component % len(_COLOURS)], "marker": marker, "linestyle": ""}


def _legend(figure: Figure, named: dict[int, str], title: str, left: bool = False) -> None:
    figure.legend(
        handles=[Line2D([], [], label=name, **_style(component)) for component, name in named.items()],
        loc="outside left center" if left else "outside right center",
        title=title,
        ncols=1 + len(named) // _LONG,
        fontsize=_font(len(named)),
        frameon=False,
        handletextpad=0.2,
    )


def _images(axes: Axes, images: np.ndarray, across: int, image_shape: tuple[int, int]) -> None:
    """Draw images [R, H W] as one picture, ``across`` in a row, with a white line of one pixel between them."""
    height, width = image_shape
    if height * width != images.shape[1]:
        raise ValueError(
            f"image_shape {tuple(image_shape)} means {height * width} columns, received {images.shape[1]}. Give (H, W) "
            "with H W = D."
        )
    down = -(-len(images) // across)
    cells = np.full((down * across, height + 1, width + 1), np.nan)
    cells[: len(images), 1:, 1:] = images.reshape(-1, height, width)
    picture = np.concatenate(np.concatenate(cells.reshape(down, across, height + 1, width + 1), 1), 1)
    axes.imshow(picture[1:, 1:], cmap="gray", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _to_plane(reference: np.ndarray, *others: np.ndarray) -> tuple[list[np.ndarray], str]:
    """All arrays [*, D] as points [*, 2]: as they are, or on the first two principal components of the first."""
    if reference.shape[1] < 2:
        raise ValueError("Points need two columns or more, received one. Give image_shape if the rows are images.")
    if reference.shape[1] == 2:
        return [reference, *others], "x"
    mean = reference.mean(0)
    axes = np.linalg.eigh((reference - mean).T @ (reference - mean))[1][:, :-3:-1]  # [D, 2]
    return [(values - mean) @ axes for values in (reference, *others)], "principal component "


def _scatter(axes: Axes, points: np.ndarray, groups: np.ndarray, extent: np.ndarray, axis_name: str) -> None:
    """Draw points [M, 2] in the style of their groups [M], on equal axes that hold the points ``extent`` [*, 2]."""
    order = np.random.default_rng(0).permutation(len(points))  # lest the last group hide the others
    points, groups = points[order], groups[order]
    turns = groups // len(_COLOURS)
    size = float(np.clip(18000 / len(points), 3.5, 20))
    for turn in np.unique(turns):
        x, y = points[turns == turn].T
        colours = np.array(_COLOURS)[groups[turns == turn] % len(_COLOURS)]
        axes.scatter(x, y, s=size, c=colours, marker=_MARKERS[turn % len(_MARKERS)], linewidths=0, alpha=0.85)
    low, high = extent.min(0), extent.max(0)
    half = 0.53 * float((high - low).max()) or 1.0
    x, y = (low + high) / 2
    axes.set(xlim=(x - half, x + half), ylim=(y - half, y + half), aspect="equal")
    axes.set(xlabel=f"{axis_name}1", ylabel=f"{axis_name}2")
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    axes.spines[:].set_color("0.6")


def _embedding(axes: Axes, embedding: np.ndarray, groups: np.ndarray, named: dict[int, str]) -> None:
    """Draw an embedding [M, 2] with the name of each group [M] at its median."""
    _scatter(axes, embedding, groups, embedding, "")
    axes.set(xticks=[], yticks=[], xlabel="", ylabel="")  # t-SNE has no units
    outline = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    for group in np.unique(groups).tolist():
        x, y = np.median(embedding[groups == group], axis=0)
        text = named[group].split(":")[0] if len(named) > _MANY else named[group]
        axes.text(x, y, text, ha="center", va="center", fontsize=_font(len(named)), path_effects=outline)
