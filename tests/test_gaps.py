"""Tables of several kinds of columns, with gaps, through the estimators."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_wine
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import train_test_split

from vae_moe import estimators
from vae_moe.estimators import DeepMoEClassifier, DMVAEClustering, DVMoEClassifier, DVMoERegressor, VaDEClustering
from vae_moe.estimators._fields import Field
from vae_moe.estimators._table import Table, is_mixed
from vae_moe.training.graphs import filled

pytestmark = pytest.mark.usefixtures("short_steps", "no_graphs")
SHORT = {"start": None, "epochs": 1, "hidden_layer_sizes": (8,), "latent_dim": 2, "random_state": 0}


@pytest.fixture
def frame(rng):
    n = 60
    words = rng.choice(["red", "green", "blue"], n)
    table = pd.DataFrame(
        {
            "number": rng.normal(5, 2, n),
            "heavy": rng.standard_t(1.2, n),
            "visits": pd.array(rng.negative_binomial(1, 0.2, n), dtype="Int64"),
            "share": rng.beta(0.8, 0.8, n),
            "flag": rng.uniform(size=n) < 0.3,
            "colour": pd.Categorical(words),
            "word": words.astype(object),
            "size": pd.Categorical(rng.choice(["s", "m", "l"], n), ["s", "m", "l"], ordered=True),
            "day": pd.date_range("2024-01-01", periods=n),
        }
    )
    table.loc[0, "share"], table.loc[1, "share"] = 0.0, 1.0
    return table


KINDS = ["gaussian", "student", "count", "share", "bernoulli", "categorical", "categorical", "ordinal", "gaussian"]


def gaps_in(frame, rng, share=0.3):
    return frame.mask(pd.DataFrame(rng.uniform(size=frame.shape) < share, frame.index, frame.columns))


def test_what_each_column_is(frame):
    assert [field.kind for field in Table.fit(frame).fields] == KINDS
    assert Table.fit(frame, {"visits": "gaussian"}).fields[2].kind == "gaussian"
    assert not is_mixed(frame[["number", "heavy"]]) and is_mixed(frame) and not is_mixed(np.ones((3, 2)))
    assert is_mixed(np.array([[1.0, np.nan]])) and is_mixed(frame[["number"]].mask(frame[["number"]] > 7))


@pytest.mark.parametrize(("n", "others", "expected"), [(30, 0, 30), (30, 9, 31), (40, 9, 30), (40, 0, 30)])
def test_levels_that_are_many_or_rare_are_one(n, others, expected):
    column = pd.Series([f"town {i}" for i in range(n)] * 3 + ["(other)"] * others, dtype="category")
    field = Table.fit(column.to_frame("town")).fields[0]
    assert len(field.levels) == len(set(field.levels)) == expected
    assert set(field.decode(field.encode(column))) == set(field.levels)


def test_a_table_comes_back_from_its_entries(frame):
    table = Table.of(Table.fit(frame).kept())
    back = table.decode(table.encode(frame))
    assert (back.dtypes.drop("day") == frame.dtypes.drop("day")).all()
    near = frame["heavy"].between(*back["heavy"].quantile([0, 1]))  # what is far counts as less far
    for name in frame:
        if name in ("number", "share", "heavy"):
            rows = near if name == "heavy" else slice(None)
            assert back[name][rows].to_numpy() == pytest.approx(frame[name][rows].to_numpy(), rel=1e-4, abs=1e-5)
        elif name == "day":
            assert abs(back[name] - frame[name]).max() < pd.Timedelta("10min")  # float32
        else:
            assert back[name].tolist() == frame[name].tolist()


def test_only_gaps_are_filled_and_types_stay(frame, rng):
    gappy = gaps_in(frame, rng).astype({"visits": "Int64", "flag": "boolean", "size": frame["size"].dtype})
    table = Table.fit(gappy)
    entries = table.encode(gappy)
    assert (np.isnan(entries).any() if gappy.isna().any(axis=None) else True) and not np.isnan(filled(entries)).any()
    full = table.fill(gappy, filled(entries))
    assert not full.isna().any(axis=None) and (full.dtypes == gappy.dtypes).all()
    for name in gappy:
        known = gappy[name].notna()
        assert full[name][known].equals(gappy[name][known])


def test_densities_are_in_the_units_of_each_column(rng):
    """A column in other units has another density: by the log of the units' ratio."""
    values = pd.Series(rng.normal(size=40))
    one, other = Field.found("a", values), Field.found("a", 1000 * values)
    assert one.encode(values) == pytest.approx(other.encode(1000 * values), abs=1e-4)
    assert one.log_jacobian(values) - other.log_jacobian(1000 * values) == pytest.approx(np.log(1000))
    share = pd.Series(rng.uniform(0.01, 0.99, 40))
    field = Field.found("s", share, "share")
    step = 1e-5
    slope = (field.encode(share + step) - field.encode(share - step))[:, 0] / (2 * step)
    assert field.log_jacobian(share) == pytest.approx(np.log(slope), abs=1e-3)


@pytest.mark.parametrize(
    ("columns", "likelihood", "words"),
    [
        ({"a": [1.0, np.inf, 2.0]}, "mixed", "X has infinity"),
        ({"a": list("xyz")}, {"a": "gaussian"}, "cannot be 'gaussian'"),
        ({"a": [-1.0, 2.0, 3.0]}, {"a": "count"}, "from -1 to 3: it cannot be 'count'"),
        ({"a": [1.0, 2.0, 3.0]}, {"a": "poisson"}, "must be one of gaussian"),
        ({"a": [1.0, 2.0, 3.0]}, {"b": "count"}, "likelihood names"),
        ({"a": list("xyz")}, {"a": "bernoulli"}, "has 3 values"),
    ],
)
def test_a_column_that_cannot_be_that_is_refused(columns, likelihood, words):
    with pytest.raises(ValueError, match=words):
        DMVAEClustering(2, likelihood=likelihood, **SHORT).fit(pd.DataFrame(columns))


def test_text_among_numbers_is_named_with_its_place(frame):
    table = Table.fit(frame)
    wrong = frame.astype({"number": object})
    wrong.loc[wrong.index[3], "number"] = "hello"
    with pytest.raises(ValueError, match="'hello' in column 'number', row 3, counted from 0, which takes numbers"):
        table.encode(wrong)


def test_columns_of_one_name_are_refused(frame):
    twice = pd.concat([frame[["number", "word"]], frame[["number"]]], axis=1)
    with pytest.raises(ValueError, match="two columns of X are called 'number'"):
        DMVAEClustering(2, **SHORT).fit(twice)


@pytest.mark.parametrize("estimator", [VaDEClustering, DMVAEClustering])
def test_a_clustering_fills_and_draws_a_table(estimator, frame, rng, tmp_path):
    gappy = gaps_in(frame, rng, 0.2)
    gappy.loc[5] = None
    fitted = estimator(2, **SHORT).fit(gappy)
    assert fitted.likelihood_ == "mixed" and np.isfinite(fitted.score_samples(gappy)).all()
    assert fitted.predict_proba(gappy).sum(1) == pytest.approx(1)
    assert not fitted.impute(gappy).isna().any(axis=None)
    one, other = fitted.sample_missing(gappy, 2)
    assert not one.equals(other)
    drawn, components = fitted.sample(7)
    assert list(drawn) == list(frame) and len(components) == 7
    fitted.save(tmp_path / "kept")
    loaded = estimators.load(tmp_path / "kept")
    assert loaded.impute(gappy).equals(fitted.impute(gappy))
    with pytest.warns(UserWarning, match="column 'word' has values that the fit had not, the first is 'pink'"):
        fitted.predict(frame.assign(word="pink"))


def test_arrays_with_gaps_come_back_as_arrays(rng):
    X = rng.normal(size=(50, 3))
    X[rng.uniform(size=X.shape) < 0.2] = np.nan
    fitted = DMVAEClustering(2, **SHORT).fit(X)
    full = fitted.impute(X)
    assert isinstance(full, np.ndarray) and np.isfinite(full).all()
    assert (full[~np.isnan(X)] == X[~np.isnan(X)]).all()
    assert fitted.sample(4)[0].shape == (4, 3)


def test_numbers_without_gaps_know_nothing_of_gaps(rng):
    X = rng.normal(size=(40, 3))
    fitted = DMVAEClustering(2, **SHORT).fit(X)
    del fitted.table_  # as of an estimator that was saved before there were tables
    assert (fitted.predict(X) == fitted.labels_).all()
    with pytest.raises(ValueError, match="Fit it with likelihood='mixed'"):
        fitted.impute(np.full((2, 3), np.nan))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=4, max_size=8))
def test_gaps_of_any_shape_are_filled(gone):
    """A whole row may be gone, a whole column, or nothing."""
    gone = np.array(gone)
    X = np.where(gone, np.nan, np.arange(gone.size).reshape(gone.shape) % 7 + 0.5)
    table = Table.fit(X)
    entries = filled(table.encode(X))
    assert np.isfinite(entries).all()
    assert np.isfinite(table.fill(X, entries)).all()


def test_clusters_of_rows_with_gaps_are_those_of_full_rows(rng):
    X, y = load_wine(return_X_y=True)
    gappy = np.where(rng.uniform(size=X.shape) < 0.2, np.nan, X)
    assert (
        adjusted_rand_score(y, VaDEClustering(3, epochs=15, start_epochs=10, random_state=0).fit_predict(gappy)) > 0.7
    )


def test_a_number_is_predicted_from_rows_with_gaps(rng):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X = X.astype({"sex": "category"})
    gappy = gaps_in(X, rng, 0.2)
    X_train, X_test, y_train, y_test = train_test_split(gappy, y, random_state=0)
    fitted = DVMoERegressor(2, epochs=5, start_epochs=5, random_state=0).fit(X_train, y_train)
    assert np.sqrt(np.mean((fitted.predict(X_test) - y_test) ** 2)) < 0.9 * y_test.std()
    assert fitted.predict_interval(X_test).shape == (len(X_test), 2)


def test_a_class_is_predicted_from_a_table(frame, rng, tmp_path):
    fitted = DVMoEClassifier(2, **SHORT).fit(gaps_in(frame.drop(columns="word"), rng, 0.2), frame["word"])
    fitted.save(tmp_path / "kept")
    table = gaps_in(frame.drop(columns="word"), rng, 0.5)
    assert estimators.load(tmp_path / "kept").predict_proba(table) == pytest.approx(fitted.predict_proba(table))
    assert set(fitted.predict(table)) <= {"red", "green", "blue"}
    fitted.export(tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served").signatures["predict"]
    told = served(x=tf.constant(fitted.table_entries(table), tf.float64))["probabilities"].numpy()
    assert told == pytest.approx(fitted.predict_proba(table), abs=1e-5)


def test_a_table_of_polars_kind_is_read_by_the_interchange(frame):
    class Foreign:
        def __init__(self, inner):
            self.inner = inner

        def __len__(self):
            return len(self.inner)

        def __dataframe__(self, *args, **options):
            return self.inner.__dataframe__(*args, **options)

    mine = frame[["number", "flag", "colour"]]
    assert Table.fit(Foreign(mine)).encode(Foreign(mine)) == pytest.approx(Table.fit(mine).encode(mine))


def test_that_a_cell_has_no_value_may_say_something(frame, rng):
    """Classes that differ in nothing but in which rows have a number."""
    y = rng.uniform(size=120) < 0.5
    X = pd.DataFrame({"a": np.where(y, np.nan, rng.normal(size=120)), "b": rng.normal(size=120)})
    informed, others = (
        DVMoEClassifier(1, missing=missing, **SHORT).fit(X, y).score(X, y) for missing in ("informative", "random")
    )
    assert informed > 0.95 > others + 0.2
    table = Table.fit(gaps_in(frame, rng), missing="informative")
    assert len(table.fields) == 2 * len(table.columns) and list(table.decode(table.encode(frame))) == list(frame)
    assert not table.gaps(frame).any() and table.gaps(frame).shape == frame.shape


def test_a_gate_that_models_no_x_takes_gaps_too(frame, rng):
    table, y = gaps_in(frame.drop(columns="word"), rng, 0.2), frame["word"]
    fitted = DeepMoEClassifier(2, epochs=2, start_epochs=1, random_state=0).fit(table, y)
    assert np.isfinite(fitted.table_entries(table)).all() and set(fitted.predict(table)) <= set(y)
    assert fitted.score(frame.drop(columns="word"), y) > 0.9  # the colour says the word
