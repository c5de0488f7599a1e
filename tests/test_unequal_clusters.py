"""Clusterings of groups that are plainly apart, however unequal, repeated, wide or mixed."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import scale

from vae_moe.estimators import DMVAEClustering, VaDEClustering
from vae_moe.estimators._inputs import Scaling
from vae_moe.training import consensus, graphs, warm_start

BRIEF = {"hidden_layer_sizes": (32, 16), "latent_dim": 3, "start_epochs": 5, "epochs": 10, "random_state": 0}


@pytest.mark.parametrize(("clustering", "start"), [(DMVAEClustering, "spectral"), (VaDEClustering, "gmm")])
def test_training_keeps_what_the_start_found(clustering, start):
    y = np.repeat([0, 1], [190, 10])
    x = np.random.RandomState(0).randn(200, 2) + 10 * y[:, np.newaxis]
    model = clustering(2, start=start, **BRIEF).fit(x)
    assert adjusted_rand_score(y, model.labels_) >= 0.95
    assert sorted(np.round(model.model_.component_shares, 2)) == [0.05, 0.95]


def start_of(x, k, kind):
    """The clusters [N] from which a clustering of x [N, D] would start, the latents being x."""
    return warm_start.cluster(x, x, graphs.nearest_neighbors(x), k, start=kind)[0].argmax(-1)


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
    ("sizes", "start"),
    [((485, 15), "spectral"), ((485, 15), "gmm"), ((990, 10), "spectral"), ((880, 100, 20), "gmm")],
)
def test_starts_find_unequal_groups_that_few_of_ten_columns_tell(sizes, start):
    """One column tells two groups, two columns tell three; k-means cuts the large group, and has no gap to show."""
    y = np.repeat(np.arange(len(sizes)), sizes)
    x = np.random.RandomState(0).randn(len(y), 10)
    for group in range(1, len(sizes)):
        x[y == group, group] += 10
    assert adjusted_rand_score(y, start_of(scale(x), len(sizes), start)) >= 0.95


@pytest.mark.parametrize("start", warm_start.STARTS)
def test_starts_find_six_rows_that_a_gap_sets_apart(start):
    """One of two columns tells them; links join them to others, and half of their neighbours are of them."""
    y = np.repeat([0, 1], [594, 6])
    x = np.random.RandomState(9).randn(600, 2)
    x[:, 0] += 10 * y
    assert adjusted_rand_score(y, start_of(scale(x), 2, start)) == 1.0


def test_a_part_of_no_more_rows_than_a_row_has_neighbours_takes_two_witnesses():
    y = np.repeat([0, 1], [400, 8])
    x = np.random.RandomState(0).randn(408, 4) + 12 * y[:, np.newaxis]
    neighbors = graphs.nearest_neighbors(x)
    graph, resp = graphs.adjacency(neighbors), np.eye(2)[y]
    assert not graph[:400][:, 400:].nnz and not consensus.told_by_graph(x, neighbors, graph, resp)
    assert consensus.told_by_graph(x, neighbors, graph, resp, seconded=True)
    assert adjusted_rand_score(y, start_of(x, 2, "spectral")) == 1.0  # the likeliest mixture finds it, too


def test_five_rows_that_links_join_to_others_are_no_cluster_by_their_gap():
    y = np.repeat([0, 1], [595, 5])
    x = np.random.RandomState(2).randn(600, 2) + 10 * y[:, np.newaxis]
    neighbors = graphs.nearest_neighbors(x)
    graph = graphs.adjacency(neighbors)
    assert graph[:595][:, 595:].nnz and not consensus.told_by_graph(x, neighbors, graph, np.eye(2)[y])


def test_a_compact_part_is_not_scattered_and_a_handful_is():
    """Thirty rows near each other, in ten columns, whose gap is hardly longer than their steps; and ten far apart."""
    r = np.random.RandomState(0)
    x = np.concatenate([r.randn(2970, 10), r.randn(30, 10) + 10 * np.eye(10)[0], 100 * r.randn(10, 10)])
    neighbors = graphs.nearest_neighbors(x)
    scattered = consensus.scattered(x, neighbors, graphs.adjacency(neighbors))
    assert not scattered[2970:3000].any() and scattered[3000:].all()


@pytest.mark.parametrize("clustering", [VaDEClustering, DMVAEClustering])
def test_whole_fits_find_blobs_as_unequal_as_they_are(clustering):
    x, y = make_blobs(UNEQUAL[1], 5, random_state=0)
    assert adjusted_rand_score(y, clustering(3, **BRIEF).fit(x).labels_) >= 0.98


def test_a_category_is_worth_no_more_for_its_levels():
    """Four numbers that tell three groups, and three categories of five levels that tell nothing."""
    r = np.random.RandomState(0)
    y = r.randint(0, 3, 600)
    frame = pd.DataFrame(r.randn(600, 4) + 5 * y[:, np.newaxis], columns=list("abcd"))
    for name in "xyz":
        frame[name] = r.choice(list("pqrst"), 600)
    x = pd.get_dummies(frame).to_numpy(float)
    scaled = Scaling.of_inputs(x).apply(x)
    assert (np.ptp(scaled[:, 4:], 0) == 1).all() and np.allclose(scaled[:, :4].std(0), 1)
    clusters = warm_start.cluster(scaled, scaled, graphs.nearest_neighbors(scaled), 3, start="spectral")[0].argmax(-1)
    assert adjusted_rand_score(y, clusters) >= 0.95


def test_curved_clusters_stay_as_the_start_finds_them():
    """Training once took VaDE from the right start to 0.47."""
    X, y = make_moons(400, noise=0.05, random_state=0)
    found = VaDEClustering(2, epochs=10, start_epochs=5, random_state=0).fit_predict(X)
    assert adjusted_rand_score(y, found) > 0.95
