"""A trained model in NumPy alone: what its ``predict`` gives, from the arrays and ``model.json`` beside this file."""

import json
import math
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
LEVEL = 0.9  # of intervals
LARGEST = 1e30
BISECTIONS, FAR = 60, 10.0  # of a quantile; standard deviations beyond which none is looked for
LOG_VAR_BOUND, LOG_MEAN_BOUND = 10.0, 15.0
PARAMETERS = {"gaussian": 2, "student": 2, "count": 2}  # of an entry of a column; of other kinds one
_erfc = np.vectorize(math.erfc, otypes=[float])


class Model:
    """A mixture of experts, or a clustering.

    Args:
        folder: with ``model.json`` and ``arrays.npz``.
    """

    def __init__(self, folder=HERE):
        self.description = json.loads((Path(folder) / "model.json").read_text(encoding="utf-8"))
        with np.load(Path(folder) / "arrays.npz", allow_pickle=False) as arrays:
            self.arrays = dict(arrays)

    def predict(self, X):
        """What is told of rows.

        Args:
            X: [N, D] in the units of training; of a table ``prepare.py`` makes them, NaN where a cell has no value.

        Returns:
            A dictionary of arrays. Of a regression ``y``, ``low`` and ``high`` [N] or [N, O], between which nine in ten
            lie, and ``gate_probabilities`` [N, K]; of a classification ``y`` [N], ``probabilities`` [N, C] and
            ``gate_probabilities``; of a clustering ``cluster`` [N] and ``probabilities`` [N, K].

        Raises:
            ValueError: X is of another shape, or has what is no number of a table: infinity, or NaN where the model
                knows no gaps.
        """
        a, task = self.arrays, self.description["task"]
        x = (self._checked(np.asarray(X, float)) - a["x_mean"]) / a["x_scale"]
        x = np.clip(x, -a["x_limit"], a["x_limit"]).astype(np.float32).astype(float)
        seen = self._seen(x)
        logits = self._gate(seen)
        if task == "clustering":
            probabilities = _softmax(logits / a["temperature"])
            return {"cluster": probabilities.argmax(-1), "probabilities": probabilities}
        gate = _softmax(logits)  # [N, K]
        params = np.einsum("nf,fko->nko", self._completed(x, seen), a["expert_kernels"]) + a["expert_biases"]
        if task == "classification":
            probabilities = np.einsum("nk,nko->no", gate, _softmax(params))
            y = a["classes"][probabilities.argmax(-1)]
            return {"y": y, "probabilities": probabilities, "gate_probabilities": gate}
        means = params * a["y_scale"] + a["y_mean"]
        low, high = (_quantile(level, gate, means, a["stddevs"]) for level in a["levels"])
        found = {"y": np.einsum("nk,nko->no", gate, means), "low": low, "high": high}
        if self.description["one_output"]:
            found = {name: value[:, 0] for name, value in found.items()}
        return {**found, "gate_probabilities": gate}

    def _checked(self, X):
        n_features = self.description["n_features"]
        if X.ndim != 2 or X.shape[1] != n_features:
            raise ValueError(f"X has the shape {list(X.shape)}: give rows of {n_features} numbers, [N, {n_features}].")
        takes_gaps = "fill" in self.arrays or "columns" in self.description
        wrong = np.argwhere(~(np.abs(X) <= LARGEST) & ~(takes_gaps & np.isnan(X)))
        if len(wrong):
            row, column = wrong[0]
            gaps = "" if takes_gaps else ", and the model knows no gaps"
            raise ValueError(
                f"X has {X[row, column]:g} in row {row}, column {column}, counted from 0: numbers are at most "
                f"{LARGEST:g}{gaps}. Correct it."
            )
        return X

    def _seen(self, x):
        """What the networks see of x: of a table 0 in gaps, and which columns have a value."""
        if "fill" in self.arrays:
            return np.where(np.isnan(x), self.arrays["fill"], x)
        if "columns" not in self.description:
            return x
        firsts = np.cumsum([0, *(column["size"] for column in self.description["columns"])])[:-1]
        return np.concatenate([np.nan_to_num(x), ~np.isnan(x[:, firsts])], -1)

    def _completed(self, x, seen):
        """x with its gaps filled, as the experts see it."""
        if "columns" not in self.description:
            return seen
        if not np.isnan(x).any():
            return x
        z_mean, _ = np.split(self._network("z", seen), 2, -1)
        params, means = self._network("decoder", z_mean), []
        for column in self.description["columns"]:
            n = PARAMETERS.get(column["kind"], 1)
            mine, params = np.split(params, [n * column["size"]], -1)
            means.append(_mean(column, mine[:, ::n]))
        return np.where(np.isnan(x), np.concatenate(means, -1), x)

    def _network(self, name, x):
        """Dense layers."""
        for i, activation in enumerate(self.description["activations"][name]):
            x = x @ self.arrays[f"{name}_{i}_kernel"] + self.arrays[f"{name}_{i}_bias"]
            x = np.maximum(x, 0) if activation == "relu" else x
        return x

    def _gate(self, x):
        """Logits of p(c|x), [N, K]."""
        a, hidden = self.arrays, self._network("gate", x)
        if self.description["branching"]:
            return _leaves(hidden, self.description["branching"])
        if "noise" not in a:
            return hidden
        z_mean, z_log_var = np.split(hidden, 2, -1)
        deviation = np.exp(np.minimum(z_log_var, LOG_VAR_BOUND) / 2)
        mean_of_samples = 0.0
        for noise in a["noise"]:  # Bayes' rule at a few samples of z, the same for every row
            z = (z_mean + deviation * noise)[:, np.newaxis]  # [N, 1, L]
            apart = np.einsum("nkl,kml->nkm", z - a["prior_means"], a["prior_mixing"])
            squares = np.square(apart) * np.exp(-a["prior_log_vars"]) + a["prior_log_vars"]
            mean_of_samples = mean_of_samples + _softmax(a["prior_log_weights"] - squares.sum(-1) / 2)
        with np.errstate(divide="ignore"):
            return np.log(mean_of_samples)


def _mean(column, params):
    """The means of a column's entries by the first parameter of each, [N, size]."""
    if column["kind"] == "categorical":
        return _softmax(params)
    if column["kind"] in ("bernoulli", "ordinal"):
        return np.cumprod(1 / (1 + np.exp(-params)), -1)
    if column["kind"] == "count":
        log_mean = np.clip(column["mean"] + column["scale"] * params, -LOG_MEAN_BOUND, LOG_MEAN_BOUND)
        return (np.log1p(np.exp(log_mean)) - column["mean"]) / column["scale"]
    return params


def _leaves(logits, branching):
    """Log-probabilities of the leaves of a tree, [N, K], of the logits of its nodes' choices, the root's first."""
    log_probs = np.zeros((len(logits), 1))
    for children in branching:
        step, logits = np.split(logits, [log_probs.shape[1] * children], -1)
        with np.errstate(divide="ignore"):
            step = np.log(_softmax(step.reshape(*log_probs.shape, children)))  # [N, nodes, children]
        log_probs = (log_probs[..., np.newaxis] + step).reshape(len(step), -1)
    return log_probs


def _softmax(logits):
    parts = np.exp(logits - logits.max(-1, keepdims=True))
    return parts / parts.sum(-1, keepdims=True)


def _quantile(level, gate, means, stddevs):
    """The y below which a share of the mixture of Gaussians lies, [N, O]."""
    low, high = (means - FAR * stddevs).min(1), (means + FAR * stddevs).max(1)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = _erfc((means - middle[:, np.newaxis]) / stddevs / math.sqrt(2)) / 2
        under = np.einsum("nk,nko->no", gate, below) < level
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return (low + high) / 2
