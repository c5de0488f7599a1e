"""What a clustering tells of cells without a value."""

from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from vae_moe.estimators._base import KerasEstimator
from vae_moe.estimators._table import Table


class GapFilling(KerasEstimator):
    """Abstract: fills the gaps of tables by the model of x."""

    def impute(self, X: Any) -> Any:
        """Return X [N, C] with each gap filled: a number by its mean given the row's other cells, a category by its
        most probable level. It is a frame if the fit's was, with its types.

        Raises
        ------
        ValueError
            If the fit was of numbers without gaps.
        """
        table, x = self._check_gaps(X)
        return table.fill(X, self.model_.expected(x))

    def sample_missing(self, X: Any, n_samples: int = 1) -> list[Any]:
        """Return n_samples copies of X [N, C] with each gap drawn given the row's other cells: multiple imputations
        (Rubin 1987); errors as of `impute`.
        """
        table, x = self._check_gaps(X)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return [table.fill(X, drawn) for drawn in self.model_.draws(x, n_samples, seed)]

    def _check_gaps(self, X: Any) -> tuple[Table, np.ndarray]:
        check_is_fitted(self)
        table = self._table
        if table is None:
            raise ValueError(
                f"this {type(self).__name__} was fitted to numbers without gaps, and tells nothing of gaps. Fit it "
                "with likelihood='mixed'."
            )
        return table, self._check_X(X)
