"""What models show of themselves to users of Keras: signatures with all arguments, their docstring, y for metrics."""

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import keras

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
    #: What Keras' ``compile`` makes of its arguments.
    _compile_loss: Any
    _compile_metrics: Any

    def __init_subclass__(cls, **options: Any) -> None:
        """Give the class a signature, and the docstring of its arguments."""
        super().__init_subclass__(**options)
        if hasattr(cls, "GATE"):
            cls.__signature__ = inspect.Signature(_parameters(cls))  # type: ignore[attr-defined]
            parent = next((each.__doc__ or "" for each in cls.__mro__[1:] if ARGUMENTS in (each.__doc__ or "")), "")
            if ARGUMENTS not in (cls.__doc__ or ""):
                cls.__doc__ = f"{(cls.__doc__ or '').rstrip()}\n{ARGUMENTS}{parent.partition(ARGUMENTS)[2]}"

    def compile(self, *args: Any, **options: Any) -> None:
        """Keras' ``compile``.

        Raises:
            ValueError: it is given a loss, or metrics of a model without y.
        """
        super().compile(*args, **options)  # type: ignore[misc]
        if self._compile_loss is not None or (self._compile_metrics is not None and not self.HAS_Y):
            given = "a loss" if self.HAS_Y else "a loss or metrics"
            raise ValueError(
                f"{type(self).__name__} was compiled with {given}: its loss is the sum of its own terms, and these are "
                "reported. Compile it without. A subclass can compute_loss otherwise, a callback can score."
            )

    def compile_from_config(self, config: Any) -> None:
        """Compile as before saving, which Keras leaves to classes with a ``compile`` of their own."""
        model: Any = self
        model.compile(**keras.saving.deserialize_keras_object(config))
        if model.built:
            model.optimizer.build(model.trainable_variables)

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
