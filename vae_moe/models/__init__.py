"""Keras models: thin shells over the layers, for fit and save."""

from vae_moe.models.mixture_of_experts import DeepMoE, DVMoE, VaDEMoE
from vae_moe.models.mixture_vae import DMVAE, VAE, VaDE

__all__ = ["DMVAE", "VAE", "DVMoE", "DeepMoE", "VaDE", "VaDEMoE"]
