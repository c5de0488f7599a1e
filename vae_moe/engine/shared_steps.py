"""Compiled steps for the next fit of a model of the same shape in this process: where rows are few, to trace a step and
to optimise its graph takes longer than to train."""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import NamedTuple

import keras
import tensorflow as tf
from tensorflow.python.eager import context

from vae_moe.engine.steps import LoopingModel

#: Models that are kept, the last ones: each is some MiB of weights and graphs.
MOST = 4


class _Kept(NamedTuple):
    model: LoopingModel
    stages: dict[str, LoopingModel]


_lock = Lock()
_kept: OrderedDict[str, _Kept] = OrderedDict()
_in_use: ContextVar[_Kept | None] = ContextVar("_in_use", default=None)


@contextmanager
def twin(model: LoopingModel) -> Iterator[LoopingModel]:
    """Yield a model of the same configuration and variables to be trained in its place, whose end it gets.

    It is one that was trained here before, where there is one that nobody trains just now. Its steps are the same: what
    a graph holds as constants is the configuration, and all else, random states too, is variables.

    Args:
        model: built; models that differ in the seed alone share steps.
    """
    if tf.distribute.has_strategy():
        yield model
        return
    kind = _kind(model)
    with _lock:
        kept = _kept.pop(kind, None)
    kept = kept or _Kept(_keeping(type(model).from_config(model.get_config())), {})
    _copy(model, kept.model)
    token = _in_use.set(kept)
    try:
        yield kept.model
    finally:
        _in_use.reset(token)
    _copy(kept.model, model)
    with _lock:
        _kept[kind] = kept
        dropped = [_kept.popitem(last=False) for _ in range(len(_kept) - MOST)]
    if dropped:
        context.context().clear_kernel_cache()  # of each single operation and shape: 1.7 MiB a model


def stage(name: str, make: Callable[[], LoopingModel]) -> LoopingModel:
    """Return the part of a twin that a stage of its training is a model of, or else a new one.

    Args:
        name: of the stage.
        make: gives the model; of a twin that was trained before, it is not called.
    """
    kept = _in_use.get()
    if kept is None:
        return make()
    if name not in kept.stages:
        kept.stages[name] = _keeping(make())
    return kept.stages[name]


def forget() -> None:
    """Drop the models that are kept, and the memory that they take."""
    with _lock:
        _kept.clear()


def _keeping(model: LoopingModel) -> LoopingModel:
    model.kept_steps = {}
    return model


def _kind(model: LoopingModel) -> str:
    config = {name: value for name, value in model.get_config().items() if name not in ("seed", "name")}
    return json.dumps([type(model).__qualname__, keras.config.floatx(), config], sort_keys=True, default=repr)


def _copy(source: LoopingModel, target: LoopingModel) -> None:
    for variable, other in zip(target.variables, source.variables, strict=True):
        variable.assign(other)
    for name in source.SETTINGS:
        setattr(target, name, getattr(source, name))
