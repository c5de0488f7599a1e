"""SavedModels: functions of x as signatures that TensorFlow, and what serves its models, can call."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from vae_moe.engine.files import whole_folder
from vae_moe.layers import networks


def write(
    folder: str | os.PathLike, functions: Mapping[str, Callable], x_shape: Sequence[int], dtype: tf.DType = tf.float32
) -> None:
    """Write functions as the signatures of a SavedModel: whole, or if that fails, not at all.

    Args:
        folder: where; a SavedModel that is there is replaced.
        functions: by name: rows [B, D] -> a dictionary of tensors. The first is the default signature too.
        x_shape: of one example; the signatures take ``x``, [B, *x_shape].
        dtype: of x.

    Raises:
        FileExistsError: if something else is there.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()) and not (folder / "saved_model.pb").is_file():
        raise FileExistsError(f"{folder} is there and is no SavedModel: remove it, or export to another folder.")
    archive = keras.export.ExportArchive()
    spec = tf.TensorSpec([None, *x_shape], dtype, name="x")
    for name, function in functions.items():
        archive.add_endpoint(name, _of_rows(function), input_signature=[spec])
    with whole_folder(folder) as written:
        archive.write_out(str(written), verbose=False)


def _of_rows(function: Callable) -> Callable:
    def signature(x):
        return function(networks.rows(x))

    return signature
