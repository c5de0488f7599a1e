"""What each column has to do with the prediction, or the cluster, of single rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from vae_moe.estimators._base import KerasEstimator
    from vae_moe.estimators._clustering import KerasClustering
    from vae_moe.estimators._experts import KerasMixtureOfExperts

#: Least probability of a class whose logarithm is taken.
TINY = 1e-30
#: Rows with one column at its mean that are predicted at a time, about.
MOST_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class Explanation:
    """The parts of what is predicted of N rows, beside a row with each column at its mean in training.

    The score that has these parts is s(x) = sum_k p(c=k|x) s_k(x), with s_k the mean of y of expert k; of classes, its
    log-odds of the class that is predicted, the log-probability less the mean of the others'. Then s = base + the sum
    of `experts` over columns + `gating`, exactly.

    Attributes
    ----------
    columns : list
        The names of the C columns of X, or their numbers.
    score : array [N, O]
        s(x); O is 1 of a classification.
    base : array [O], or [N, O] of classes
        s of the mean row.
    experts : array [N, C, O]
        Part of each column through the experts, whose s_k are affine: the gate's mean of their weights times its
        deviation from the mean.
    gating : array [N, O]
        What the gate gives by choosing other experts than for the mean row.
    gates : array [N, C, O]
        How much s would change through the gate alone were this column at its mean: occlusion, since a gate is sure of
        most rows, and has no gradient there. Columns that tell the gate the same stand in for each other, so that these
        do not add up to `gating`.
    """

    columns: list[Any]
    score: np.ndarray
    base: np.ndarray
    experts: np.ndarray
    gating: np.ndarray
    gates: np.ndarray

    @classmethod
    def mean_of(cls, several: list[Explanation]) -> Explanation:
        """Return the mean of what several mixtures of experts give of the same rows."""
        parts = ("score", "base", "experts", "gating", "gates")
        means = {name: np.mean([getattr(each, name) for each in several], axis=0) for name in parts}
        return cls(several[0].columns, **means)

    def frame(self, outputs: list[str]) -> pd.DataFrame:
        """Return a line for each row, output and column, those that matter most first: the numbers of `row`, from 0."""
        n_rows, n_columns, n_outputs = self.experts.shape
        row, output, column = (each.ravel() for each in np.indices((n_rows, n_outputs, n_columns)))
        made = pd.DataFrame(
            {
                "row": row,
                "output": np.asarray(outputs, object)[output],
                "column": np.asarray(list(map(str, self.columns)), object)[column],
                "through_experts": self.experts[row, column, output],
                "through_gate": self.gates[row, column, output],
            }
        )
        effect = made["through_experts"].abs() + made["through_gate"].abs()
        order = np.lexsort((-effect, output, row))
        return made.iloc[order].reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class Belonging:
    """Why N rows are in their clusters: the log-odds of each row's cluster against its next one, by column.

    Attributes
    ----------
    columns : list
        The names of the C columns of X, or their numbers.
    clusters, others : array [N]
        The most probable cluster of each row, and the one after it.
    score : array [N]
        log q(c | x) of the one less that of the other, in nats, at the temperature of `predict_proba`.
    parts : array [N, C]
        How much the score falls where a column is at its mean in training: below 0 if the column speaks for the other
        cluster. Columns that tell the same stand in for each other, so that the parts do not add up to the score.
    """

    columns: list[Any]
    clusters: np.ndarray
    others: np.ndarray
    score: np.ndarray
    parts: np.ndarray

    def frame(self) -> pd.DataFrame:
        """Return a line for each row and column, those that matter most first: the numbers of `row`, from 0."""
        row, column = (each.ravel() for each in np.indices(self.parts.shape))
        made = pd.DataFrame(
            {
                "row": row,
                "cluster": self.clusters[row],
                "next": self.others[row],
                "column": np.asarray(list(map(str, self.columns)), object)[column],
                "effect": self.parts[row, column],
            }
        )
        return made.iloc[np.lexsort((-made["effect"].abs(), row))].reset_index(drop=True)


def belonging(estimator: KerasClustering, X: Any) -> Belonging:
    """Return what each column has to do with the clusters of X [N, D], of a fitted clustering with two at least."""
    x, center = estimator._check_X(X), estimator._mean_row
    if estimator.n_components_ < 2:
        raise ValueError("there is one cluster alone, and no other to tell its rows from. Ask for 2 or more.")
    names, column_of = _columns(estimator, x.shape[1])
    logs = estimator.model_.c_log_proba(x) / estimator.temperature_  # [N, K]
    ranked, rows = np.argsort(-logs, axis=1, kind="stable"), np.arange(len(x))
    first, second = ranked[:, 0], ranked[:, 1]
    parts = []
    for each in np.array_split(np.arange(len(names)), -(-len(names) * len(x) // MOST_ROWS) or 1):
        at_mean = column_of == each[:, np.newaxis, np.newaxis]  # [P, 1, D]
        hidden = np.where(at_mean & ~np.isnan(x), center, x).reshape(-1, x.shape[1])  # [P N, D]
        without = estimator.model_.c_log_proba(hidden).reshape(len(each), *logs.shape) / estimator.temperature_
        parts.append((without[:, rows, first] - without[:, rows, second]).T)
    score = logs[rows, first] - logs[rows, second]
    return Belonging(names, first, second, score, score[:, np.newaxis] - np.concatenate(parts, 1))


def explained(estimator: KerasMixtureOfExperts, X: Any, classes: np.ndarray | None = None) -> Explanation:
    """Return the parts of what a fitted mixture of experts predicts of X [N, D]; of classes [N], or those predicted."""
    x, model = estimator._check_X(X), estimator.model_
    names, column_of = _columns(estimator, x.shape[1])
    center = estimator._mean_row  # [1, D]
    gate, at_center = model.gate_proba(x), model.gate_proba(center)  # [N, K], [1, K]
    scored = _scores(estimator, X, classes)
    seen = model.expert_inputs(x)  # [N, D], gaps filled
    scores, scores_at_center = scored(seen), scored(np.repeat(center, len(x), 0))  # [N, K, O]
    experts, gates = [], []
    for part in np.array_split(np.arange(len(names)), -(-len(names) * len(x) // MOST_ROWS) or 1):
        at_mean = column_of == part[:, np.newaxis, np.newaxis]  # [P, 1, D]
        parted = scored(np.where(at_mean, center, seen).reshape(-1, x.shape[1]))  # [P N, K, O]
        hidden = model.gate_proba(np.where(at_mean & ~np.isnan(x), center, x).reshape(-1, x.shape[1]))  # [P N, K]
        experts.append(np.einsum("nk,pnko->npo", gate, scores - parted.reshape(len(part), *scores.shape)))
        gates.append(np.einsum("pnk,nko->npo", gate - hidden.reshape(len(part), *gate.shape), scores))
    base = np.einsum("nk,nko->no", np.repeat(at_center, len(x), 0), scores_at_center)
    return Explanation(
        columns=names,
        score=np.einsum("nk,nko->no", gate, scores),
        base=base,
        experts=np.concatenate(experts, 1),
        gating=np.einsum("nk,nko->no", gate, scores_at_center) - base,
        gates=np.concatenate(gates, 1),
    )


def _columns(estimator: KerasEstimator, n_entries: int) -> tuple[list[Any], np.ndarray]:
    """Return the names of the columns of X, and the number of that of each entry of x, [D]."""
    table = estimator._table
    if table is None:
        names = getattr(estimator, "feature_names_in_", None)
        return list(range(n_entries) if names is None else names), np.arange(n_entries)
    names = [field.name for field in table.columns]
    owner = [names.index(field.name if field.of is None else field.of) for field in table.fields]
    return names, np.asarray(owner)[table.column_of]


def _scores(estimator: KerasMixtureOfExperts, X: Any, classes: np.ndarray | None) -> Any:
    """Return the function of what experts see [N, D], or P times so many rows, that gives s_k, [N, K, O]."""
    if not hasattr(estimator, "classes_"):
        return lambda seen: np.asarray(estimator._expert_predictions(seen), float).reshape(
            len(seen), estimator.n_experts_, -1
        )
    predicted = np.searchsorted(estimator.classes_, estimator.predict(X) if classes is None else classes)
    n_others = len(estimator.classes_) - 1

    def log_odds(seen: np.ndarray) -> np.ndarray:
        logs = np.log(np.maximum(np.asarray(estimator._expert_predictions(seen), float), TINY))  # [N, K, C]
        mine = logs[np.arange(len(logs)), :, np.resize(predicted, len(logs))]  # of the same rows again and again
        return (mine - (logs.sum(-1) - mine) / n_others)[..., np.newaxis]

    return log_odds
