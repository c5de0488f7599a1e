"""Clusterings of groups that are plainly apart, however unequal, repeated, wide or mixed."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from vae_moe.data.preparation import Preparation
from vae_moe.estimators import DMVAEClustering, VaDEClustering
from vae_moe.estimators._inputs import Scaling
from vae_moe.training import graphs, warm_start

BRIEF = {"hidden_layer_sizes": (32, 16), "latent_dim": 3, "start_epochs": 5, "epochs": 10, "random_state": 0}


@pytest.mark.parametrize("start", warm_start.STARTS)
@pytest.mark.parametrize("clustering", [DMVAEClustering, VaDEClustering])
def test_training_keeps_what_the_start_found(clustering, start):
    y = np.repeat([0, 1], [190, 10])
    x = np.random.RandomState(0).randn(200, 2) + 10 * y[:, np.newaxis]
    model = clustering(2, start=start, **BRIEF).fit(x)
    assert adjusted_rand_score(y, model.labels_) >= 0.95
    assert sorted(np.round(model.model_.component_shares, 2)) == [0.05, 0.95]


UNEQUAL = [[950, 50], [800, 150, 50]]


@pytest.mark.parametrize("sizes", UNEQUAL)
def test_starts_find_blobs_as_unequal_as_they_are(sizes):
    """Of ten draws, 5 columns."""
    found = []
    for draw in range(10):
        x, y = make_blobs(sizes, 5, random_state=draw)
        x = Scaling.robust(x).apply(x)
        resp, _ = warm_start.cluster(x, x, graphs.nearest_neighbors(x), len(sizes), start="spectral", seed=draw)
        found.append(adjusted_rand_score(y, resp.argmax(-1)))
    assert np.mean(found) >= 0.98


@pytest.mark.parametrize(
    ("clustering", "sizes"), zip([VaDEClustering, DMVAEClustering], UNEQUAL, strict=True), ids=["VaDE", "DMVAE"]
)
def test_whole_fits_find_blobs_as_unequal_as_they_are(clustering, sizes):
    x, y = make_blobs(sizes, 5, random_state=0)
    assert adjusted_rand_score(y, clustering(len(sizes), random_state=0).fit(x).labels_) >= 0.98


def test_a_category_is_worth_no_more_for_its_levels():
    """Four numbers that tell three groups, and three categories of five levels that tell nothing."""
    r = np.random.RandomState(0)
    y = r.randint(0, 3, 600)
    frame = pd.DataFrame(r.randn(600, 4) + 5 * y[:, np.newaxis], columns=list("abcd"))
    for name in "xyz":
        frame[name] = r.choice(list("pqrst"), 600)
    x = Preparation.fit(frame).transform(frame)
    scaled = Scaling.of_inputs(x).apply(x)
    assert (np.ptp(scaled[:, 4:], 0) == 1).all() and np.allclose(scaled[:, :4].std(0), 1)
    clusters = warm_start.cluster(scaled, scaled, graphs.nearest_neighbors(scaled), 3, start="spectral")[0].argmax(-1)
    assert adjusted_rand_score(y, clusters) >= 0.95
