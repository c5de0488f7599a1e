"""Figures of scores: over the epochs of one training, and over methods, numbers and seeds; matplotlib Figures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

from vae_moe.plots import drawing

_CURVES = (
    "loss",
    "recon",
    "nll",
    "kl_z",
    "kl_c",
    "kl_c2",
    "clustering_accuracy",
    "accuracy",
    "nmi",
    "ari",
)  # drawn first
_COLUMN_COLOURS = ("0.75", "0.55", *drawing.COLOURS)  # bars: what is published is grey


def training_curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """One panel for each quantity over the epochs, training and validation (``val_``) together.

    Args:
        history: one value an epoch by name, NaN where none was taken: Keras' ``History.history``, or the columns of
            ``history.csv``, whose ``epoch`` is not drawn.

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
    figure = drawing.figure(3 * across + 0.4, 2.3 * down + 0.7)
    kinds = {"": ("training", drawing.COLOURS[0]), "val_": ("validation", drawing.COLOURS[1])}
    kinds = {prefix: kind for prefix, kind in kinds.items() if any(prefix + name in history for name in names)}
    for i, name in enumerate(names):
        axes = figure.add_subplot(down, across, i + 1)
        for prefix, (label, colour) in kinds.items():
            values = np.asarray(history.get(prefix + name, []), float)
            epochs = np.flatnonzero(np.isfinite(values))
            marker = "o" if len(epochs) <= drawing.MANY else ""
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


def error_bars(panels: Mapping[str, Mapping[str, Sequence[float]]], *, y_name: str = "error") -> Figure:
    """Errors as bars on a logarithmic axis, one panel a task, with each seed's error as a dot.

    Args:
        panels: {panel: {method: errors > 0, one a seed}}; the first two methods are drawn grey, and a method
            has one colour in all panels.
        y_name: what the error is.

    Raises:
        ValueError: no panel.
    """
    methods = _methods(panels)
    across = min(3, len(panels))
    down = -(-len(panels) // across)
    figure = drawing.figure(4.6 * across, 3.2 * down + 0.4)
    for axes, bars in zip(_panels(figure, panels, across, down, "y"), panels.values(), strict=True):
        for j, (method, errors) in enumerate(bars.items()):
            mean = float(np.mean(errors))
            axes.bar(j, mean, color=_COLUMN_COLOURS[methods.index(method) % len(_COLUMN_COLOURS)], width=0.8)
            axes.plot([j] * len(errors), errors, "o", color="black", markersize=2.5)
            top = max(errors)  # above the dots
            axes.annotate(_short(mean), (j, top), (0, 3), textcoords="offset points", ha="center", fontsize=7)
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
        lowest, highest = (reduce(reduce(errors) for errors in bars.values()) for reduce in (min, max))
        bottom = 10 ** np.floor(np.log10(lowest) - 0.3)  # far enough for near errors to be bars of near heights
        axes.set_ylim(bottom, highest * (highest / bottom) ** 0.12)
        axes.set_xticks(range(len(bars)), list(bars), rotation=40, ha="right", rotation_mode="anchor", fontsize=7.5)
        axes.set_ylabel(y_name, fontsize=8)
        axes.tick_params(axis="y", labelsize=8)
    return figure


def error_curves(
    curves: Mapping[str, Mapping[int, Sequence[float]]],
    marks: Mapping[str, Mapping[int, float]],
    *,
    x_name: str,
    y_name: str,
) -> Figure:
    """Errors against a number on logarithmic axes: one line a method with one standard deviation as a bar, and marks.

    Args:
        curves: {method: {number: errors > 0, one a seed; none where it was not tried}}.
        marks: {name: {number: error}}, drawn as stars: figures published by others.
        x_name: what the number is.
        y_name: what the error is.
    """
    figure = drawing.figure(7.2, 4.6)
    axes = figure.subplots()
    for i, (method, points) in enumerate(curves.items()):
        numbers = [number for number, errors in points.items() if errors]
        if numbers:
            means = [float(np.mean(points[number])) for number in numbers]
            bars = [float(np.std(points[number], ddof=1)) if len(points[number]) > 1 else 0.0 for number in numbers]
            axes.errorbar(
                numbers, means, bars, color=drawing.COLOURS[i], marker=drawing.MARKERS[i], capsize=3, label=method
            )
    for name, errors in marks.items():
        axes.plot(list(errors), list(errors.values()), "*", color="black", markersize=11, label=name)
    axes.set(xscale="log", yscale="log", xlabel=x_name, ylabel=y_name)
    numbers = sorted({number for points in curves.values() for number in points})
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.grid(color="0.92")
    axes.legend(frameon=False, fontsize=8.5)
    return figure


def _methods(panels: Mapping[str, Mapping[str, object]]) -> list[str]:
    """The methods of all panels in order, each one's place its colour; an error if there is no panel."""
    if not panels:
        raise ValueError("panels must hold at least one task, received none.")
    return list(dict.fromkeys(method for panel in panels.values() for method in panel))


def _colour(place: int) -> str:
    return drawing.COLOURS[place % len(drawing.COLOURS)]


def _panels(figure: Figure, names: Iterable[str], across: int, down: int = 1, grid: Literal["both", "y"] = "both"):
    """Axes with a grid for each panel, under its name."""
    for i, name in enumerate(names):
        axes = figure.add_subplot(down, across, i + 1)
        axes.set_title(name, fontsize=10)
        axes.grid(axis=grid, color="0.92")
        axes.set_axisbelow(True)
        yield axes


def _name_rows(axes, names: Sequence[str], x_name: str) -> None:
    """One row a name, the first on top, and what the row is drawn over."""
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(x_name, fontsize=8)
    axes.tick_params(axis="x", labelsize=8)


def _short(value: float) -> str:
    """Two significant digits, without an exponent where that is short."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def dots(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    marks: Mapping[str, float],
    *,
    x_name: str,
    best: float | None = None,
) -> Figure:
    """Scores of methods, a dot a seed and a bar at their mean, one panel a task; published ones as diamonds below.

    Args:
        panels: {panel: {method: scores, one a seed}}; a method has one colour in all panels.
        marks: {name: score} of others, drawn in the first panel.
        x_name: what the score is.
        best: the highest score there can be, where the axis ends.

    Raises:
        ValueError: no panel.
    """
    colours = _methods(panels)
    rows = [[*methods, *(marks if i == 0 else ())] for i, methods in enumerate(panels.values())]
    figure = drawing.figure(5.6 * len(panels), 0.28 * max(map(len, rows)) + 1.2)
    for axes, methods, names in zip(_panels(figure, panels, len(panels)), panels.values(), rows, strict=True):
        for row, method in enumerate(names):
            if method in methods:
                scores, colour = methods[method], _colour(colours.index(method))
                axes.plot(scores, [row] * len(scores), "o", color=colour, markersize=5, alpha=0.7)
                axes.plot([np.mean(scores)] * 2, [row - 0.35, row + 0.35], color=colour, linewidth=2)
            else:
                axes.plot(marks[method], row, "D", color="0.45", markerfacecolor="white", markersize=5)
        if best is not None:
            least = axes.get_xlim()[0]
            axes.set_xlim(least, best + 0.04 * (best - least))
        _name_rows(axes, names, x_name)
    return figure


def bands(
    panels: Mapping[str, Mapping[str, Mapping[float, Sequence[float]]]],
    *,
    x_name: str | Mapping[str, str],
    y_names: Mapping[str, str] | None = None,
) -> Figure:
    """Curves over a number: the mean over seeds, a band from the least to the greatest; one panel a quantity.

    Args:
        panels: {panel: {method: {number: values, one a seed}}}.
        x_name: what the number is, or {panel: what it is}.
        y_names: {panel: what its values are}; the panel's own name if left out.

    Raises:
        ValueError: no panel.
    """
    methods = _methods(panels)
    figure = drawing.figure(5.0 * len(panels), 4.0)
    styles: dict[str, dict[str, Any]] = {
        method: dict(color=_colour(i), marker=drawing.MARKERS[i % len(drawing.MARKERS)], label=method)
        for i, method in enumerate(methods)
    }
    for axes, (name, curves) in zip(_panels(figure, panels, len(panels)), panels.items(), strict=True):
        for method, points in curves.items():
            numbers = [number for number, values in points.items() if len(values)]
            values = [points[number] for number in numbers]
            low, high, colour = list(map(min, values)), list(map(max, values)), styles[method]["color"]
            axes.fill_between(numbers, low, high, color=colour, alpha=0.18, lw=0)
            axes.plot(numbers, list(map(np.mean, values)), markersize=4, **styles[method])
        axes.set(xlabel=x_name if isinstance(x_name, str) else x_name[name], ylabel=(y_names or {}).get(name, ""))
        axes.set_title(name)
    handles = [Line2D([], [], **style) for style in styles.values()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(methods)), frameon=False)
    return figure


def mean_ranks(panels: Mapping[str, Mapping[str, float]], differences: Mapping[str, float]) -> Figure:
    """Mean ranks of methods, the best on top; bars join those nearer than what is critical (Demsar 2006).

    Args:
        panels: {panel: {method: mean rank, 1 the best}}; a method has one colour in all panels.
        differences: {panel: how far apart two mean ranks must be to differ}.

    Raises:
        ValueError: no panel.
    """
    colours = _methods(panels)
    across = min(3, len(panels))
    down = -(-len(panels) // across)
    figure = drawing.figure(4.6 * across, down * (0.26 * max(map(len, panels.values())) + 1.3))
    for axes, (name, ranks) in zip(_panels(figure, panels, across, down), panels.items(), strict=True):
        order = sorted(ranks, key=ranks.__getitem__)
        values = [ranks[method] for method in order]
        for row, (method, value) in enumerate(zip(order, values, strict=True)):
            axes.plot(value, row, "o", color=_colour(colours.index(method)), markersize=6)
        last, x = 0, max(values)
        for row, value in enumerate(values):  # the longest bar from each method on that none before it contains
            end = max(i for i, other in enumerate(values) if other - value <= differences[name])
            if end > max(row, last):
                x += 0.02 * (max(values) - 1) + 0.05
                axes.plot([x, x], [row - 0.2, end + 0.2], color="0.4", linewidth=2.5, solid_capstyle="butt")
                last = end
        _name_rows(axes, order, f"mean rank; critical difference {differences[name]:.2f}")
    return figure
