"""The pictures of scores."""

import numpy as np

from vae_moe.plots import score_plots


def test_training_curves_pair_training_and_validation():
    history = {
        "epoch": [0, 1, 2],
        "temperature": [1.0, 0.9, 0.8],
        "loss": [3.0, 2.0, 1.0],
        "val_loss": [4.0, 3.0, 2.0],
        "val_nmi": [0.1, np.nan, 0.5],
    }
    figure = score_plots.training_curves(history)
    assert [axes.get_title() for axes in figure.axes] == ["loss", "nmi", "temperature"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training", "validation"]
    lines = {axes.get_title(): {line.get_label(): line for line in axes.lines} for axes in figure.axes}
    np.testing.assert_array_equal(lines["loss"]["training"].get_xydata(), [[1, 3], [2, 2], [3, 1]])
    np.testing.assert_array_equal(lines["loss"]["validation"].get_xydata(), [[1, 4], [2, 3], [3, 2]])
    np.testing.assert_array_equal(lines["nmi"]["validation"].get_xydata(), [[1, 0.1], [3, 0.5]])
    assert lines["loss"]["training"].get_color() == lines["temperature"]["training"].get_color()
    assert {axes.get_xlabel() for axes in figure.axes} == {"epoch"}
    for each in (figure, score_plots.training_curves({f"term_{i}": [1.0] for i in range(9)})):
        each.canvas.draw()
