"""Groups of rows are told where there are some, and not where there are none."""

import numpy as np
import pytest
from sklearn import datasets

from vae_moe.app.report import clusters
from vae_moe.training.separation import separation


def _standardised(x):
    return (x - x.mean(0)) / np.maximum(x.std(0), 1e-9)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_real_tables_have_groups(name):
    found = separation(_standardised(getattr(datasets, f"load_{name}")().data))
    assert found.word == "clear" and found.cut < found.without.min()


@pytest.mark.parametrize("kind", ["normal", "uniform", "correlated", "skewed", "binary", "gaps"])
def test_noise_has_none(rng, kind):
    x = rng.normal(size=(300, 6))
    if kind == "correlated":
        x = x @ rng.normal(size=(6, 6))
    elif kind == "skewed":
        x = np.exp(x)
    elif kind == "uniform":
        x = rng.uniform(size=(300, 6))
    elif kind == "binary":
        x = (x > 0.3).astype(float)
    x = _standardised(x)
    if kind == "gaps":
        x[rng.uniform(size=x.shape) < 0.2] = np.nan
    assert separation(x).word == "none told"


def test_categories_of_noise_are_no_groups_and_those_of_groups_are(rng):
    group = rng.integers(2, size=300)
    alone = [np.eye(3)[rng.integers(3, size=300)] for _ in range(4)]
    together = [np.eye(3)[np.where(rng.uniform(size=300) < 0.8, group, 2)] for _ in range(4)]
    blocks = [range(i, i + 3) for i in range(0, 12, 3)]
    assert separation(np.concatenate(alone, 1), blocks).word == "none told"
    assert separation(np.concatenate(together, 1), blocks).word == "clear"


def test_moons_are_groups_and_few_rows_tell_nothing(rng):
    assert separation(datasets.make_moons(200, noise=0.05, random_state=0)[0]).word == "clear"
    assert separation(rng.normal(size=(15, 3))) is None and separation(np.ones((50, 2))).word == "none told"


def test_the_page_says_so(rng):
    none, some = separation(rng.normal(size=(200, 3))), separation(_standardised(datasets.load_iris().data))
    assert "--drop" in clusters._unlike(none, 3)["no groups told"] and not clusters._unlike(some, 3)
    assert clusters._apart(none, 3)[0]["text"].startswith("No groups are told beyond chance: to part the rows into ")
    assert clusters._apart(some, 3)[0]["text"].startswith("There are groups: ") and not clusters._unlike(None, 3)
    assert "so few" in clusters._apart(None, 3)[0]["text"]
    assert clusters._apart(none, 1)[0]["tone"] == "good" and not clusters._unlike(none, 1)
    assert clusters._apart(some, 1)[0]["text"].startswith("There are groups, and all rows are in one component: ")
    assert f"ask for --components {some.n_groups}" in clusters._unlike(some, 1)["groups joined"]
