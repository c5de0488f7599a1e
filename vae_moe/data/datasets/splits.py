"""What every loader returns: rows and labels in three splits."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of one split: `x` [N, D] float32 inputs and `y` [N] int64 class labels, which are used for scores only."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits, the `likelihood` that suits x ("bernoulli" or "gaussian") and, for images, (H, W) or (H, W, C)."""

    name: str
    train: Split
    validation: Split
    test: Split
    likelihood: str
    image_shape: tuple[int, ...] | None

    @property
    def input_dim(self) -> int:
        """Number of columns D of x."""
        return self.train.x.shape[1]

    @property
    def n_classes(self) -> int:
        """Number of classes: the largest label in any split plus one."""
        return 1 + max(int(split.y.max()) for split in (self.train, self.validation, self.test))

    @property
    def protocol(self) -> str:
        """Sizes of the splits, such as "train 55000 / validation 5000 / test 10000"."""
        return f"train {len(self.train)} / validation {len(self.validation)} / test {len(self.test)}"

    def without_validation(self) -> "Dataset":
        """The validation rows among the training rows too, for methods that choose nothing by them."""
        x = np.concatenate([self.train.x, self.validation.x])
        return replace(self, train=Split(x, np.concatenate([self.train.y, self.validation.y])))

    def head(self, n: int) -> "Dataset":
        """The first n rows of each split, to try things out."""
        train, validation, test = (Split(part.x[:n], part.y[:n]) for part in (self.train, self.validation, self.test))
        return replace(self, train=train, validation=validation, test=test)
