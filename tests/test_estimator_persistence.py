"""Saved estimators: folders that are whole, that need no pickle, and that say what is wrong with them."""

import json
import pickle
import shutil
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from short_plans import SHORT
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError

from vae_moe import estimators

pytestmark = pytest.mark.usefixtures("short_steps", "no_graphs")


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    return X, np.array(["barolo", "grignolino", "barbera"], dtype=object)[y]


@pytest.fixture(scope="module")
def saved(wine, tmp_path_factory):
    """A classifier of wines, and the folder it is in."""
    folder = tmp_path_factory.mktemp("saved") / "wine"
    model = estimators.DeepMoEClassifier(2, **SHORT).fit(*wine)
    model.save(folder)
    return model, folder


@pytest.mark.parametrize("estimator", estimators.ESTIMATORS)
def test_a_loaded_estimator_is_the_saved_one(estimator, wine, tmp_path):
    X, y = wine
    model = estimator(2, **SHORT).fit(X, X[:, 0] if "Regressor" in estimator.__name__ else y)
    model.save(tmp_path / "model")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        loaded, unpickled = estimators.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))
        keras.saving.load_model(tmp_path / "model" / "model.keras")
    plain = {name: value for name, value in vars(model).items() if name != "model_"}
    for again in (loaded, unpickled):
        assert type(again) is estimator and again.get_params() == model.get_params()
        assert type(again.model_) is type(model.model_) and set(vars(again)) == set(vars(model))
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        for name, value in plain.items():
            np.testing.assert_array_equal(getattr(again, name), value)
    loaded.fit(X, X[:, 0] if "Regressor" in estimator.__name__ else y)  # and can be fitted anew
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_it_predicts_alike_in_a_new_process(saved, wine):
    model, folder = saved
    code = (
        f"import keras, vae_moe\nkeras.models.load_model({str(folder / 'model.keras')!r})\n"
        "from sklearn.datasets import load_wine\nfrom vae_moe import estimators\n"
        f"print(*estimators.load({str(folder)!r}).predict(load_wine().data))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.split() == list(model.predict(wine[0]))


def test_nothing_in_the_folder_is_pickled(saved):
    _, folder = saved
    assert {path.name for path in folder.iterdir()} == {"estimator.json", "arrays.npz", "model.keras"}
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        assert {"classes_", "x_mean_"} <= set(arrays.files) and all(arrays[name] is not None for name in arrays.files)
    description = json.loads((folder / "estimator.json").read_text())
    assert description["class"] == "DeepMoEClassifier" and description["parameters"]["n_experts"] == 2


def test_the_folder_is_whole_or_as_it_was(saved, tmp_path, monkeypatch):
    model, folder = saved
    copy = tmp_path / "wine"
    shutil.copytree(folder, copy)
    before = {path.name: path.read_bytes() for path in copy.iterdir()}

    def fail(*args, **kwargs):
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(type(model.model_), "save", fail)
        for target in (copy, tmp_path / "new"):
            with pytest.raises(OSError, match="no space"):
                model.save(target)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["wine"]
    model.save(copy)  # replaces what it saved before
    assert estimators.load(copy).classes_.tolist() == model.classes_.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["wine"]


def test_another_folder_is_not_overwritten(saved, tmp_path):
    model, _ = saved
    (tmp_path / "mine").write_text("mine")
    for target in (tmp_path, tmp_path / "mine"):
        with pytest.raises(estimators.SaveError, match="is no saved estimator"):
            model.save(target)
    assert (tmp_path / "mine").read_text() == "mine"
    model.save(tmp_path / "deep" / "er")
    assert estimators.load(tmp_path / "deep" / "er").n_features_in_ == 13


def change(folder, **values):
    path = folder / "estimator.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "is no saved estimator"),
        (lambda folder: (folder / "estimator.json").write_text("{"), "is no saved estimator"),
        (lambda folder: (folder / "estimator.json").write_text("[]"), "is none of vae_moe's"),
        (lambda folder: change(folder, format="other"), "is none of vae_moe's"),
        (lambda folder: change(folder, version=1), "is of format version 1, this vae_moe reads version 3"),
        (lambda folder: change(folder, **{"class": "Pipeline"}), "holds a 'Pipeline', which is none of VaDEClustering"),
        (lambda folder: change(folder, **{"class": []}), "holds a \\[\\], which is none of"),
        (lambda folder: change(folder, **{"class": None}), "holds a None, which is none of"),
        (lambda folder: change(folder, parameters={"n_trees": 3}), "is not whole, or was changed"),
        (lambda folder: change(folder, parameters=None), "is not whole, or was changed"),
        (lambda folder: (folder / "model.keras").unlink(), "is not whole, or was changed"),
        (lambda folder: (folder / "model.keras").write_bytes(b"PK"), "is not whole, or was changed"),
        (lambda folder: (folder / "arrays.npz").write_bytes(b""), "is not whole, or was changed"),
        (lambda folder: np.savez(folder / "arrays.npz", classes_=np.array([{}])), "is not whole, or was changed"),
    ],
)
def test_a_folder_that_is_not_whole_says_so(spoil, message, saved, tmp_path):
    folder = tmp_path / "wine"
    shutil.copytree(saved[1], folder)
    spoil(folder)
    with pytest.raises(estimators.LoadError, match=message):
        estimators.load(folder)


def test_another_version_than_saved_it_is_told_of(saved, wine, tmp_path, monkeypatch):
    model, folder = saved
    shutil.copytree(folder, tmp_path / "wine")
    pickled, here = pickle.dumps(model), json.loads((folder / "estimator.json").read_text())["versions"]
    assert here["keras"] == keras.__version__
    change(tmp_path / "wine", versions={**here, "keras": "3.0.1", "scikit-learn": "1.0"})
    message = f"was saved with keras 3.0.1, scikit-learn 1.0, here is keras {keras.__version__}, scikit-learn "
    with pytest.warns(estimators.VersionWarning, match=message) as warned:
        loaded = estimators.load(tmp_path / "wine")
    assert warned[0].filename == __file__
    np.testing.assert_array_equal(loaded.predict(wine[0]), model.predict(wine[0]))
    monkeypatch.setattr(estimators._persistence, "versions", lambda: {**here, "tensorflow": "9.0"})
    with pytest.warns(estimators.VersionWarning, match=f"saved with tensorflow {here['tensorflow']}, here is t.* 9.0"):
        pickle.loads(pickled)


class Mine(estimators.DeepMoEClassifier):
    """A user's."""


def test_a_class_that_could_not_be_loaded_is_not_saved(saved, tmp_path):
    model = Mine(2, **SHORT)
    vars(model).update(vars(saved[0]))
    with pytest.raises(estimators.SaveError, match=r"Mine is a class of your own, which load\(\) does not know"):
        model.save(tmp_path / "mine")
    assert not list(tmp_path.iterdir()) and type(pickle.loads(pickle.dumps(model))) is Mine


@pytest.fixture
def policy(request):
    """Keras' global policy, for one test."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("policy", ["mixed_float16", "float64"], indirect=True)
def test_kerass_global_policy_changes_nothing(policy, saved, wine, tmp_path):
    model, folder = saved
    expected = model.predict_proba(wine[0])
    again = estimators.DeepMoEClassifier(2, **SHORT).fit(*wine)
    again.save(tmp_path / "model")
    copies = again, estimators.load(tmp_path / "model"), estimators.load(folder), pickle.loads(pickle.dumps(model))
    for each in copies:
        np.testing.assert_array_equal(each.predict_proba(wine[0]), expected)
    clustering = estimators.VaDEClustering(2, latent_dim=2, **{**SHORT, "start": None}).fit(wine[0])
    assert {weight.dtype for weight in clustering.model_.weights} <= {"float32", "uint32", "int32"}
    assert keras.config.dtype_policy().name == policy


def test_what_has_no_plain_value_cannot_be_saved(wine, tmp_path):
    model = estimators.DeepMoEClassifier(2, **SHORT)
    with pytest.raises(NotFittedError):
        model.save(tmp_path / "model")
    model.set_params(random_state=np.random.RandomState(0)).fit(*wine)
    with pytest.raises(estimators.SaveError, match="Give random_state as an integer"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())
    model.set_params(random_state=np.int64(3), n_experts=np.int64(2)).save(tmp_path / "model")
    assert estimators.load(tmp_path / "model").random_state == 3
