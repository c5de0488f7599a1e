"""What a mixture of experts learns on a data set: outputs of affine maps, or the classes, on all rows or a few."""

from dataclasses import dataclass

import numpy as np

from vae_moe.data.datasets import Dataset, Split


@dataclass(frozen=True, eq=False)
class Targets:
    """Regression targets [N, O] float32 of each split, and the maps: `kernels` [C, D, O] and `biases` [C, O]."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    kernels: np.ndarray
    biases: np.ndarray


@dataclass(frozen=True, eq=False)
class Classes:
    """Class targets [N] int64 of each split; -1 where a training row has no label."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def affine(dataset: Dataset, n_outputs: int, seed: int) -> Targets:
    """Regression targets by an affine map for each class: y = x W_class + b_class, without noise.

    The report's text tells of one map for all rows, its code draws one for each class. We follow the code, for only
    that makes experts necessary: a single map is learnt by a single linear model.

    Args:
        dataset: x [N, D] and the class labels, which choose the map.
        n_outputs: number of target columns, O.
        seed: seed of the maps, which are drawn once from N(0, 1) and shared by all splits.

    Returns:
        Targets [N, O] of each split, kernels W [C, D, O] and biases b [C, O], all float32.

    Raises:
        ValueError: n_outputs below one.
    """
    if n_outputs < 1:
        raise ValueError(f"n_outputs must be at least 1, received {n_outputs}. Give the number of target columns.")
    rng = np.random.default_rng(seed)
    kernels = rng.standard_normal((dataset.n_classes, dataset.input_dim, n_outputs), dtype=np.float32)
    biases = rng.standard_normal((dataset.n_classes, n_outputs), dtype=np.float32)

    def apply(split: Split) -> np.ndarray:
        targets = np.empty((len(split), n_outputs), np.float32)
        for label in np.unique(split.y):
            rows = split.y == label
            targets[rows] = split.x[rows] @ kernels[label] + biases[label]
        return targets

    return Targets(apply(dataset.train), apply(dataset.validation), apply(dataset.test), kernels, biases)


def classes(dataset: Dataset, n_labels: int | None = None, seed: int = 0) -> Classes:
    """The classes as targets, with labels on few of the training rows, an equal number of each class if it divides.

    Args:
        dataset: whose classes.
        n_labels: labelled training rows; None labels all.
        seed: of which rows are labelled.

    Returns:
        The targets.

    Raises:
        ValueError: n_labels below the number of classes, or more than there are rows.
    """
    y = dataset.train.y
    if n_labels is None or n_labels == len(y):
        return Classes(y, dataset.validation.y, dataset.test.y)
    if not dataset.n_classes <= n_labels <= len(y):
        raise ValueError(f"n_labels must be between {dataset.n_classes} (a row a class) and {len(y)}, got {n_labels}.")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    rank = np.empty(len(y), np.int64)  # of a row in its class
    for label in range(dataset.n_classes):
        rows = order[y[order] == label]
        rank[rows] = np.arange(len(rows))
    labelled = order[np.argsort(rank[order], kind="stable")[:n_labels]]
    targets = np.full_like(y, -1)
    targets[labelled] = y[labelled]
    return Classes(targets, dataset.validation.y, dataset.test.y)
