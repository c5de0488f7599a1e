"""The mathematics: layers and pure functions, one a file."""

from vae_moe.layers.conv import ConvDecoder, ConvEncoder
from vae_moe.layers.experts import Experts
from vae_moe.layers.gates import SoftmaxGate
from vae_moe.layers.gumbel_softmax import GumbelSoftmax
from vae_moe.layers.latent_mixture import LatentMixture
from vae_moe.layers.mixture_prior import MixturePrior
from vae_moe.layers.mlp import MLP

__all__ = [
    "MLP",
    "ConvDecoder",
    "ConvEncoder",
    "Experts",
    "GumbelSoftmax",
    "LatentMixture",
    "MixturePrior",
    "SoftmaxGate",
]
