"""What a clustering tells of cells without a value."""

from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from vae_moe.estimators._base import KerasEstimator
from vae_moe.estimators._table import Table

#: Share of a table's numbers that training does not see, at most so many, and how few tell nothing.
UNSEEN, MOST_UNSEEN, LEAST_UNSEEN = 0.05, 5_000, 20
#: Draws of each that tell how wide p(x | z) is, and the share of a normal's mass that is compared.
DRAWS, INSIDE = 30, 0.9


class GapFilling(KerasEstimator):
    """Abstract: fills the gaps of tables by the model of x."""

    spread_: float

    def _hide(self, x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Hide some numbers of a table from training: x [N, D] without them, and which [N, D] they are."""
        table = self._table
        if table is None:
            return x, np.zeros(x.shape, bool)
        seen = ~np.isnan(x) & table.is_number
        rng = np.random.default_rng((seed, 1))  # not that of whoever made the gaps
        hidden = seen & (rng.uniform(size=x.shape) < min(UNSEEN, MOST_UNSEEN / max(seen.sum(), 1)))
        return np.where(hidden, np.nan, x).astype(np.float32), hidden

    def _measure_spread(self, x: np.ndarray, hidden: np.ndarray, truth: np.ndarray) -> None:
        """Set by how much numbers of x [N, D] that training did not see are farther from their mean than draws say.

        A decoder that has learnt few rows by heart is too sure of what it has not seen.
        """
        self.spread_ = 1.0
        if hidden.sum() < LEAST_UNSEEN:
            return
        rows = hidden.any(1)
        draws = self.model_.draws(x[rows], DRAWS)[:, hidden[rows]]  # [S, M]
        distances = np.abs(truth[hidden] - draws.mean(0)) / np.maximum(draws.std(0), 1e-3)
        self.spread_ = max(float(np.quantile(distances, INSIDE) / norm.ppf((1 + INSIDE) / 2)), 1.0)

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
        (Rubin 1987); errors as of `impute`. Numbers are drawn `spread_` times as far from their mean as p(x | z) has
        them, which makes up for what few rows were learnt by heart.
        """
        table, x = self._check_gaps(X)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        mean, factor = self.model_.expected(x), np.where(table.is_number, self.spread_, 1.0)
        return [table.fill(X, mean + factor * (drawn - mean)) for drawn in self.model_.draws(x, n_samples, seed)]

    def _check_gaps(self, X: Any) -> tuple[Table, np.ndarray]:
        check_is_fitted(self)
        table = self._table
        if table is None:
            raise ValueError(
                f"this {type(self).__name__} was fitted to numbers without gaps, and tells nothing of gaps. Fit it "
                "with likelihood='mixed'."
            )
        return table, self._check_X(X)
