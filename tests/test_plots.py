import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from vae_moe.metrics import clustering_accuracy
from vae_moe.plots import cluster_plots, score_plots

DIGITS, CLASSES = load_digits(return_X_y=True)
DIGITS = DIGITS / 16


def arms(n=40, k=5):
    """Points of a spiral [k n, 2] and their arms."""
    radius, arm = np.tile(np.linspace(2.5, 10, n), k), np.repeat(np.arange(k), n)
    angle = 1.25 * (arm + (radius - 2.5) / 7.5)
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], 1), arm


def drawn(figure):
    """The pixels of a figure, [H, W, 4]."""
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


def picture(axes):
    return np.ma.filled(axes.images[0].get_array(), np.nan)


def points(axes):
    """{point: colour} of all scatters of a panel."""
    return {
        tuple(point): tuple(colour)
        for scatter in axes.collections
        for point, colour in zip(scatter.get_offsets().data, scatter.get_facecolors()[:, :3], strict=True)
    }


def legend(figure, i=-1):
    """{name: (colour, marker)} of a legend."""
    lines = figure.legends[i].get_lines()
    return {line.get_label(): (to_rgba(line.get_color())[:3], line.get_marker()) for line in lines}


def texts(axes):
    return {text.get_text(): text.get_position() for text in axes.texts}


def titles(figure):
    return [axes.get_title() for axes in figure.axes]


def test_figures_leave_no_global_state():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()  # other tests run snippets that draw
    score_plots.training_curves({"loss": [2.0, 1.0]})
    assert plt.get_fignums() == before


@pytest.mark.parametrize(("n", "across", "down"), [(1, 1, 1), (2, 2, 1), (7, 3, 3), (99, 10, 10), (150, 10, 10)])
def test_reconstructed_images_are_in_the_same_places(n, across, down):
    x = DIGITS[:n]
    figure = cluster_plots.reconstructions(x, 1 - x, image_shape=(8, 8), title="digits")
    assert (titles(figure), figure.get_suptitle()) == (["original", "reconstructed"], "digits")
    for axes, values in zip(figure.axes, (x, 1 - x), strict=True):
        cells = picture(axes)
        assert cells.shape == (9 * down - 1, 9 * across - 1)
        for i in range(down * across):
            row, column = 9 * (i // across), 9 * (i % across)
            cell = cells[row : row + 8, column : column + 8]
            np.testing.assert_array_equal(cell, values[i].reshape(8, 8) if i < n else np.nan)
    drawn(figure)


def test_reconstructed_images_need_not_be_square():
    x = np.linspace(0, 1, 4 * 6).reshape(4, 6)
    left, _ = cluster_plots.reconstructions(x, x, image_shape=(3, 2)).axes
    np.testing.assert_array_equal(picture(left)[4:7, 3:5], x[3].reshape(3, 2))


def test_colour_images_keep_their_colours():
    x = np.linspace(-0.1, 1.1, 5 * 18).reshape(5, 18)
    left, _ = cluster_plots.reconstructions(x, x, image_shape=(3, 2, 3)).axes
    assert picture(left).shape == (2 * 4 - 1, 3 * 3 - 1, 3)
    np.testing.assert_array_equal(picture(left)[4:7, 3:5], np.clip(x[4], 0, 1).reshape(3, 2, 3))
    np.testing.assert_array_equal(picture(left)[3], 1)  # the line between
    figure = cluster_plots.generated(x[:, np.newaxis], np.eye(5, 2), np.arange(5), image_shape=(3, 2, 3))
    np.testing.assert_array_equal(picture(figure.axes[0])[4:7, :2], np.clip(x[1], 0, 1).reshape(3, 2, 3))
    figure = cluster_plots.traversal(x[np.newaxis], [(0, 1)], ["a", "b"], image_shape=(3, 2, 3))
    np.testing.assert_array_equal(picture(figure.axes[0])[:, 6:8], np.clip(x[2], 0, 1).reshape(3, 2, 3))
    with pytest.raises(ValueError, match=r"\(3, 3, 2\) means 18 columns.*\(H, W, 3\)"):
        cluster_plots.reconstructions(x, x, image_shape=(3, 3, 2))
    drawn(figure)


def test_reconstructed_points_share_axes_and_colours():
    x, arm = arms()
    figure = cluster_plots.reconstructions(x, x * 1.5, labels=arm)
    left, right = figure.axes
    colours = [colour for colour, _ in legend(figure).values()]
    assert list(legend(figure)) == ["0", "1", "2", "3", "4"]
    assert points(left) == {tuple(point): colours[k] for point, k in zip(x, arm, strict=True)}
    assert points(right) == {tuple(point): colours[k] for point, k in zip(x * 1.5, arm, strict=True)}
    for axes in (left, right):
        assert (axes.get_xlim(), axes.get_ylim()) == (left.get_xlim(), left.get_ylim())
        assert axes.get_aspect() == 1
        assert axes.viewLim.contains(*(x * 1.5).min(0)) and axes.viewLim.contains(*(x * 1.5).max(0))
    drawn(figure)
    assert not cluster_plots.reconstructions(x, x).legends


def test_reconstructed_tables_are_on_the_principal_components():
    x = DIGITS[:200]
    left, right = cluster_plots.reconstructions(x, x * 0.5).axes
    pca = PCA(2, svd_solver="full").fit(x)
    for axes, values in ((left, x), (right, x * 0.5)):
        expected = np.abs(pca.transform(values))
        np.testing.assert_allclose(sorted(map(tuple, np.abs(list(points(axes))))), sorted(map(tuple, expected)))
    assert left.get_xlabel() == "principal component 1"


@pytest.mark.parametrize(("k", "n"), [(1, 100), (1, 1), (3, 35), (10, 10), (50, 25)])
def test_generated_images_are_in_the_row_of_their_component(k, n):
    samples = np.broadcast_to(np.arange(k)[:, None, None] / k, (k, n, 6))
    components = np.arange(60) % k
    embedding = np.random.default_rng(0).normal(size=(60, 2))
    names = cluster_plots.component_names([i % 10 for i in range(k)])
    figure = cluster_plots.generated(samples, embedding, components, image_shape=(2, 3), names=names)
    left, right = figure.axes
    assert titles(figure) == ["generated", "t-SNE of z, by component"]
    assert [label.get_text() for label in left.get_yticklabels()] == names
    rows = np.nanmean(picture(left)[np.arange(len(picture(left))) % 3 != 2], 1)  # without the lines between
    np.testing.assert_allclose(rows, np.repeat(np.arange(k) / k, len(rows) // k))
    if k > 1:
        for tick, value in zip(left.get_yticks(), np.arange(k) / k, strict=True):
            assert picture(left)[int(tick), 0] == value
    assert len(set(legend(figure).values())) == k, "colour and marker tell the components apart"
    for marker, style in zip(left.lines, legend(figure).values(), strict=True):
        assert (to_rgba(marker.get_color())[:3], marker.get_marker()) == style
    assert len(right.texts) == k
    drawn(figure)


def test_generated_points_have_their_components_colour_in_both_halves():
    samples, arm = arms()
    embedding = np.random.default_rng(0).normal(size=(200, 2))
    components = np.where(arm == 2, 3, arm)  # nothing for component 2
    figure = cluster_plots.generated(samples.reshape(5, 40, 2), embedding, components, classes=4 - arm)
    left, right = figure.axes
    names = ["0: class 4", "1: class 3", "2: empty", "3: class 1", "4: class 0"]
    colours = [colour for colour, _ in legend(figure).values()]
    assert list(legend(figure)) == names
    assert points(left) == {tuple(point): colours[k] for point, k in zip(samples, arm, strict=True)}
    assert points(right) == {tuple(point): colours[k] for point, k in zip(embedding, components, strict=True)}
    medians = {names[k]: tuple(np.median(embedding[components == k], 0)) for k in (0, 1, 3, 4)}
    assert texts(right) == medians
    assert left.get_aspect() == right.get_aspect() == 1
    drawn(figure)


def test_generated_without_names_has_numbers():
    figure = cluster_plots.generated(np.random.default_rng(0).normal(size=(3, 4, 7)), np.zeros((2, 2)), [0, 2])
    assert list(legend(figure)) == ["0", "1", "2"]
    assert set(texts(figure.axes[1])) == {"0", "2"}
    drawn(figure)


def test_latent_space_has_the_same_colours_where_the_clustering_is_right():
    x, arm = arms()
    components = np.array([3, 0, 4, 2, 1])[arm]
    figure = cluster_plots.latent_space(
        x, arm, components, cluster_plots.component_names([1, 4, 3, 0, 2], "arm"), title="spiral"
    )
    left, right = figure.axes
    assert titles(figure) == ["t-SNE of z, by true class", "t-SNE of z, by component"]
    assert points(left) == points(right)
    assert set(texts(left)) == {"0", "1", "2", "3", "4"}
    assert texts(left)["0"] == texts(right)["3: arm 0"]
    components[0] = 0
    changed = cluster_plots.latent_space(x, arm, components, list("abcde")).axes
    assert {p for p, colour in points(changed[0]).items() if points(changed[1])[p] != colour} == {tuple(x[0])}
    drawn(figure)


@pytest.mark.parametrize("k", [1, 3, 25])
def test_latent_space_with_other_numbers_of_components_than_classes(k):
    components = np.arange(100) % k
    figure = cluster_plots.latent_space(DIGITS[:100, 2:4], CLASSES[:100], components, [f"{i}: x" for i in range(k)])
    drawn(figure)
    classes, named = legend(figure, 0), legend(figure, 1)
    assert list(classes) == [str(c) for c in range(10)]
    assert len(set(classes.values())) == 10 and len(set(named.values())) == k
    assert len(set(classes.values()) & set(named.values())) == min(10, k)
    assert ("7: x" in texts(figure.axes[1])) == (3 < k <= 20)
    assert ("7" in texts(figure.axes[1])) == (k > 20)


@pytest.mark.parametrize("k", [1, 4, 12, 50])
def test_confusion_has_the_matched_on_the_diagonal(k):
    components = np.where(CLASSES % 3 == 0, 0, CLASSES * 7 % k)
    names = [f"component {i}" for i in range(k)]
    axes = cluster_plots.confusion(CLASSES, components, k, names).axes[0]
    counts = {
        (round(y), round(x)): int(text) for text, (x, y) in ((t.get_text(), t.get_position()) for t in axes.texts)
    }
    rows = [int(label.get_text()) for label in axes.get_yticklabels()]
    columns = [names.index(label.get_text()) for label in axes.get_xticklabels()]
    assert sorted(rows) == list(range(10)) and sorted(columns) == list(range(k))
    assert counts == {
        (i, j): count
        for i, c in enumerate(rows)
        for j, component in enumerate(columns)
        if (count := np.sum((c == CLASSES) & (components == component)))
    }
    matched = sum(count for (i, j), count in counts.items() if i == j)
    assert matched / len(CLASSES) == pytest.approx(clustering_accuracy(CLASSES, components))
    assert f"{matched} of 1797" in axes.get_title()
    drawn(axes.figure)


def test_side_by_side_is_dot_for_dot():
    rng = np.random.default_rng(0)
    shapes = [(60, 90, 4), (80, 50, 3), (30, 120, 4)]
    images = [(f"picture {i}", rng.integers(0, 256, shape, np.uint8)) for i, shape in enumerate(shapes)]
    for _, image in images:
        image[..., 3:] = 255
    figure = cluster_plots.side_by_side(images)
    page = drawn(figure)
    assert titles(figure) == ["picture 0", "picture 1", "picture 2"]
    for axes, (_, image) in zip(figure.axes, images, strict=True):
        left, top = round(axes.bbox.x0), round(len(page) - axes.bbox.y1)
        channels = image.shape[2]
        found = page[top : top + image.shape[0], left : left + image.shape[1], :channels]
        np.testing.assert_array_equal(found, image)
    assert drawn(cluster_plots.side_by_side(images[:1])).shape[1] < 150


def test_component_names():
    assert cluster_plots.component_names([7, 7, None]) == ["0: digit 7", "1: digit 7", "2: empty"]
    assert cluster_plots.component_names([0], "arm") == ["0: arm 0"]


X, Z = np.zeros((4, 6)), np.zeros((4, 2))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: cluster_plots.reconstructions(X, X[:3]), r"x_reconstructed must have the shape \[4, 6\].* \[3, 6\]"),
        (lambda: cluster_plots.reconstructions(X[:0], X[:0]), "not be empty"),
        (lambda: cluster_plots.reconstructions(X[0], X[0]), r"x must have the shape \[N, D\]"),
        (lambda: cluster_plots.reconstructions(X, X / [0, 1, 1, 1, 1, 1]), "4 NaN or infinite"),
        (lambda: cluster_plots.reconstructions(X, X, image_shape=(2, 2)), r"\(2, 2\) means 4 columns, received 6"),
        (lambda: cluster_plots.reconstructions(X[:, :1], X[:, :1]), "Give image_shape"),
        (lambda: cluster_plots.reconstructions(Z, Z, labels=[0, 1]), r"labels must have the shape \[4\]"),
        (lambda: cluster_plots.reconstructions(Z, Z, labels=[0, 1, 2, 0.5]), "float64 from 0.0 to 2.0"),
        (lambda: cluster_plots.generated(X, Z, [0, 1, 2, 0]), r"samples must have the shape \[K, n, D\]"),
        (
            lambda: cluster_plots.generated(X[None], Z, [0, 1, 0, 0]),
            r"components must be integers in \[0, 1\).* 0 to 1",
        ),
        (lambda: cluster_plots.generated(X[None], X, [0, 0, 0, 0]), r"embedding must have the shape \[M, 2\]"),
        (
            lambda: cluster_plots.generated(X[None], Z, [0, 0, 0, 0], names=["a", "b"]),
            "each of the 1 components, received 2",
        ),
        (
            lambda: cluster_plots.latent_space(Z, [0, 0, 1], [0, 0, 1, 1], ["a", "b"]),
            r"classes must have the shape \[4\]",
        ),
        (lambda: cluster_plots.confusion([0, 1], [0, 2], 2, ["a", "b"]), "from 0 to 2"),
        (lambda: score_plots.training_curves({}), "received the lengths {}"),
        (lambda: score_plots.training_curves({"loss": [1.0], "nmi": []}), "'nmi': 0"),
        (lambda: cluster_plots.side_by_side([]), "at least one"),
        (lambda: cluster_plots.side_by_side([("a", X)]), r"received the shapes \[\(4, 6\)\]"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_errors_tell_what_was_received(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_traversal_has_a_row_a_pair():
    pairs, names = [(0, 1), (1, 2)], ["0: digit 3", "1: digit 5", "2: empty"]
    figure = cluster_plots.traversal(DIGITS[:14].reshape(2, 7, -1), pairs, names, image_shape=(8, 8))
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == [
        "0: digit 3 → 1: digit 5",
        "1: digit 5 → 2: empty",
    ]
    assert figure.axes[0].images[0].get_array().shape == (2 * 9 - 1, 7 * 9 - 1)
    lines = cluster_plots.traversal(np.arange(28.0).reshape(2, 7, 2), pairs, names).axes[0].lines
    np.testing.assert_array_equal(lines[1].get_xydata(), np.arange(14.0, 28).reshape(7, 2))
