"""The likelihood of a table whose columns are of several kinds, and have gaps.

log p(x | params) is the sum over the cells of a row that have a value: the others are integrated out, which of
independent columns is to leave them out (missing at random: Rubin 1976). NaN in x is a cell without a value.

A column is one entry of x, or several: a category has an entry of 0 or 1 a level, an ordinal one of its L levels L - 1
entries, of which the j-th is 1 where the level is above j. All of a column's entries are NaN, or none.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_moe.likelihoods.base import Likelihood

tfd = tfp.distributions

#: Log-variances, in units of x: from a deviation of a twentieth on.
LOG_VARS = (-6.0, 10.0)
#: Degrees of freedom of heavy tails (Lange, Little & Taylor 1989 have 4 as a default).
DEGREES = 4.0
#: Of the logarithms of a count's mean and of its dispersion.
LOG_MEANS, LOG_DISPERSIONS = (-15.0, 15.0), (-5.0, 10.0)
_NEVER = -1e9


@dataclass(frozen=True)
class Column:
    """What a column of x is.

    Attributes:
        kind: of ``KINDS``.
        size: entries of x that it has.
        mean, scale: of a count n, whose entry is (log(1 + n) - mean) / scale; others need none.
    """

    kind: str
    size: int = 1
    mean: float = 0.0
    scale: float = 1.0

    def __post_init__(self):
        """Raise ValueError for a kind that is none, or a size that it cannot have."""
        if self.kind not in KINDS:
            raise ValueError(f"a column is one of {', '.join(KINDS)}, got {self.kind!r}.")
        several = self.kind in ("categorical", "ordinal")
        if self.size < 1 or (self.size > 1 and not several):
            raise ValueError(f"a {self.kind} column has {'some entries' if several else 'one entry'}, got {self.size}.")
        if not self.scale > 0:
            raise ValueError(f"a column's scale is positive, got {self.scale!r}.")


@dataclass(frozen=True)
class _Group:
    """The columns of one kind: n of them, of M entries at most; what is beyond a column's own reads entry 0."""

    columns: list[Column]
    places: np.ndarray  # [n], of each among all columns
    entries: np.ndarray  # [n, M], of each in x
    real: np.ndarray  # [n, M], whether it is the column's own
    params: np.ndarray  # [n, M, parameters an entry]

    def constant(self, name: str, dtype):
        """Return an attribute of each column, [n]."""
        return tf.constant([getattr(column, name) for column in self.columns], dtype)


class MixedColumns(Likelihood):
    """Independent columns of several kinds, params [..., P] and events [..., D]; NaN is a cell without a value.

    Args:
        columns: of x in their order, each a :class:`Column` or its attributes by name.
    """

    def __init__(self, columns: Sequence[Column | Mapping[str, Any]]):
        self.columns = [each if isinstance(each, Column) else Column(**each) for each in columns]
        if not self.columns:
            raise ValueError("a mixed likelihood needs a column, got none.")
        sizes = [column.size for column in self.columns]
        #: The column of each entry of x, [D].
        self.column_of = np.repeat(np.arange(len(sizes)), sizes)
        #: The first entry of each column, [C].
        self.firsts = np.cumsum([0, *sizes[:-1]])
        self._n_params = sum(column.size * KINDS[column.kind].parameters for column in self.columns)
        kinds = [kind for kind in KINDS if any(column.kind == kind for column in self.columns)]
        self._groups = {kind: self._group(kind) for kind in kinds}

    def config(self) -> list[dict[str, Any]]:
        """Return the columns as plain values."""
        return [asdict(column) for column in self.columns]

    def params_size(self, event_size: int) -> int:
        """Return P.

        Raises:
            ValueError: if the columns have other entries than the event.
        """
        if event_size != len(self.column_of):
            raise ValueError(f"the columns have {len(self.column_of)} entries of x, got input_dim={event_size}.")
        return self._n_params

    def distribution(self, params):
        """Raise NotImplementedError: see ``mean``, ``sample`` and ``log_prob``."""
        raise NotImplementedError("columns of several kinds have no tfd.Distribution: use mean, sample and log_prob.")

    def observed(self, value):
        """Return whether each cell has a value, [..., D] -> [..., C] booleans."""
        return ~tf.math.is_nan(tf.gather(value, self.firsts, axis=-1))

    def log_prob(self, params, value):
        """``sum_c log p(x_c | params)`` over the cells that have a value, [...] nats; 0 where none has."""
        return tf.reduce_sum(self.cells_log_prob(params, value), -1)

    def cells_log_prob(self, params, value):
        """Return log p of each cell, 0 where it has no value: params [..., P], value [..., D] -> [..., C] nats.

        The density of a number is in units of x, a count has a probability.
        """
        observed = self.observed(value)
        value = tf.where(tf.math.is_nan(value), tf.zeros((), value.dtype), value)  # its gradient is finite so
        cells, places = [], []
        for kind, group in self._groups.items():
            cells.append(KINDS[kind].log_prob(group, *self._parts(group, params, value)))
            places.append(group.places)
        order = np.argsort(np.concatenate(places))
        every = tf.gather(tf.concat(cells, -1), order, axis=-1)
        return tf.where(observed, every, tf.zeros((), every.dtype))

    def mean(self, params):
        """Return the mean of each entry: of a category its probabilities, params [..., P] -> [..., D]."""
        return self._entries(params, lambda kind, group, mine: kind.mean(group, mine))

    def sample(self, params, seed: int = 0):
        """Draw an event for each params [..., P] -> [..., D]; a seed draws the same again."""
        seeds = tf.cast(tf.random.split(tf.constant([seed, 0]), len(self._groups)) % (2**31 - 1), tf.int32)  # TFP's
        by_kind = dict(zip(self._groups, tf.unstack(seeds), strict=True))
        return self._entries(params, lambda kind, group, mine: kind.sample(group, mine, by_kind[group.columns[0].kind]))

    def _entries(self, params, make):
        entries, places = [], []
        for name, group in self._groups.items():
            made = make(KINDS[name], group, tf.gather(params, group.params, axis=-1))  # [..., n, M]
            entries.append(tf.boolean_mask(made, group.real, axis=len(made.shape) - 2))
            places.append(group.entries[group.real])
        return tf.gather(tf.concat(entries, -1), np.argsort(np.concatenate(places)), axis=-1)

    def _parts(self, group: _Group, params, value):
        return tf.gather(params, group.params, axis=-1), tf.gather(value, group.entries, axis=-1)

    def _group(self, kind: str) -> _Group:
        places = np.array([place for place, column in enumerate(self.columns) if column.kind == kind])
        n_each = KINDS[kind].parameters
        param_firsts = np.cumsum([0, *(column.size * KINDS[column.kind].parameters for column in self.columns[:-1])])
        sizes = np.array([self.columns[place].size for place in places])
        within = np.arange(sizes.max())
        real = within < sizes[:, np.newaxis]  # [n, M]
        entries = np.where(real, self.firsts[places, np.newaxis] + within, 0)
        first = param_firsts[places, np.newaxis] + n_each * within
        params = np.where(real[..., np.newaxis], first[..., np.newaxis] + np.arange(n_each), 0)
        return _Group([self.columns[place] for place in places], places, entries, real, params)


@dataclass(frozen=True)
class _Kind:
    """A kind of column: params [..., n, M, parameters] and value [..., n, M] of its group -> log p of cells [..., n];
    mean and sample give entries [..., n, M]."""

    parameters: int
    log_prob: Callable
    mean: Callable
    sample: Callable


def _location_and_log_var(params):
    location, log_var = params[..., 0, 0], params[..., 0, 1]
    return location, tf.clip_by_value(log_var, *LOG_VARS)


def _gaussian_log_prob(group, params, value):
    mean, log_var = _location_and_log_var(params)
    return -0.5 * (math.log(2 * math.pi) + log_var + tf.square(value[..., 0] - mean) * tf.exp(-log_var))


def _gaussian_sample(group, params, seed):
    mean, log_var = _location_and_log_var(params)
    noise = tf.random.stateless_normal(tf.shape(mean), seed, dtype=mean.dtype)
    return (mean + tf.exp(0.5 * log_var) * noise)[..., tf.newaxis]


def _student_log_prob(group, params, value):
    location, log_var = _location_and_log_var(params)
    constant = math.lgamma((DEGREES + 1) / 2) - math.lgamma(DEGREES / 2) - 0.5 * math.log(DEGREES * math.pi)
    square = tf.square(value[..., 0] - location) * tf.exp(-log_var)
    return constant - 0.5 * log_var - 0.5 * (DEGREES + 1) * tf.math.log1p(square / DEGREES)


def _student_sample(group, params, seed):
    location, log_var = _location_and_log_var(params)
    return tfd.StudentT(DEGREES, location, tf.exp(0.5 * log_var)).sample(seed=seed)[..., tf.newaxis]


def _bernoulli_log_prob(group, params, value):
    return -tf.nn.sigmoid_cross_entropy_with_logits(labels=value[..., 0], logits=params[..., 0, 0])


def _bernoulli_sample(group, params, seed):
    uniform = tf.random.stateless_uniform(tf.shape(params)[:-1], seed, dtype=params.dtype)
    return tf.cast(uniform < tf.sigmoid(params[..., 0]), params.dtype)


def _levels(group, params):
    """Log-probabilities of the levels, [..., n, M]."""
    return tf.nn.log_softmax(tf.where(group.real, params[..., 0], tf.constant(_NEVER, params.dtype)))


def _categorical_log_prob(group, params, value):
    levels = _levels(group, params)
    return tf.reduce_sum(tf.where(group.real, value * levels, tf.zeros((), levels.dtype)), -1)


def _categorical_sample(group, params, seed):
    levels = _levels(group, params)
    uniform = tf.random.stateless_uniform(tf.shape(levels), seed, minval=1e-6, dtype=levels.dtype)
    return tf.one_hot(tf.argmax(levels - tf.math.log(-tf.math.log(uniform)), -1), levels.shape[-1], dtype=levels.dtype)


def _ordinal_log_prob(group, params, value):
    """log p(level above j | it is above j - 1), summed over the j that the level gets to (continuation ratios)."""
    logits = params[..., 0]
    reached = tf.concat([tf.ones_like(value[..., :1]), value[..., :-1]], -1)
    steps = reached * tf.nn.sigmoid_cross_entropy_with_logits(labels=value, logits=logits)
    return -tf.reduce_sum(tf.where(group.real, steps, tf.zeros((), steps.dtype)), -1)


def _ordinal_sample(group, params, seed):
    return tf.math.cumprod(_bernoulli_sample(group, params, seed), -1)


def _count_and_dispersion(group, params):
    """Logarithms of mean and dispersion of counts, each [..., n]: the mean's about what a count is on average."""
    dtype = params.dtype
    log_mean = group.constant("mean", dtype) + group.constant("scale", dtype) * params[..., 0, 0]
    return tf.clip_by_value(log_mean, *LOG_MEANS), tf.clip_by_value(params[..., 0, 1], *LOG_DISPERSIONS)


def _counts(group, value):
    dtype = value.dtype
    return tf.round(tf.math.expm1(group.constant("mean", dtype) + group.constant("scale", dtype) * value[..., 0]))


def _count_log_prob(group, params, value):
    """Negative binomial of mean m and dispersion r, variance m + m^2 / r."""
    log_mean, log_r = _count_and_dispersion(group, params)
    n, r = _counts(group, value), tf.exp(log_r)
    log_total = tf.reduce_logsumexp(tf.stack([log_mean, log_r], -1), -1)
    ways = tf.math.lgamma(n + r) - tf.math.lgamma(r) - tf.math.lgamma(n + 1)
    return ways + r * (log_r - log_total) + n * (log_mean - log_total)


def _as_entry(group, count):
    dtype = count.dtype
    return ((tf.math.log1p(count) - group.constant("mean", dtype)) / group.constant("scale", dtype))[..., tf.newaxis]


def _count_sample(group, params, seed):
    log_mean, log_r = _count_and_dispersion(group, params)
    both = tf.random.split(seed, 2)
    gamma = tf.random.stateless_gamma(tf.shape(log_r), both[0], alpha=tf.exp(log_r), dtype=log_r.dtype)
    rate = tf.exp(log_mean - log_r) * gamma
    return _as_entry(group, tf.random.stateless_poisson(tf.shape(rate), both[1], rate, dtype=rate.dtype))


#: The kinds of columns.
KINDS: dict[str, _Kind] = {
    "gaussian": _Kind(2, _gaussian_log_prob, lambda _, params: params[..., 0], _gaussian_sample),
    "student": _Kind(2, _student_log_prob, lambda _, params: params[..., 0], _student_sample),
    "bernoulli": _Kind(1, _bernoulli_log_prob, lambda _, params: tf.sigmoid(params[..., 0]), _bernoulli_sample),
    "categorical": _Kind(
        1, _categorical_log_prob, lambda group, params: tf.exp(_levels(group, params)), _categorical_sample
    ),
    "ordinal": _Kind(
        1, _ordinal_log_prob, lambda _, params: tf.math.cumprod(tf.sigmoid(params[..., 0]), -1), _ordinal_sample
    ),
    "count": _Kind(
        2,
        _count_log_prob,
        lambda group, params: _as_entry(group, tf.exp(_count_and_dispersion(group, params)[0])),
        _count_sample,
    ),
}
