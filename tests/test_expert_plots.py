"""Figures of experts: what is drawn is what was given."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from vae_moe.plots import drawing, expert_plots, score_plots


def test_regions_have_the_colour_of_their_expert(rng):
    x = rng.normal(size=(100, 2))
    grid = expert_plots.plane(x)
    assert grid[0, 0, 1] > grid[-1, 0, 1] and (grid.reshape(-1, 2).min(0) < x.min(0)).all()
    right = (grid[..., 0] > 0).astype(int)
    classes = (x[:, 0] <= 0).astype(int)  # expert 0 is class 1
    figure = expert_plots.regions(grid, np.eye(3)[right], x, classes, 1 - classes)
    left_axes, right_axes = figure.axes
    picture = right_axes.images[0].get_array()
    for corner, expert in ((picture[0, 0], 0), (picture[0, -1], 1)):
        np.testing.assert_allclose(corner, 0.6 * np.array(to_rgb(drawing.style(expert)["color"])) + 0.4)
    dots = left_axes.collections[0]
    colours = {
        bool(left): tuple(colour[:3])
        for left, colour in zip(dots.get_offsets()[:, 0] <= 0, dots.get_facecolors(), strict=True)
    }
    assert colours == {True: to_rgb(drawing.COLOURS[0]), False: to_rgb(drawing.COLOURS[1])}


def test_predictions_have_a_panel_an_output(rng):
    y = rng.normal(size=(50, 4))
    figure = expert_plots.predictions(y, y + 0.1, rng.integers(0, 3, 50))
    assert len(figure.axes) == 4 and "0.01" in figure.axes[0].get_title()


def test_gate_use_is_the_mean_by_class():
    y, gate = np.array([0, 0, 1, 1]), np.array([[0, 1.0], [0.5, 0.5], [1, 0], [1, 0]])
    axes = expert_plots.gate_use(y, gate).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 1]])  # experts by their main class: 1, 0
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "0"]


def test_error_bars_and_curves_show_every_seed():
    figure = score_plots.error_bars({"mnist, 1 output": {"a": [1.0], "b": [0.1, 0.2]}})
    axes = figure.axes[0]
    assert [patch.get_height() for patch in axes.patches] == pytest.approx([1.0, 0.15])
    assert sum(len(line.get_xdata()) for line in axes.lines) == 3
    near = score_plots.error_bars({"near": {"a": [180.0], "b": [210.0]}}).axes[0]
    assert near.get_ylim()[0] == pytest.approx(10) and near.get_ylim()[1] > 250  # the bars start a decade below
    curves = score_plots.error_curves(
        {"ours": {100: [3.0, 4.0], 1000: []}}, {"theirs": {100: 3.33}}, x_name="labels", y_name="error"
    )
    assert [text.get_text() for text in curves.axes[0].get_legend().get_texts()] == ["theirs", "ours"]
    with pytest.raises(ValueError, match="at least one task"):
        score_plots.error_bars({})


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match="y_predicted must have the shape"):
        expert_plots.predictions(np.zeros((5, 2)), np.zeros((5, 1)), np.zeros(5, int))
    with pytest.raises(ValueError, match="experts must be integers in"):
        grid = expert_plots.plane(np.eye(2))
        expert_plots.regions(grid, np.ones((*grid.shape[:2], 2)), np.eye(2), np.array([0, 1]), np.array([0, 2]))
