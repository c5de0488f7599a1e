"""The models by name: every list of them is made from this one.

This file imports neither TensorFlow nor the rest of the library, so that commands know the names at once; the
experiments' recipes run it alone.
"""

import importlib
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """A model that commands and recipes have by name."""

    #: As tables and pages write it.
    title: str
    #: "clustering" or "experts".
    kind: str
    #: The Keras model: a class, or the name of one of ``vae_moe.models``.
    model: str | type


MODELS = {
    "dmvae": Entry("DMVAE", "clustering", "DMVAE"),
    "hdmvae": Entry("HDMVAE", "clustering", "HDMVAE"),
    "vade": Entry("VaDE", "clustering", "VaDE"),
    "dvmoe": Entry("DVMoE", "experts", "DVMoE"),
    "deepmoe": Entry("DeepMoE", "experts", "DeepMoE"),
    "vademoe": Entry("VaDE-MoE", "experts", "VaDEMoE"),
    "hmoe": Entry("HMoE", "experts", "HMoE"),
}


def names(kind: str) -> tuple[str, ...]:
    """The names of one kind's models."""
    return tuple(name for name, entry in MODELS.items() if entry.kind == kind)


def model_class(name: str) -> Any:
    """The class of a name; the models are imported, and TensorFlow with them.

    Raises:
        ValueError: if no model has that name.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}: choose one of {', '.join(MODELS)}, or add yours to MODELS.")
    model = MODELS[name].model
    return getattr(importlib.import_module("vae_moe.models"), model) if isinstance(model, str) else model
