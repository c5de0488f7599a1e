"""Data sets as train, validation and test splits, by name or by their own loaders; batches of what is larger.

Every loader returns a `Dataset`. Class labels serve for scores (and for making regression targets), never for training.
"""

import difflib
from collections.abc import Callable

from vae_moe.data.datasets.images import cifar10, digits, fashion_mnist, idx_folder, mnist
from vae_moe.data.datasets.splits import Dataset, Split
from vae_moe.data.datasets.synthetic import spiral
from vae_moe.data.datasets.tables import hhar, reuters, reuters10k
from vae_moe.data.files import DatasetError, PathLike
from vae_moe.data.streaming import stream

__all__ = [
    "Dataset",
    "DatasetError",
    "Split",
    "cifar10",
    "digits",
    "fashion_mnist",
    "hhar",
    "idx_folder",
    "load",
    "mnist",
    "reuters",
    "reuters10k",
    "spiral",
    "stream",
]

_LOADERS: dict[str, tuple[Callable[..., Dataset], set[str]]] = {  # and the options each takes
    "mnist": (mnist, {"data_dir"}),
    "fashion_mnist": (fashion_mnist, {"data_dir"}),
    "cifar10": (cifar10, {"data_dir"}),
    "reuters": (reuters, {"data_dir", "seed"}),
    "reuters10k": (reuters10k, {"data_dir", "seed"}),
    "hhar": (hhar, {"data_dir", "seed"}),
    "digits": (digits, {"seed"}),
    "spiral": (spiral, {"seed"}),
}


def load(name: str, *, data_dir: PathLike | None = None, seed: int = 0) -> Dataset:
    """Load a data set by name.

    Args:
        name: "mnist", "fashion_mnist", "cifar10", "reuters", "reuters10k", "hhar", "digits" or "spiral".
        data_dir: folder to read it from instead of fetching it; the loader of that name says what it has to hold.
            "digits" and "spiral" take none.
        seed: seed of the split of "reuters", "reuters10k", "hhar" and "digits", and of the points of "spiral"; the
            others have a fixed split.

    Returns:
        The data set, x [N, D] float32 and y [N] int64 in each split.

    Raises:
        DatasetError: unknown name, a data folder for a data set that takes none, or data that cannot be had or read.
    """
    if name not in _LOADERS:
        near = difflib.get_close_matches(name, _LOADERS) or list(_LOADERS)
        raise DatasetError(
            f"Unknown data set {name!r}. Did you mean {' or '.join(near)}? Known: {', '.join(_LOADERS)}."
        )
    loader, options = _LOADERS[name]
    if data_dir is not None and "data_dir" not in options:
        raise DatasetError(
            f"Data set {name!r} takes no data folder, but got {str(data_dir)!r}. Leave it out, or load mnist from it."
        )
    given = {"data_dir": data_dir, "seed": seed}
    return loader(**{option: given[option] for option in options})
