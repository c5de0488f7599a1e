"""One thread where a problem is small, as many as there were elsewhere and afterwards."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from vae_moe import DeepMoE
from vae_moe.app.report.mixtures import Linear
from vae_moe.em import GMMGatedRegressor
from vae_moe.engine import threads
from vae_moe.training import expert_em, graphs, warm_start


def counts(kind="blas"):
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == kind}


@pytest.fixture(autouse=True)
def _two_threads():
    with threadpool_limits(2):
        yield


@pytest.mark.parametrize("kind", ["blas", "openmp"])
def test_one_thread_where_it_is_small_and_all_again_afterwards(kind):
    with threads.one_if(False):
        assert counts(kind) == {2}
    with pytest.raises(KeyError), threads.one_if(True), threads.one_if(True):
        assert counts(kind) == {1}
        raise KeyError
    assert counts(kind) == {2}


def test_threads_that_overlap_leave_as_many_as_there_were():
    """Before threadpoolctl 3.8 one was left: the second thread took the first's limit for what had been there."""
    both_in, one_out = Barrier(2), Barrier(2)

    def fit(first):
        with threads.one_if(True):
            both_in.wait()
            if not first:
                one_out.wait()
        if first:
            one_out.wait()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fit, [True, False]))
    assert counts() == {2}


def nothing_but(x, y):
    """What is to use one thread on few rows, by name."""
    neighbors, model = graphs.nearest_neighbors(x), DeepMoE(3, 2, 1)
    return {
        "neighbours": lambda: graphs.nearest_neighbors(x),
        "clusters": lambda: warm_start.cluster(x, x, neighbors, 2, start="spectral"),
        "EM": lambda: GMMGatedRegressor(2, init="random", random_state=0).fit(x, y),
        "k-means": lambda: GMMGatedRegressor(2, random_state=0).fit(x, y),
        "experts": lambda: expert_em.fit_experts(model, x, y),
        "their centre": lambda: expert_em.shared_kernel(model.experts, x, y),
        "a linear model": lambda: Linear(x, y, "regression"),
    }


def test_small_is_told_by_size(rng, monkeypatch):
    threadpool_limits(1)
    x = rng.normal(size=(60, 3)).astype("f")
    tasks, asked = nothing_but(x, x[:, :1]), []

    @contextmanager
    def note(small):
        asked.append(small)
        yield

    monkeypatch.setattr(threads, "one_if", note)
    for small in (True, False):
        for name, task in tasks.items():
            asked.clear()
            task()
            assert set(asked) == {small}, name
        monkeypatch.setattr(threads, "FEW_ROWS", 59)
        monkeypatch.setattr(threads, "FEW_MULTIPLICATIONS", 60 * 3**2 - 1)
