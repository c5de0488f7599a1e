"""Parts of the figures in :mod:`vae_moe.plots.cluster_plots`: checks, colours, legends, image grids and scatters."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from sklearn.decomposition import PCA

from vae_moe.metrics import best_assignment

DPI = 130
# Chosen among the colours of Okabe and Ito, Tol, and Petroff: any two are 19 or more apart in CIELAB to the normal eye
# and under simulated protanopia and deuteranopia (Machado et al. 2009), where matplotlib's own ten fall to 5.
COLOURS = ["#0072B2", "#E69F00", "#BD1F01", "#33BBEE", "#228833", "#882255", "#B9AC70", "#332288"]
COLOURS += ["#CC6677", "#BBBBBB"]
MARKERS = "o^sDv"  # the next for every ten components, so that fifty differ
PANEL = 5.0  # inches
GRID = 10  # images across, and down unless K is larger
MANY = 20  # components above which text gets smaller and numbers stand for names inside a panel
LONG = 30  # lines of a legend's column


def checked(name: str, values, shape: tuple[int | str, ...], below: float | None = None) -> np.ndarray:
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


def named(names: Sequence[str] | None, k: int) -> dict[int, str]:
    """Names by component, or numbers without."""
    names = [str(i) for i in range(k)] if names is None else names
    if len(names) != k:
        raise ValueError(f"names must hold one name for each of the {k} components, received {len(names)}: {names}.")
    return dict(enumerate(names))


def figure(width: float, height: float, title: str | None = None) -> Figure:
    """An empty figure whose layout keeps its parts apart."""
    figure = Figure((width, height), dpi=DPI, layout=ConstrainedLayoutEngine(wspace=0.05))
    FigureCanvasAgg(figure)
    if title is not None:
        figure.suptitle(title, fontsize=13)
    return figure


def font(n: int) -> float:
    """Size of text where there are n names."""
    return 9 if n <= MANY else 6.5


def style(component: int) -> dict[str, Any]:
    """Colour and marker of a component, the same in every figure."""
    marker = MARKERS[component // len(COLOURS) % len(MARKERS)]
    return {"color": COLOURS[component % len(COLOURS)], "marker": marker, "linestyle": ""}


def matched_styles(classes: np.ndarray, components: np.ndarray, k: int) -> dict[int, int]:
    """The style of each class: its matched component's, or a further one where it has none."""
    styles = {label: component for component, label in best_assignment(classes, components).items()}
    for label in np.unique(classes).tolist():
        styles.setdefault(label, max(k - 1, *styles.values()) + 1)
    return styles


def legend(figure: Figure, named: dict[int, str], title: str, left: bool = False) -> None:
    """Name every component beside the panels."""
    figure.legend(
        handles=[Line2D([], [], label=name, **style(component)) for component, name in named.items()],
        loc="outside left center" if left else "outside right center",
        title=title,
        ncols=1 + len(named) // LONG,
        fontsize=font(len(named)),
        frameon=False,
        handletextpad=0.2,
    )


def images(axes: Axes, images: np.ndarray, across: int, image_shape: tuple[int, ...]) -> None:
    """Draw images [R, H W] or [R, H W 3] as one picture, ``across`` in a row, with white lines of a pixel between."""
    height, width, *channels = image_shape
    if math.prod(image_shape) != images.shape[1] or channels not in ([], [3]):
        raise ValueError(
            f"image_shape {tuple(image_shape)} means {math.prod(image_shape)} columns, received {images.shape[1]}. "
            "Give (H, W) with H W = D, or (H, W, 3) with H W 3 = D."
        )
    down = -(-len(images) // across)
    cells = np.full((down * across, height + 1, width + 1, *channels), 1.0 if channels else np.nan)
    cells[: len(images), 1:, 1:] = np.clip(images, 0, 1).reshape(-1, *image_shape)
    picture = np.concatenate(np.concatenate(cells.reshape(down, across, *cells.shape[1:]), 1), 1)
    axes.imshow(picture[1:, 1:], cmap="gray", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def images_at_nodes(axes: Axes, joined: np.ndarray, order: Sequence[int], images: np.ndarray, image_shape) -> None:
    """Draw the images [K, D] of leaves beside these, and the mean of those below at each join of SciPy's dendrogram.

    Args:
        axes: with the dendrogram, whose root is on the right.
        joined: [K - 1, 4], as SciPy's ``linkage``.
        order: of the leaves, from below.
        images: in [0, 1].
        image_shape: (H, W) or (H, W, 3) of D entries.
    """
    heights = {leaf: 10.0 * place + 5 for place, leaf in enumerate(order)}  # where SciPy has them
    nodes = [(0.0, heights[k], 1, image) for k, image in enumerate(images)]
    for one, other, distance, _ in joined:
        (_, low, n, first), (_, high, m, second) = nodes[int(one)], nodes[int(other)]
        nodes.append((distance, (low + high) / 2, n + m, (n * first + m * second) / (n + m)))
    for distance, height, _, image in nodes:
        pixels = np.clip(image, 0, 1).reshape(image_shape)
        picture = OffsetImage(pixels, zoom=28 / max(image_shape[:2]), cmap="gray")
        picture.image.set_clim(0, 1)  # type: ignore[attr-defined]
        frame = {"edgecolor": "0.7", "linewidth": 0.5}
        axes.add_artist(AnnotationBbox(picture, (distance, height), pad=0, bboxprops=frame))


def shares(axes: Axes, shares: np.ndarray, texts: np.ndarray, font: float) -> None:
    """Draw a table of shares [R, C] as shades with a text in each cell; none where it is ""."""
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, j in np.argwhere(texts != "").tolist():
        colour = "white" if shares[i, j] > 0.5 else "black"
        axes.text(j, i, texts[i, j], ha="center", va="center", color=colour, fontsize=font)


def to_plane(reference: np.ndarray, *others: np.ndarray) -> tuple[list[np.ndarray], str]:
    """All arrays [*, D] as points [*, 2]: as they are, or on the first two principal components of the first."""
    if reference.shape[1] < 2:
        raise ValueError("Points need two columns or more, received one. Give image_shape if the rows are images.")
    if reference.shape[1] == 2:
        return [reference, *others], "x"
    plane = PCA(2).set_output(transform="default").fit(reference)
    return [plane.transform(values) for values in (reference, *others)], "principal component "


def scatter(axes: Axes, points: np.ndarray, groups: np.ndarray, extent: np.ndarray, axis_name: str) -> None:
    """Draw points [M, 2] in the style of their groups [M], on equal axes that hold the points ``extent`` [*, 2]."""
    order = np.random.default_rng(0).permutation(len(points))  # lest the last group hide the others
    points, groups = points[order], groups[order]
    turns = groups // len(COLOURS)
    size = float(np.clip(18000 / len(points), 3.5, 20))
    for turn in np.unique(turns):
        x, y = points[turns == turn].T
        colours = np.array(COLOURS)[groups[turns == turn] % len(COLOURS)]
        axes.scatter(x, y, s=size, c=colours, marker=MARKERS[turn % len(MARKERS)], linewidths=0, alpha=0.85)
    low, high = extent.min(0), extent.max(0)
    half = 0.53 * float((high - low).max()) or 1.0
    x, y = (low + high) / 2
    axes.set(xlim=(x - half, x + half), ylim=(y - half, y + half), aspect="equal")
    axes.set(xlabel=f"{axis_name}1", ylabel=f"{axis_name}2")
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    axes.spines[:].set_color("0.6")


def embedding(axes: Axes, embedding: np.ndarray, groups: np.ndarray, named: dict[int, str]) -> None:
    """Draw an embedding [M, 2] with the name of each group [M] at its median."""
    scatter(axes, embedding, groups, embedding, "")
    axes.set(xticks=[], yticks=[], xlabel="", ylabel="")  # t-SNE has no units
    outline = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    for group in np.unique(groups).tolist():
        x, y = np.median(embedding[groups == group], axis=0)
        text = named[group].split(":")[0] if len(named) > MANY else named[group]
        axes.text(x, y, text, ha="center", va="center", fontsize=font(len(named)), path_effects=outline)
