"""Mixtures of experts gated by clustering variational autoencoders.

The models (:class:`VAE`, :class:`VaDE`, :class:`DMVAE`) are imported on first use: ``vae_moe.datasets`` and
``vae_moe.em`` work without TensorFlow being loaded.
"""

import importlib

__all__ = ["DMVAE", "VAE", "DVMoE", "DeepMoE", "VaDE", "VaDEMoE"]


def __getattr__(name):
    if name in __all__:
        return getattr(importlib.import_module("vae_moe.models"), name)
    raise AttributeError(f"module 'vae_moe' has no attribute {name!r}")
