"""Figures of mixtures of experts: arrays in, a matplotlib Figure out, in the style of ``cluster_plots``."""

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from vae_moe.plots import drawing

_GRID = 400  # points of the plane a side
_MARGIN = 0.08  # of the plane around the points, as a share of their spread
_TITLE = 40  # characters of an output's name
_SCATTERED = 4000  # rows drawn against truth: more hide each other


def plane(x) -> np.ndarray:
    """A square grid of points that holds the rows of x [N, 2] with a margin: [G, G, 2], y downwards as in a picture."""
    x = drawing.checked("x", x, ("N", 2))
    low, high = x.min(0), x.max(0)
    half = (0.5 + _MARGIN) * float((high - low).max()) or 1.0
    middle = (low + high) / 2
    steps = np.linspace(-half, half, _GRID)
    return np.stack(np.meshgrid(middle[0] + steps, middle[1] - steps), -1).astype(np.float32)


def regions(grid, gate_probs, x, y, experts, *, title=None) -> Figure:
    """Which expert owns which region of the plane, with the data on top.

    The colour is the most probable expert's, paler where it is less sure; a class has the colour of the expert it is
    matched with (`vae_moe.metrics.best_assignment`).

    Args:
        grid: points of the plane, [G, G, 2], such as :func:`plane` gives.
        gate_probs: p(c|x) there, [G, G, K].
        x: [N, 2].
        y: [N] classes.
        experts: [N] integers below K, the most probable expert of each row.
        title: over the figure.

    Raises:
        ValueError: shapes that do not fit each other, or values that are not finite.
    """
    grid = drawing.checked("grid", grid, ("G", "G", 2))
    gate_probs = drawing.checked("gate_probs", gate_probs, (*grid.shape[:2], "K"))
    x = drawing.checked("x", x, ("N", 2))
    y = drawing.checked("y", y, (len(x),), np.inf)
    k = gate_probs.shape[-1]
    experts = drawing.checked("experts", experts, (len(x),), k)
    styles = drawing.matched_styles(y, experts, k)
    colours = np.array([to_rgb(drawing.style(expert)["color"]) for expert in range(k)])  # [K, 3]
    chosen, sure = gate_probs.argmax(-1), gate_probs.max(-1)
    strength = 0.6 * np.clip((sure - 1 / k) / max(1 - 1 / k, 1e-9), 0, 1)[..., np.newaxis]
    picture = strength * colours[chosen] + 1 - strength  # [G, G, 3]
    figure = drawing.figure(2 * drawing.PANEL + 1.8, drawing.PANEL + 0.4, title)
    left, right = figure.subplots(1, 2)
    classes = {styles[label]: str(label) for label in sorted(styles)}
    drawing.scatter(left, x, np.array([styles[label] for label in y.tolist()]), grid.reshape(-1, 2), "x")
    left.set_title("test data by class")
    extent = (grid[0, 0, 0], grid[0, -1, 0], grid[-1, 0, 1], grid[0, 0, 1])
    right.imshow(picture, extent=extent, interpolation="nearest")
    few = np.random.default_rng(0).permutation(len(x))[:_SCATTERED]
    right.scatter(*x[few].T, s=1.5, c="black", linewidths=0, alpha=0.5)
    right.set(xlim=left.get_xlim(), ylim=left.get_ylim(), xlabel="x1", ylabel="x2")
    right.set_title("most probable expert, paler where less sure")
    right.tick_params(labelsize=8)
    right.spines[:].set_color("0.6")
    drawing.legend(figure, classes, "class", left=True)
    drawing.legend(figure, {expert: str(expert) for expert in range(k)}, "expert")
    return figure


def predictions(y, y_predicted, experts, *, names=None, title=None) -> Figure:
    """Predicted against true outputs, one panel an output, coloured by the most probable expert.

    Args:
        y: [N, O].
        y_predicted: [N, O].
        experts: [N] integers, the most probable expert of each row.
        names: of the outputs, O; None: their numbers from 1.
        title: over the figure.

    Raises:
        ValueError: shapes that do not fit each other, or values that are not finite.
    """
    y = drawing.checked("y", y, ("N", "O"))
    y_predicted = drawing.checked("y_predicted", y_predicted, y.shape)
    experts = drawing.checked("experts", experts, (len(y),), np.inf)
    n_outputs = y.shape[1]
    across = min(3, n_outputs)
    down = -(-n_outputs // across)
    figure = drawing.figure(3.6 * across + 1, 3.7 * down + 0.4, title)
    few = np.random.default_rng(0).permutation(len(y))[:_SCATTERED]
    for output in range(n_outputs):
        axes = figure.add_subplot(down, across, output + 1)
        points = np.stack([y[few, output], y_predicted[few, output]], -1)
        drawing.scatter(axes, points, experts[few], points, "")
        axes.axline((0, 0), slope=1, color="0.3", linewidth=0.8)
        error = np.square(y[:, output] - y_predicted[:, output]).mean()
        axes.set(xlabel="true", ylabel="predicted")
        name = f"output {output + 1}" if names is None else names[output][:_TITLE]
        axes.set_title(f"{name}: mean squared error {error:.3g}", fontsize=10, parse_math=False)
    drawing.legend(figure, {k: str(k) for k in np.unique(experts).tolist()}, "expert")
    return figure


def gate_use(y, gate_probs, *, title=None) -> Figure:
    """Mean gate probability of each expert (columns) in each class (rows); experts in the order of their main class.

    Args:
        y: [N] classes.
        gate_probs: p(c|x), [N, K].
        title: over the figure.

    Raises:
        ValueError: shapes that do not fit each other, or values that are not finite.
    """
    gate_probs = drawing.checked("gate_probs", gate_probs, ("N", "K"))
    y = drawing.checked("y", y, (len(gate_probs),), np.inf)
    classes = np.unique(y)
    shares = np.stack([gate_probs[y == label].mean(0) for label in classes])  # [C, K]
    order = np.lexsort((-shares.max(0), shares.argmax(0)))
    width, height = (max(2.0, 0.42 * n) for n in (shares.shape[1], len(classes)))
    figure = drawing.figure(width + 1.4, height + 1.4, title)
    axes = figure.subplots()
    size = drawing.font(max(shares.shape)) - 1
    ordered = shares[:, order]
    percents = np.char.mod("%.0f", 100 * ordered)
    drawing.shares(axes, ordered, np.where(ordered >= 0.005, percents, ""), size)
    axes.set_xticks(range(len(order)), [str(k) for k in order])
    axes.set_yticks(range(len(classes)), [str(label) for label in classes])
    axes.tick_params(length=0, labelsize=size + 1)
    axes.set(xlabel="expert", ylabel="class")
    axes.set_title("mean of p(c|x) in each class, %", fontsize=10)
    return figure
