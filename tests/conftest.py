import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def digits():
    """All of scikit-learn's digits: x [1797, 64] in [0, 1], y [1797]."""
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y
