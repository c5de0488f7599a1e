"""The two kinds of gates of the estimators: a clustering autoencoder, or a softmax network alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vae_moe.estimators._experts import KerasMixtureOfExperts
from vae_moe.estimators._inputs import HIDDEN_CELLS, NOISE, Scaling, choose_likelihood
from vae_moe.estimators._table import is_mixed
from vae_moe.models import DeepMoE, DVMoE, HMoE, VaDEMoE
from vae_moe.validation import AUTO, check_branching

#: Terms that hold q(c | x) together, and their weights where `regularization` is 1.
TERMS = {"adversarial": 1.0, "balance": 0.4, "entropy": 0.1}


@dataclass(eq=False, repr=False, kw_only=True)
class LatentGated(KerasMixtureOfExperts):
    """Abstract: gated by a clustering autoencoder."""

    _MODEL: ClassVar[type[DVMoE] | type[VaDEMoE] | type[HMoE]]

    latent_dim: int = 5
    hidden_layer_sizes: tuple[int, ...] = (64, 64)
    likelihood: str | Mapping[Any, str] = "auto"
    missing: str = "random"
    elbo_weight: float = 0.01
    regularization: float = 0.0
    adversarial_reach: float = 0.25

    def _make_model(self, n_columns: int, n_outputs: int, task: str, seed: int) -> Any:
        sizes = tuple(self.hidden_layer_sizes)
        return self._MODEL(
            n_columns,
            self.n_experts_,
            n_outputs,
            task,
            learn_variance=task == "regression",
            latent_dim=self.latent_dim,
            z_encoder_sizes=sizes,
            decoder_sizes=sizes[::-1],
            likelihood=self.likelihood_ if self._table is None else self._table.likelihood,
            stddev=NOISE,
            hidden_cells=HIDDEN_CELLS,
            elbo_weight=self.elbo_weight,
            regularization={name: self.regularization * weight for name, weight in TERMS.items()},
            seed=seed,
            **self._gate(),
        )

    def _gate(self) -> dict[str, Any]:
        """Return what the model's gate has beside the autoencoder."""
        return {"learn_weights": True} if self._MODEL is VaDEMoE else {"c_encoder_sizes": self.hidden_layer_sizes}

    def _learn(self, X: Any, rows: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        if self._is_table(X):
            return self._learn_table(X, rows, self.missing)[0]
        self.table_, self.likelihood_ = None, choose_likelihood(self.likelihood, X[rows])
        return self._scaled(X, rows, _scaling(self.likelihood_, X[rows], weight))


@dataclass(eq=False, repr=False, kw_only=True)
class TreeGated(LatentGated):
    """Abstract: gated by a clustering autoencoder whose components are the leaves of a tree."""

    branching: tuple[int, ...] | None = None

    def _numbers(self) -> tuple[int, ...]:
        if self.branching and self.n_experts == AUTO:
            return (math.prod(check_branching(self.branching)),)
        return super()._numbers()

    def _gate(self) -> dict[str, Any]:
        return {**super()._gate(), "branching": self.branching or ()}


@dataclass(eq=False, repr=False, kw_only=True)
class SoftmaxGated(KerasMixtureOfExperts):
    """Abstract: gated by a softmax network on x, which models no x."""

    hidden_layer_sizes: tuple[int, ...] = (64,)

    def _make_model(self, n_columns: int, n_outputs: int, task: str, seed: int) -> DeepMoE:
        sizes = tuple(self.hidden_layer_sizes)
        variance = task == "regression"
        return DeepMoE(
            n_columns, self.n_experts_, n_outputs, task, learn_variance=variance, hidden_sizes=sizes, seed=seed
        )

    def _is_table(self, X: Any) -> bool:
        return is_mixed(X)

    def _learn(self, X: Any, rows: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        if self._is_table(X):
            x = self._learn_table(X, rows, "informative")[0]
            self.fill_ = np.ma.masked_invalid(x).mean(0).filled(0.0).astype(np.float32)
            return np.where(np.isnan(x), self.fill_, x)
        self.table_ = None
        return self._scaled(X, rows, _scaling(choose_likelihood("auto", X[rows]), X[rows], weight))

    def _encoded(self, X: Any) -> np.ndarray:
        x = super()._encoded(X)
        return x if self.table_ is None else np.where(np.isnan(x), self.fill_, x)


def _scaling(likelihood: str, X: np.ndarray, sample_weight: np.ndarray | None) -> Scaling:
    """Return a scaling in which the gate sees every column of X [N, D], and the likelihood has what it asks for."""
    return Scaling.of_inputs(X, sample_weight) if likelihood == "gaussian" else Scaling.to_unit(X)
