"""What the mixtures of affine experts share, whatever gates them.

Affine experts overfit small tables easily. Here they are shrunk towards one affine map of all rows, by as much as the
rows ask for (`vae_moe.em.EvidenceExperts`), and the gate's networks are trained for as long as held-out rows gain
(`vae_moe.training.plan.EXPERTS`).
"""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from vae_moe import fitting, validation
from vae_moe.engine import pipelines, shared_steps
from vae_moe.estimators._base import KerasEstimator
from vae_moe.estimators._persistence import in_float32
from vae_moe.estimators.explanations import Explanation, explained
from vae_moe.layers import Experts
from vae_moe.training import how_many, plan
from vae_moe.training.fit import fit_experts, refit_experts
from vae_moe.training.graphs import filled

ExpertsT = TypeVar("ExpertsT", bound="KerasMixtureOfExperts")
#: Fewer rows do not tell an epoch that generalises from one that does not.
LEAST_HELD_OUT = 10


@dataclass(eq=False, repr=False, kw_only=True)
class KerasMixtureOfExperts(KerasEstimator):
    """Abstract: gate and affine experts; subclasses give the gate, and what y is."""

    #: What scikit-learn is told of y when it reads it.
    _TARGET: ClassVar[dict[str, bool]] = {}
    #: A parameter of gates that are held against adversarial changes.
    adversarial_reach = 0.25

    n_experts: int | str = field(default="auto", kw_only=False)
    start_epochs: int = 30
    epochs: int = 100
    patience: int = 10
    validation_fraction: float = 0.2
    batch_size: int = 64

    @abstractmethod
    def _make_model(self, n_columns: int, n_outputs: int, task: str, seed: int) -> Any:
        """Return the untrained Keras model."""

    @abstractmethod
    def _learn(self, X: Any, rows: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Learn from some rows of X how the model is to see them, and return their x [N, D]."""

    @abstractmethod
    def _targets(self, y: np.ndarray, rows: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, int]:
        """Learn from y what is predicted; return y of some rows as `_fit_model` takes it, and O or C."""

    def fit(self: ExpertsT, X: Any, y: Any, sample_weight: Any = None) -> ExpertsT:
        """Fit to the inputs X [N, D] and the targets y [N] or [N, O], or class labels y [N].

        An output that is constant is predicted so. sample_weight [N] are weights of the rows' losses, without a unit:
        their mean is made 1. Rows of weight 0 are left out. The start sees all others alike.

        Raises
        ------
        ValueError
            If the data or a parameter is not usable; the message says which and what to do.
        FloatingPointError
            If a term of the loss is no longer finite.
        """
        return self._fit(X, y, sample_weight)

    @fitting.whole
    def _fit(self: ExpertsT, X: Any, y: Any, sample_weight: Any = None, held_out: np.ndarray | None = None) -> ExpertsT:
        """Do what `fit` does, with the rows numbered held_out [M] in place of some that are drawn."""
        self._check_parameters()
        X, y = self._read(X, y, **self._TARGET)
        weight, rows = validation.weighted_rows(sample_weight, X)
        targets, n_outputs = self._targets(y, rows, weight)
        held_out = None if held_out is None else np.flatnonzero(np.isin(rows, held_out))
        self._fit_model(self._learn(X, rows, weight), targets, n_outputs, weight, held_out)
        return self

    def _calibrate(self, x: np.ndarray, y: np.ndarray) -> None:
        """Learn from rows that training did not see, x [M, D] and y as `_fit_model` takes it, how predictions err."""

    @in_float32()
    @pipelines.own_seeds
    def _fit_model(self, x: np.ndarray, y: np.ndarray, n_outputs: int, weight: Any, held_out: Any) -> None:
        """Fit to x [N, D], y [N, O] or codes [N] and positive weights [N].

        The rows numbered held_out [M] choose when training ends; None draws them.
        """
        backup, seed = self._backup(x, y, weight)
        task = "regression" if y.ndim == 2 else "classification"
        if held_out is None:
            held_out = _held_out(y, self.validation_fraction, seed)
        self._set_mean_row(x)
        seen = filled(x, seed=seed)
        self._find_number(seen, y, n_outputs, task, weight, seed)
        if len(x) < self.n_experts_:
            raise ValueError(
                f"n_samples={len(x)} is less than n_experts={self.n_experts}. Give more rows or fewer experts."
            )
        self.model_ = self._make_model(x.shape[1], n_outputs, task, seed)
        given = replace(self._with_parameters(plan.EXPERTS), patience=self.patience)
        assert given.experts is not None
        by_em = replace(given.experts, gate_ridge=self.gate_ridge_)
        given = replace(given, adversarial_reach=self.adversarial_reach, experts=by_em)
        options = {"filled": seen, "sample_weight": weight, "backup": backup, "verbose": self.verbose}
        with shared_steps.twin(self.model_) as model:
            fitted = fit_experts(model, x, y, given, seed=seed, held_out=held_out, **options)
        self.history_, self.best_epoch_ = fitted.history, fitted.best_epoch + 1
        self.n_iter_ = len(self.history_.get("loss", []))
        self._calibrate(x[held_out], y[held_out])
        refit_experts(self.model_, x, y, by_em, fitted.ridge, weight)
        backup.remove()

    def _find_number(self, x, y, n_outputs: int, task: str, weight, seed: int) -> None:
        """Set the number of experts and the ridge of the start's gate, which held-out rows choose."""
        numbers = self._numbers()
        experts = Experts(1, n_outputs, task, task == "regression", seed)
        experts.build((None, x.shape[1]))
        weights = np.ones(len(x)) if weight is None else weight
        found = how_many.experts_by_likelihood(
            experts, x, y, weights, reg_variance=plan.REG_VARIANCE, numbers=numbers, seed=seed
        )
        self.gate_ridge_, one = found.gate_ridge, len(numbers) == 1
        self.n_experts_ = numbers[0] if one else found.n_experts
        self.untold_ = {} if one else {str(number): value for number, value in found.untold.items()}

    def _numbers(self) -> tuple[int, ...]:
        """Return the numbers of experts among which held-out rows choose."""
        return how_many.EXPERTS if self.n_experts == validation.AUTO else (int(self.n_experts),)

    def gate_proba(self, X: Any) -> np.ndarray:
        """Return p(c | x) of X [N, D] as [N, K]."""
        x = self._check_X(X)
        return self.model_.gate_proba(x)

    def expert_predictions(self, X: Any) -> np.ndarray:
        """Return the mean of y of each expert, X [N, D] -> [N, K, O], or its class probabilities [N, K, C]."""
        return self._expert_predictions(self._check_X(X))

    def _expert_predictions(self, x: np.ndarray) -> np.ndarray:
        return self.model_.expert_predictions(x)

    def explain(self, X: Any) -> Explanation:
        """Return what each column of X [N, D] has to do with what is predicted of each row, through the experts and
        through the gate, in units of y, or of the log-odds of the class that is predicted.

        Raises
        ------
        ValueError
            If the estimator was saved by a version that did not keep the mean row.
        """
        check_is_fitted(self)
        return explained(self, X)


def _held_out(y: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Return the numbers of the rows that are held out: none if these were fewer than LEAST_HELD_OUT.

    Parameters
    ----------
    y : array [N, O], or codes [N], of which each side gets its share.
    fraction : float
        Of the rows, to hold out.
    seed : int
    """
    rows = np.arange(len(y))
    if fraction * len(y) < LEAST_HELD_OUT:
        return rows[:0]
    counts = np.bincount(y) if y.ndim == 1 else None
    can_share = counts is not None and counts.min() > 1 and len(counts) <= fraction * len(y)
    stratify = y if can_share else None
    return np.sort(train_test_split(rows, test_size=float(fraction), random_state=seed, stratify=stratify)[1])
