"""What the numeric parameters, the options, the data and the sample weights of the scikit-learn estimators may be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight

POSITIVE = float(np.finfo(np.float64).tiny)
# The least value of each numeric parameter; integers where that is an int.
LEAST: dict[str, float] = {
    "n_experts": 1,
    "n_components": 1,
    "n_init": 1,
    "max_iter": 1,
    "inner_max_iter": 1,
    "latent_dim": 1,
    "start_epochs": 1,
    "epochs": 1,
    "patience": 1,
    "batch_size": 1,
    "tol": 0.0,
    "alpha": 0.0,
    "alpha_gate": 0.0,
    "reg_covar": 0.0,
    "shrinkage": 0.0,
    "y_weight": 0.0,
    "elbo_weight": 0.0,
    "regularization": 0.0,
    "adversarial_reach": 0.0,
    "validation_fraction": 0.0,
    "reg_variance": POSITIVE,
    "variance": POSITIVE,
    "learning_rate": POSITIVE,
}
# Largest entry of X and y: their squares and sums are finite as float64, and what is scaled by less is as float32.
LARGEST = 1e30
# None leaves these to the data.
OPTIONAL = ("variance", "epochs", "start_epochs", "batch_size")
# A parameter that is found in the data.
AUTO = "auto"
# Shares: below 1.
SHARES = ("shrinkage", "validation_fraction")


def check_numbers(parameters: Mapping[str, Any], found: Collection[str] = ()) -> None:
    """Raise ValueError unless each parameter that LEAST knows is a finite number of its kind and range.

    Those named in found may be AUTO.
    """
    for name, value in parameters.items():
        is_found = name in found and isinstance(value, str) and value == AUTO
        if name in LEAST and not is_found and not (name in OPTIONAL and value is None):
            _check_number(name, value, f" or {AUTO!r}" if name in found else "")


def _check_number(name: str, value: Any, otherwise: str) -> None:
    least, below = LEAST[name], 1.0 if name in SHARES else np.inf
    kind = Integral if isinstance(least, int) else Real
    if not isinstance(value, kind) or isinstance(value, bool) or not least <= float(value) < below:
        wanted = "an integer" if kind is Integral else "a number"
        wanted = f"{wanted} in [{least:.3g}, {below}){otherwise}"
        raise ValueError(f"{name} must be {wanted}, got {value!r}. Choose one in that range{otherwise}.")


def check_branching(branching: Any) -> tuple[int, ...]:
    """Return the children of each node of a tree, level by level, of a number or several; ValueError if it is none."""
    numbers = np.atleast_1d(np.asarray(branching))
    if numbers.ndim != 1 or not numbers.size or not np.issubdtype(numbers.dtype, np.integer) or numbers.min() < 1:
        raise ValueError(
            "branching must be a number of children of the root, or one for each level, "
            f"got {branching!r}. Give such as 4 or (4, 4)."
        )
    return tuple(int(number) for number in numbers)


def check_option(name: str, value: Any, options: tuple[str | None, ...]) -> None:
    """Raise ValueError unless value is one of the options."""
    if not (value is None or isinstance(value, str)) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(str, options))}, got {value!r}. Choose one of them.")


def check_size(name: str, values: np.ndarray) -> None:
    """Raise ValueError if an entry of values [N, ...] is beyond LARGEST, or NaN, as `assume_finite` lets it be."""
    if values.size and not max(values.max(), -values.min()) <= LARGEST:
        place = tuple(int(i) for i in np.argwhere(~(np.abs(values) <= LARGEST))[0])
        columns = f", column {place[1]}" if len(place) > 1 else ""
        found = f"{name} has {values[place]:.3g} in row {place[0]}{columns}, counted from 0"
        if np.isnan(values[place]):
            raise ValueError(f"{found}. Fill it, or leave the row out.")
        raise ValueError(
            f"{found}, which is too large: {LARGEST:g} is the most. Correct it, or give the column in another unit."
        )


def weighted_rows(sample_weight: Any, X: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the weights above 0 of rows of X [N, D], of mean 1, or None where all are alike, and these rows' numbers.

    Weights have no unit: penalties and learning rates are made for rows of weight 1. A row of weight 0 is not there,
    also in the mean.

    Raises
    ------
    ValueError
        If weights are no [N] numbers, none of them negative and two of them positive.
    """
    if sample_weight is None:
        return None, np.arange(len(X))
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    weight = weight / max(weight.max(initial=0.0), POSITIVE)  # their sum may overflow
    rows = np.flatnonzero(weight)
    if len(rows) < 2:
        raise ValueError(f"sample_weight is positive for {len(rows)} rows. Give two rows at least a weight.")
    weight = weight[rows] / weight[rows].mean()
    return (None if (weight == weight[0]).all() else weight), rows
