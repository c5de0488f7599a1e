"""The Keras estimators by kind, and trainings that are over soon, for tests of what is around them."""

from dataclasses import replace

import numpy as np

from vae_moe import estimators
from vae_moe.training import consensus, graphs, plan

CLUSTERINGS = (estimators.VaDEClustering, estimators.DMVAEClustering)
REGRESSORS = (estimators.DVMoERegressor, estimators.VaDEMoERegressor, estimators.DeepMoERegressor)
CLASSIFIERS = (estimators.DVMoEClassifier, estimators.VaDEMoEClassifier, estimators.DeepMoEClassifier)
#: Parameters of an estimator for a quick look, in steps without a graph.
SHORT = {"hidden_layer_sizes": (8,), "start_epochs": 1, "epochs": 1, "batch_size": 500, "random_state": 0}


def shorten(patch, steps=1, **start):
    """Let an epoch of any stage have ``steps`` at least, not 20, and one way find the start; patch is a MonkeyPatch.

    Further arguments are of the clusterings' warm starts.
    """

    def unasked(x, neighbors, one_way, seed):
        resp = one_way(np.arange(len(x)))
        return resp, graphs.core(neighbors, resp)

    patch.setattr(consensus, "agreed", unasked)
    for name in ("FEW", "MANY", "EXPERTS"):
        usual = getattr(plan, name)
        stages = replace(usual.warm_start, least_steps=steps, **start)
        patch.setattr(plan, name, replace(usual, least_steps=steps, warm_start=stages))


def undrawn(patch):
    """Let a run draw no pictures, which take as long as a short training; patch is a MonkeyPatch."""
    for name in ("during", "at_the_end"):
        patch.setattr(f"experiments.pictures.{name}", lambda *args: {})
