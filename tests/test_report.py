"""The report: its page, what it says of groups and experts, and its scores."""

import io
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from vae_moe.app import main
from vae_moe.app.features import Feature
from vae_moe.app.report import coefficients, columns, groups, pictures, scores, traits
from vae_moe.app.report.groups import Groups
from vae_moe.app.report.held_out import HeldOut
from vae_moe.app.report.page import Page
from vae_moe.data.preparation import Preparation

HOSTILE = "<script>alert(1)</script>\"'&{{ 7 * 7 }}"


class Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.addresses, self.text = set(), set(), ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses |= {value for name, value in attrs if name in ("src", "href")}

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def two_groups():
    """Forty rows in two groups, which a hostile column and its hostile category tell apart."""
    group = np.repeat([0, 1], 20)
    frame = pd.DataFrame(
        {"age": 30.0 + 40 * group + np.tile(np.arange(20), 2) % 5, HOSTILE: np.where(group, HOSTILE, "no")}
    )
    x = np.stack([(frame.age - 52) / 20, group == 1, group == 0], 1)
    features = [Feature("age", "", "number", 52.0, 20.0)]
    features += [Feature(HOSTILE, level, "category") for level in (HOSTILE, "no")]
    rows = [str(row) for row in range(1, 41)]
    labels = np.where(group, HOSTILE, "b")
    return Groups("cluster", x, x[:, :2], np.eye(3)[group], rows, features, frame, labels=labels)


def test_foreign_text_is_escaped_and_nothing_is_fetched(two_groups, tmp_path):
    parts = (groups.overview, groups.one_by_one, groups.against_labels, groups.latents)
    made = Page(HOSTILE, HOSTILE, {HOSTILE: [block for part in parts for block in part(two_groups)]})
    read = Tags(made.html)
    assert not {"iframe", "object", "embed"} & read.tags and made.html.count("<script") == 1
    assert HOSTILE in read.text and "49" not in read.text
    assert all(address.startswith(("data:", "#")) for address in read.addresses)
    made.write(tmp_path)
    assert Page.read(tmp_path).html == made.html == (tmp_path / "report.html").read_text()


def test_traits_are_standardised_mean_differences_in_the_columns_units(two_groups):
    found = traits.traits(two_groups.x, two_groups.features, two_groups.of_rows == 1)
    age = two_groups.frame.age
    by_column = {trait.feature.column: trait for trait in found}
    assert by_column["age"].effect == pytest.approx((age[20:].mean() - age.mean()) / age.std(ddof=0), rel=1e-5)
    assert (by_column["age"].here, by_column["age"].overall, by_column["age"].words) == ("72", "52", "high age")
    assert (by_column[HOSTILE].here, by_column[HOSTILE].overall) == ("100%", "50%")


def test_typical_members_are_nearest_to_their_groups_mean(two_groups):
    rows = two_groups.typical(1, 4)
    away = np.linalg.norm(two_groups.z - two_groups.z[20:].mean(0), axis=1)[20:]
    assert rows.tolist() == (20 + np.argsort(away, kind="stable")[:4]).tolist()


def test_a_group_without_rows_is_told(two_groups):
    assert groups.overview(two_groups)[-1]["text"] == "Without a row: cluster 2."
    assert two_groups.label_scores["clustering_accuracy"] == 1


def test_coefficients_are_those_of_the_affine_maps():
    x, y = load_diabetes(return_X_y=True)
    models = [LinearRegression().fit(x[rows], y[rows]) for rows in (slice(200), slice(200, None))]
    kernels = coefficients.slopes(lambda rows: np.stack([each.predict(rows) for each in models], 1)[..., None], 10)
    np.testing.assert_allclose(kernels[..., 0], [model.coef_ for model in models], rtol=1e-3)
    assert coefficients.slopes(lambda rows: np.square(rows)[:, np.newaxis], 10) is None


def test_coefficients_are_told_in_the_columns_units():
    m, scale = np.arange(60.0) * 10, 173.0
    a = np.arange(60) % 3 == 0
    x = np.stack([(m - m.mean()) / scale, a, ~a], 1)
    features = [Feature("m", "", "number", m.mean(), scale), *(Feature("k", level, "category") for level in "ab")]
    kernel = np.array([3 * scale, 5 + 60, 5])  # a row of "a" lies 60 above one of "b", 40 above the mean
    block = coefficients.table(kernel, np.zeros(3), features, x, "y")
    assert [(row[0], row[1]["text"]) for row in block["rows"]] == [("m + 100", "+300"), ("k: a", "+40")]


def test_a_comparison_tells_better_worse_and_undecided(rng):
    other = rng.gamma(1.0, size=300)
    better = scores.compare(0.5 * other, other)
    assert better.gain == pytest.approx(0.5) and better.low == pytest.approx(0.5)
    noisy = scores.compare(rng.permutation(other), other)
    assert noisy.low < 0 < noisy.high and "do not decide" in noisy.words
    assert scores.Comparison(0.32, 0.3, 0.35).words == "32% below the linear model's (95 % interval: 30% to 35% below)"
    assert scores.Comparison(-0.46, -0.72, -0.22).words == (
        "46% above the linear model's (95 % interval: 22% to 72% above): the linear model predicts better"
    )
    assert scores.Comparison(0.03, -0.04, 0.1).words.startswith(
        "not told apart from the linear model's (95 % interval: 10% below to 4% above)"
    )


def held_out(predicted, baseline, **more):
    y = np.tile([0, 1], 100)
    return HeldOut("y", y, predicted, baseline, np.array([0.5, 0.5]), y, ["a", "b"], **more)


def test_experts_worse_than_a_constant_or_a_linear_model_are_in_trouble(rng):
    right = np.eye(2)[np.tile([0, 1], 100)]
    good, fair, sure = 0.1 + 0.8 * right, 0.25 + 0.5 * right, 0.001 + 0.998 * right[::-1]

    def found(predicted, baseline):
        rows = held_out(predicted, baseline)
        return rows.troubles(rows.verdict()[0])

    assert found(good, fair) == found(good, good) == {}
    assert found(fair, good) == {
        "worse than a linear model": f"the experts' log-loss is {np.log(0.75) / np.log(0.9) - 1:.0%} above its"
    }
    (words,) = found(sure, fair).values()
    above = np.log(0.001) / np.log(0.5) - 1
    assert words == (
        f"the experts' log-loss is {above:.0%} above that of predicting each class's share of the training rows for "
        "every row"
    )
    y = rng.normal(size=(50, 2))
    rows = HeldOut(["u", "v"], y, -y, y, np.zeros(2), np.zeros(50, int))
    assert list(rows.troubles(rows.verdict()[0])) == ["no better than a constant"]


def test_calibration_bars_stay_in_the_picture(monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures, "png", drawn.append)
    right = np.arange(100) % 10 < np.repeat([3, 10], 50)
    pictures.reliability(np.repeat([0.3, 1.0], 50), right)
    axes = drawn[0].axes[0]
    bars = np.concatenate([path.vertices for path in axes.containers[0].lines[2][0].get_paths()])
    assert (bars[:, 1] >= axes.get_ylim()[0]).all() and bars[:, 1].max() <= 1


def test_calibration_of_what_is_calibrated(rng):
    sure = rng.uniform(0.5, 1, 20_000)
    right = rng.uniform(size=20_000) < sure
    assert scores.expected_calibration_error(sure, right) < 0.02
    assert scores.expected_calibration_error(np.full(10, 0.9), np.zeros(10, bool)) == pytest.approx(0.9)
    covered = scores.coverage(rng.uniform(size=20_000), np.empty(0))
    np.testing.assert_allclose(list(covered.values()), list(covered), atol=0.02)
    narrow = rng.beta(0.5, 0.5, size=(2, 20_000))  # ranks of a density that is too narrow
    covered = scores.coverage(narrow[0], np.sort(narrow[1]))
    np.testing.assert_allclose(list(covered.values()), list(covered), atol=0.02)


def test_what_was_read_otherwise_is_said_where_gaps_are():
    cells = [f"${value:,}" for value in range(900, 1100)]
    preparation = Preparation.fit(pd.DataFrame({"price": cells, "cost": ["-", *map(str, range(199))]}))
    features = [Feature(name, "", "number") for name in ("price", "cost")]
    table, *_ = columns.described(preparation, features, 200)
    assert table["rows"][0][:3] == ["price", "number: '$900' is read as 900", "none"]
    assert table["rows"][1][1] == "number: '-' is read as missing" and table["rows"][1][2]["text"] == "1 (0.5%)"
    features[1] = Feature("cost", "", "count", likelihood="count")
    table, *_ = columns.described(preparation, features, 200)
    assert table["head"][-1] == "likelihood" and [row[-1] for row in table["rows"]] == ["gaussian", "count"]


def test_numbers_are_short():
    shown = [traits.number(value) for value in (0.0, 1234.5, 0.012345, 1e-7, 2.5e9, np.nan)]
    assert shown == ["0", "1,234", "0.0123", "1.00e-07", "2.50e+09", "nan"]
    assert [groups.shown(cell) for cell in (None, np.nan, True, 3, "x" * 50)] == ["–", "–", "True", "3", "x" * 39 + "…"]


def test_a_sheet_shows_every_image():
    pixels = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4)
    picture = np.asarray(Image.open(io.BytesIO(pictures.sheet(pixels, 3))))
    side = 4 * (pictures.SHEET_CELL // 4) + 3
    assert picture.shape == (2 * side, 3 * side, 3)
    np.testing.assert_array_equal(picture[3 : side : side // 4, 3, 0][:4], pixels[0, :, 0])


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "config.json is not there" in capsys.readouterr().err and not list(tmp_path.iterdir())
    (tmp_path / "config.json").write_text("3.5")
    assert main(["report", str(tmp_path)]) == 2
    assert "config.json holds 3.5, no record" in capsys.readouterr().err
