"""Pickles of plain values and NumPy arrays as Python 2 wrote them in protocol 2, and of nothing else."""

import io
import math
import pickle
import pickletools
import re
from typing import Any, ClassVar

import numpy as np

from vae_moe.data.files import DatasetError

#: Values that a pickle may use again. Each can double what it is part of: a key of 60 such pairs takes years to hash.
_REUSED_LIMIT = 40


def loads(content: bytes, source: object) -> Any:
    """Load a pickle; what Python 2 had as text comes as bytes, and no more memory is taken than it has content.

    Args:
        content: the pickle.
        source: where it is from, for messages.

    Raises:
        DatasetError: the pickle asks for anything but arrays of numbers, or is damaged.
    """
    try:
        _check_steps(content)
        return _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except _ForbiddenError as error:
        raise DatasetError(f"{source} asks for {error}, which no array needs; it was not loaded.") from error
    except Exception as error:  # a damaged pickle calls its few functions with anything
        raise DatasetError(
            f"{source} is no sound pickle of arrays ({str(error)[:200]}). Put a sound copy in its place."
        ) from error


def _check_steps(content: bytes) -> None:
    """Refuse lengths beyond the content, a memo (a table) of more places than steps, and what is made of itself."""
    n_reused = 0
    for n_before, (opcode, argument, _) in enumerate(pickletools.genops(content)):  # sees to lengths
        if "PUT" in opcode.name and int(argument or 0) > n_before:
            raise ValueError(f"place {argument} of the memo after {n_before} steps")
        n_reused += "GET" in opcode.name or opcode.name == "DUP"
    if n_reused > _REUSED_LIMIT:
        raise ValueError(f"{n_reused} values are used again")


class _ForbiddenError(Exception):
    """A pickle asks for something else than an array."""


class _Dtype:
    """A dtype as the pickle describes it."""

    def __init__(self, name: bytes, *_: int):
        self.name, self.byte_order = name, b"|"

    def __setstate__(self, state: tuple) -> None:
        self.byte_order = state[1]


class _Array(np.ndarray):
    """An array that takes its content from a pickle after checking it, where NumPy's own would trust it."""

    def __new__(cls, *_: Any) -> "_Array":
        """Make an empty array, whatever size the pickle tells before the content."""
        return super().__new__(cls, (0,), np.uint8)

    def __setstate__(self, state: tuple) -> None:
        _, shape, description, by_columns, content = state
        name = description.byte_order + description.name
        if re.fullmatch(rb"[<>=|][iuf][1248]", name) is None:
            raise ValueError(f"an array of {name!r}")
        dtype = np.dtype(name.decode())
        if min(shape, default=1) < 1 or math.prod(shape) * dtype.itemsize != len(content):
            raise ValueError(f"an array {shape} of {name!r} in {len(content)} bytes")
        super().__setstate__((1, shape, dtype, bool(by_columns), content))  # type: ignore[arg-type]


class _Unpickler(pickle.Unpickler):
    _ALLOWED: ClassVar = {
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Look up what the pickle names, if an array needs it."""
        if (module, name) not in self._ALLOWED:
            raise _ForbiddenError(f"{module}.{name}")
        return self._ALLOWED[module, name]
