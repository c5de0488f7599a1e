import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import own_files
import pytest
import short_plans
import tensorflow as tf
from sklearn.datasets import load_diabetes, load_digits, load_wine

from experiments import judges, measures, wheels


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _short_measures(tmp_path_factory):
    """What runs are measured by, in less time; its judges are not left among a user's."""
    folder = tmp_path_factory.mktemp("judges")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judges, "folder", lambda: folder)
        patch.setattr(judges, "MOST_EPOCHS", 2)
        patch.setattr(measures, "SAMPLES", 20)
        patch.setattr(measures, "LIKELIHOOD_SAMPLES", 20)
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def short_steps():
    """Estimators whose epochs have as many steps as there are batches, and not 20."""
    with pytest.MonkeyPatch.context() as patch:
        short_plans.shorten(patch)
        yield


@pytest.fixture(scope="module")
def no_graphs():
    """Functions of TensorFlow run as they stand: to trace one takes longer than a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def digits():
    """All of scikit-learn's digits: x [1797, 64] in [0, 1], y [1797]."""
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y


@pytest.fixture(scope="session")
def wine():
    """X [178, 13], y [178] of 3 classes."""
    return load_wine(return_X_y=True)


@pytest.fixture(scope="session")
def diabetes():
    """X [442, 10], y [442]."""
    return load_diabetes(return_X_y=True)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder with wine.csv, diabetes.csv and digits/, for the command."""
    folder = tmp_path_factory.mktemp("data")
    own_files.wine().to_csv(folder / "wine.csv", index=False)
    own_files.diabetes().to_csv(folder / "diabetes.csv", index=False)
    own_files.write_digits(folder / "digits", 120, classes=4)
    return folder


@pytest.fixture
def one_wheel(tmp_path, monkeypatch):
    """A function of scikit-learn's loader of a table, which is then read, with a gap, as all that wheels hold."""

    def give(load):
        frame = load(as_frame=True).frame.rename(columns={"target": "class"})
        frame.iloc[0, 0] = np.nan
        frame.to_csv(tmp_path / "wheel.csv", index=False)
        monkeypatch.setattr(wheels, "csv_of", lambda name: tmp_path / "wheel.csv")

    return give


@pytest.fixture(autouse=True)
def _log_level():
    """A command sets how much is said, for its whole process: not for the tests that come after it."""
    yield
    logging.getLogger("vae_moe").setLevel(logging.NOTSET)
