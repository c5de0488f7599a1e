"""The mathematics: layers and pure functions, one a file."""

from vae_moe.layers.conv import ConvDecoder, ConvEncoder
from vae_moe.layers.experts import Experts
from vae_moe.layers.gates import SoftmaxGate
from vae_moe.layers.gumbel_softmax import GumbelSoftmax
from vae_moe.layers.latent_mixture import BayesMixture, LatentMixture, NetworkMixture
from vae_moe.layers.mixture_config import MixtureConfig
from vae_moe.layers.mixture_prior import MixturePrior
from vae_moe.layers.mlp import MLP
from vae_moe.layers.regularization import Regularization
from vae_moe.layers.tree_mixture import TreeMixture, TreeMLP

__all__ = [
    "MLP",
    "BayesMixture",
    "ConvDecoder",
    "ConvEncoder",
    "Experts",
    "GumbelSoftmax",
    "LatentMixture",
    "MixtureConfig",
    "MixturePrior",
    "NetworkMixture",
    "Regularization",
    "SoftmaxGate",
    "TreeMLP",
    "TreeMixture",
]
