"""Mixtures of experts gated by clustering variational autoencoders.

Importing the package registers its models and layers with Keras, so that ``keras.models.load_model`` finds them.
"""

from importlib import metadata

from vae_moe.models import DMVAE, HDMVAE, VAE, DeepMoE, DVMoE, HMoE, VaDE, VaDEMoE

__all__ = ["DMVAE", "HDMVAE", "VAE", "DVMoE", "DeepMoE", "HMoE", "VaDE", "VaDEMoE"]
__version__ = metadata.version("vae_moe")
