"""What models show of themselves to users of Keras: signatures with all arguments, their docstring, y for metrics."""

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from vae_moe.layers import Regularization
from vae_moe.layers.latent_mixture import LatentMixture
from vae_moe.layers.mixture_config import MixtureConfig

ARGUMENTS = "\n    Args:"


class Shown:
    """Abstract: a model whose arguments are its own, its gate's and those of :class:`Regularization`."""

    GATE: Any
    FIXED: Mapping[str, Any]
    #: Whether it has y, which the metrics of Keras' ``compile`` compare with what is predicted.
    HAS_Y = False

    def __init_subclass__(cls, **options: Any) -> None:
        """Give the class a signature, and the docstring of its arguments."""
        super().__init_subclass__(**options)
        if hasattr(cls, "GATE"):
            cls.__signature__ = inspect.Signature(_parameters(cls))  # type: ignore[attr-defined]
            parent = next((each.__doc__ or "" for each in cls.__mro__[1:] if ARGUMENTS in (each.__doc__ or "")), "")
            if ARGUMENTS not in (cls.__doc__ or ""):
                cls.__doc__ = f"{(cls.__doc__ or '').rstrip()}\n{ARGUMENTS}{parent.partition(ARGUMENTS)[2]}"

    def predicted(self, outputs: Any) -> Any:
        """What metrics compare with y."""
        return outputs


def _parameters(cls: type[Shown]) -> list[inspect.Parameter]:
    """The parameters of a model's constructor: those of its own, and those that it hands on."""
    own = list(inspect.signature(cls.__init__).parameters.values())[1:]
    if issubclass(cls.GATE, LatentMixture):
        config = {each.name: each for each in fields(MixtureConfig)}
        handed = {name: each.default for name, each in config.items() if each.default is not MISSING}
    else:
        of_gate = inspect.signature(cls.GATE.__init__).parameters
        handed = {name: each.default for name, each in of_gate.items() if each.default is not inspect.Parameter.empty}
    handed |= {"regularization": None}
    handed |= {each.name: each.default for each in fields(Regularization) if each.default is not MISSING}
    named = {each.name for each in own if each.kind is not inspect.Parameter.VAR_KEYWORD}
    shown = [each for each in own if each.name in named - cls.FIXED.keys()]
    keyword = inspect.Parameter.KEYWORD_ONLY
    more = {name: default for name, default in handed.items() if name not in named | cls.FIXED.keys()}
    return [*shown, *(inspect.Parameter(name, keyword, default=default) for name, default in more.items())]
