"""A run as one row of TensorBoard's HParams tab: the recipe's settings and the figures it ended with."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.recipes import Recipe


def write(recipe: Recipe, figures: Mapping[str, Any], folder: Path) -> None:
    """Write both to an event file; the figures are scalars at the last epoch.

    Args:
        recipe: of the run.
        figures: as in its ``metrics.json``; those that are numbers, and no settings, are written.
        folder: of TensorBoard's events.
    """
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    settings = flat(asdict(recipe))
    with tf.summary.create_file_writer(str(folder)).as_default(step=recipe.epochs):
        api.hparams(settings)
        for name, value in figures.items():
            if isinstance(value, int | float) and name not in settings:
                tf.summary.scalar(name, value)


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, bool | int | float | str]:
    """Nested settings by dotted names; a sequence is one text, such as "500-500"; None is left out."""
    values: dict[str, bool | int | float | str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            values |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, tuple | list):
            values[prefix + name] = "-".join(map(str, value))
        elif value is not None:
            values[prefix + name] = value
    return values
