"""Keras models: thin shells over the layers, for fit and save."""

import keras

from vae_moe.models.mixture_of_experts import DeepMoE, DVMoE, HMoE, VaDEMoE
from vae_moe.models.mixture_vae import DMVAE, HDMVAE, VAE, VaDE

__all__ = ["DMVAE", "HDMVAE", "VAE", "DVMoE", "DeepMoE", "HMoE", "VaDE", "VaDEMoE"]

if keras.config.backend() != "tensorflow":
    raise ImportError(
        f"vae_moe runs on TensorFlow, and Keras' backend is {keras.config.backend()!r}: set KERAS_BACKEND=tensorflow "
        "before Keras is first imported."
    )
