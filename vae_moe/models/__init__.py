"""Keras models: thin shells over the layers, for fit and save."""

from vae_moe.models.mixture_vae import DMVAE, VAE, VaDE

__all__ = ["DMVAE", "VAE", "VaDE"]
