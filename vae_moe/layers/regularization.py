"""Terms of training that hold q(c | x) together between a point and another view of it: an augmentation, a near
neighbour, or the small change of x that would move q(c | x) most; or to the components that a start gave.

With balance and entropy, which are together the mutual information between x and its component, they ask for agreeing,
sure components, all of them in use (Bridle et al. 1991; Hu et al. 2017, IMSAT). The report has none of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import keras
import tensorflow as tf

from vae_moe.layers import batch_part
from vae_moe.layers.noise import normal

#: The terms by name.
NAMES = ("consistency", "balance", "entropy", "adversarial", "start", "agreement", "samples")


@dataclass(frozen=True)
class Regularization:
    """The terms that hold q(c|x), their weights and settings; all are 0 unless asked for."""

    #: The weights of the terms, by name; those left out are 0. A model's argument ``regularization``.
    #: "consistency": KL(q(c|x) || q(c|view));
    #: "balance": the KL of the batch mean of q(c|x) to ``component_shares``, or its negative entropy;
    #: "entropy": the entropy of q(c|x);
    #: "adversarial": KL(q(c|x) || q(c|x + r)), r the small change that raises it most;
    #: "start": the cross-entropy of q(c|x) to the start's components;
    #: "agreement": KL(q(c|x) || p(c|z)), z the mean of q(z|x), which moves z to its component;
    #: "samples": the cross-entropy of q(c|x~) to the component that x~ is generated from.
    weights: Mapping[str, float]
    #: Length of r, in units of x.
    adversarial_radius: float = 1.0
    #: How far from x the direction of r is sought, in units of that length.
    adversarial_probe: float = 0.1
    #: Share of each training batch on which that term is computed, as ``bound_share`` of a :class:`MixtureConfig`; a
    #: gate with large networks spends most of its time there.
    adversarial_share: float = 1.0
    #: Of the rows that each component should have, [K]. None: as many in each as in the others.
    component_shares: Sequence[float] | None = None

    def __post_init__(self):
        """Fill up the weights.

        Raises:
            ValueError: if a length is not positive, a share not in (0, 1], or a weight is of no term.
        """
        for name in ("adversarial_radius", "adversarial_probe"):
            if not (length := getattr(self, name)) > 0:
                raise ValueError(f"{name} must be positive, got {length!r}: the radius is in units of x.")
        if unknown := set(self.weights) - set(NAMES):
            raise ValueError(f"regularization weighs {', '.join(NAMES)}, got {', '.join(map(repr, sorted(unknown)))}.")
        batch_part.check_share("adversarial_share", self.adversarial_share)
        object.__setattr__(self, "weights", {**dict.fromkeys(NAMES, 0.0), **self.weights})

    @classmethod
    def taken_from(cls, arguments: dict[str, Any]) -> "Regularization":
        """Take the settings out of a model's arguments by name, which lose them."""
        weights = arguments.pop("regularization", None) or {}
        return cls(weights, **{name: arguments.pop(name) for name in _SETTINGS if name in arguments})

    def arguments(self) -> dict[str, Any]:
        """The arguments of a model that :meth:`taken_from` takes."""
        shares = None if self.component_shares is None else list(self.component_shares)
        settings = {name: getattr(self, name) for name in _SETTINGS}
        return {"regularization": dict(self.weights), **settings, "component_shares": shares}

    def terms(self, gate, outputs, generator: keras.random.SeedGenerator, x, view=None, radius=None, component=None):
        """The terms of a batch that have a weight, and what they need.

        Args:
            gate: with ``c_log_probs`` and ``latent_dim`` (:mod:`vae_moe.layers.gates`).
            outputs: the gate's of x, with ``c_logits`` [B, K] and, of a latent mixture, ``features``, its z [B, L].
            generator: of the directions in which the adversarial change is first sought, and of samples.
            x: [B, D].
            view: augmentations or neighbours of the rows of x, [B, D], for the consistency.
            radius: each row's own, [B], in place of ``adversarial_radius``.
            component: where a start put each row, [B] integers, or -1.

        Returns:
            {name: [B] nats}.
        """

        def log_probs(rows):
            return gate.c_log_probs(rows, tf.zeros([1, gate.latent_dim]))  # z at its mean

        terms, c_logits = {}, outputs["c_logits"]
        if view is not None and self.weights["consistency"]:
            terms["consistency"] = consistency(c_logits, log_probs(view))
        if self.weights["balance"]:
            terms["balance"] = balance(c_logits, self.component_shares)
        if self.weights["entropy"]:
            terms["entropy"] = entropy(c_logits)
        if self.weights["adversarial"]:
            noise = _directions(tf.shape(x), generator, x.dtype)
            radius = tf.fill([tf.shape(x)[0]], self.adversarial_radius) if radius is None else radius

            def of_part(x, radius, noise):
                lengths = tf.cast(radius[:, tf.newaxis], x.dtype)
                term = adversarial(log_probs, x, log_probs(x), lengths, noise, self.adversarial_probe)
                return {"adversarial": term}

            terms |= batch_part.terms_of_part(of_part, self.adversarial_share, x, radius, noise)
        if component is not None and self.weights["start"]:
            terms["start"] = start(c_logits, component)
        if self.weights["agreement"]:
            terms["agreement"] = consistency(c_logits, tf.nn.log_softmax(gate.prior.c_logits(outputs["features"])))
        if self.weights["samples"]:
            components = tf.range(tf.shape(x)[0]) % gate.n_components
            terms["samples"] = start(log_probs(gate.decode(gate.prior.draw(components, generator))), components)
        return terms


#: The arguments of a model beside ``regularization``.
_SETTINGS = tuple(field.name for field in fields(Regularization) if field.name != "weights")


def consistency(c_logits, view_logits):
    """KL(q(c|x) || q(c|view)): how far the view is from where x is; q(c|x) is the target and gets no gradient.

    Args:
        c_logits: [B, K], normalised.
        view_logits: [B, K], normalised.

    Returns:
        [B] nats.
    """
    target = tf.stop_gradient(c_logits)
    return tf.reduce_sum(tf.exp(target) * (target - view_logits), -1)


def balance(c_logits, shares=None):
    """``sum_k q(c=k|x) log(qbar_k / share_k)``, qbar the batch mean of q(c|x): its mean is KL(qbar || shares).

    Args:
        c_logits: [B, K], normalised.
        shares: [K], of the rows that each component should have; None leaves them out, so that the mean is minus the
            entropy of qbar, least where every component has as many.

    Returns:
        [B] nats, on average 0 at the least, or -log K without shares.
    """
    log_ratio = tf.reduce_logsumexp(c_logits, 0) - tf.math.log(tf.cast(tf.shape(c_logits)[0], c_logits.dtype))  # [K]
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:  # the mean over the batches of all replicas
        replica = tf.distribute.get_replica_context()
        log_ratio = tf.math.log(replica.all_reduce(tf.distribute.ReduceOp.MEAN, tf.exp(log_ratio)))
    if shares is not None:
        log_ratio -= tf.math.log(tf.constant(shares, c_logits.dtype))
    return tf.reduce_sum(tf.exp(c_logits) * log_ratio, -1)


def start(c_logits, components):
    """Cross-entropy of q(c | x) to the components a start gave.

    Args:
        c_logits: [B, K], normalised.
        components: [B] integers, -1 for a row that is held to none.

    Returns:
        [B] nats, 0 for such a row.
    """
    held = tf.gather(c_logits, tf.maximum(components, 0), batch_dims=1)  # [B]
    return tf.where(components >= 0, -held, 0.0)


def entropy(c_logits):
    """Entropy of q(c | x), from normalised logits [B, K] -> [B] nats."""
    return -tf.reduce_sum(tf.exp(c_logits) * c_logits, -1)


def adversarial(log_probs: Callable, x, c_logits, radius, noise, probe=0.1):
    """KL(q(c|x) || q(c|x + r)) with r the change of length ``radius`` that raises it most.

    This is virtual adversarial training: the direction is one power iteration from ``noise`` (Miyato et al. 2018,
    algorithm 1). q(c|x) is the target and gets no gradient.

    Args:
        log_probs: [B, D] -> log q(c|.) [B, K], differentiable.
        x: [B, D].
        c_logits: log q(c|x), [B, K].
        radius: in units of x, a number or [B, 1].
        noise: standard normal, [B, D].
        probe: length of the change from which the direction is sought, in units of the radius. Near x the power
            iteration finds the direction that q(c|x) is most sensitive to; from afar (5 or 6, about what IMSAT's code
            has for MNIST) the one towards another component.

    Returns:
        [B] nats.
    """

    def divergence(change):
        return consistency(c_logits, log_probs(x + change))  # [B]

    first = probe * radius * tf.math.l2_normalize(noise, -1) + tf.zeros_like(x)  # [B, D]
    with tf.GradientTape() as tape:
        tape.watch(first)
        raised = divergence(first)
    # The gradient near x is tiny, its square tinier: scaled by its largest entry before the length is taken.
    gradient = tf.stop_gradient(tape.gradient(raised, first))
    largest = tf.reduce_max(tf.abs(gradient), -1, keepdims=True)  # [B, 1]
    return divergence(radius * tf.math.l2_normalize(tf.math.divide_no_nan(gradient, largest), -1))


def _directions(shape, generator: keras.random.SeedGenerator, dtype):
    """Standard normal [B, D], where the adversarial change is first sought: windows of one sequence.

    To draw B D numbers would take a tenth of a step on MNIST. One row of them for the whole batch would not do: a
    change that all rows share is what a batch normalisation takes away.
    """
    n_rows, n_columns = tf.unstack(shape)
    sequence = normal((n_rows + n_columns,), generator, dtype)
    return tf.gather(sequence, tf.range(n_rows)[:, tf.newaxis] + tf.range(n_columns))
