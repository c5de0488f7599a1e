"""Mixtures of experts fitted by expectation-maximisation in log space, in NumPy and SciPy.

`GMMGatedRegressor` and `GMMGatedClassifier` gate with a Gaussian mixture over the inputs (Xu, Jordan & Hinton 1995),
`SoftmaxGatedRegressor` and `SoftmaxGatedClassifier` with a multinomial logistic model, `HMoERegressor` and
`HMoEClassifier` with a tree of them (Jordan & Jacobs 1994).
"""

from vae_moe.em._em import run_em
from vae_moe.em._evidence import EvidenceExperts
from vae_moe.em._experts import CategoricalExperts, GaussianExperts
from vae_moe.em._ridge_trees import CategoricalTree, RidgeTree
from vae_moe.em._trees import GaussianTree
from vae_moe.em.gmm_gated import GMMGatedClassifier, GMMGatedRegressor
from vae_moe.em.hierarchical import HierarchicalGate, HMoEClassifier, HMoERegressor
from vae_moe.em.softmax_gated import SoftmaxGate, SoftmaxGatedClassifier, SoftmaxGatedRegressor

__all__ = [
    "CategoricalExperts",
    "CategoricalTree",
    "EvidenceExperts",
    "GMMGatedClassifier",
    "GMMGatedRegressor",
    "GaussianExperts",
    "GaussianTree",
    "HMoEClassifier",
    "HMoERegressor",
    "HierarchicalGate",
    "RidgeTree",
    "SoftmaxGate",
    "SoftmaxGatedClassifier",
    "SoftmaxGatedRegressor",
    "run_em",
]
