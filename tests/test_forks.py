"""A process forked from one where TensorFlow runs: what computes there says so at once, all else goes on."""

import multiprocessing
import pickle
import subprocess
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from vae_moe import DVMoE
from vae_moe.em import GMMGatedRegressor
from vae_moe.engine import forks
from vae_moe.estimators import DVMoERegressor
from vae_moe.training import initialization

pytestmark = pytest.mark.usefixtures("short_steps")
X, Y = np.random.default_rng(0).uniform(size=(2, 40, 4)).astype("f")


@pytest.fixture(scope="module")
def fitted():
    return DVMoERegressor(2, hidden_layer_sizes=(4,), start_epochs=1, epochs=1, random_state=0).fit(X, Y[:, 0])


def _model():
    sizes = {"latent_dim": 2, "z_encoder_sizes": (4,), "c_encoder_sizes": (4,), "decoder_sizes": (4,)}
    model = DVMoE(4, 2, 4, **sizes)
    model.compile("sgd")
    return model


USES = {
    "fit": lambda fitted: _model().fit(X, Y, verbose=0),
    "evaluate": lambda fitted: _model().evaluate(X, Y, verbose=0),
    "predict": lambda fitted: _model().predict(X, verbose=0),
    "call": lambda fitted: _model()(X),
    "readout": lambda fitted: _model().encode(X),
    "stage": lambda fitted: initialization.pretrain_autoencoder(_model().mixture, X, epochs=1, verbose=0),
    "estimator": lambda fitted: DVMoERegressor(2, start="gmm").fit(X, Y[:, 0]),
    "fitted estimator": lambda fitted: pickle.loads(fitted).predict(X),
}


def _use(name, fitted=None):
    return USES[name](fitted)


def _in_a_fork(function, *arguments):
    """What a function gives in a forked process, within a minute."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        future = pool.submit(function, *arguments)
        try:
            return future.result(timeout=60)
        except TimeoutError:
            for process in pool._processes.values():
                process.kill()
            raise


@pytest.mark.parametrize("name", USES)
def test_what_computes_in_a_fork_says_how_it_would(name, fitted):
    with pytest.raises(RuntimeError, match=r"forked from one where TensorFlow was running.*'spawn'.* loky"):
        _in_a_fork(_use, name, pickle.dumps(fitted))


def test_what_uses_no_tensorflow_goes_on_in_a_fork():
    em = GMMGatedRegressor(2, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(_in_a_fork(em.predict, X), em.predict(X))


def test_programs_are_started_as_ever(fitted):
    command = ["python3", "-c", "print('there')"]
    for hook in (None, lambda: None):  # with one Python forks, and runs what is registered
        assert subprocess.run(command, preexec_fn=hook, check=True, stdout=subprocess.PIPE).stdout == b"there\n"
    forks.check()


def _checked():
    forks.check()
    return True


def test_a_fork_before_tensorflow_runs_is_harmless(monkeypatch):
    monkeypatch.setattr(forks.context, "context_safe", lambda: None)
    assert _in_a_fork(_checked)


def test_a_fork_before_the_first_operation_is_harmless(monkeypatch):
    runtime = type("Context", (), {"_initialized": False})()
    monkeypatch.setattr(forks.context, "context_safe", lambda: runtime)
    assert _in_a_fork(_checked)


def test_tensorflow_tells_whether_it_runs():
    tf.constant(1.0)
    assert forks.context.context_safe()._initialized is True
