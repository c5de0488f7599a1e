"""Is this clustering in good health? Signs that need no labels, each trouble with its name and its cure."""

import logging
from dataclasses import dataclass

import keras
import numpy as np
from scipy.stats import entropy

from vae_moe.training import graphs

logger = logging.getLogger(__name__)

#: A latent entry is active if the variance of its mean over the rows is above this (Burda et al. 2016, section 5.2).
ACTIVE_VARIANCE = 0.01
#: Least share of rows, and of samples, on which q(c|x) and p(c|z) should name the same component.
LEAST_AGREEMENT = 0.5
#: Samples of each component that are asked which one they are of.
SAMPLES = 50
#: Rows whose neighbours are looked for: of fewer, gaps between groups and gaps between rows look alike.
LEAST_ROWS, MOST_ROWS = 500, 2000
#: Greatest mean entropy of q(c|x), as a share of log K.
MOST_UNSURE = 0.5
#: What to do about each trouble, where the model is trained in Python.
CURES = {
    "collapse": (
        "start from clusters of the latents (vae_moe.training.warm_start, the preset default), give regularization a "
        "balance, or begin at a higher temperature"
    ),
    "empty components": "take fewer components, or give regularization more balance",
    "groups torn": "try another seed or start, or another number of components",
    "posterior ignored": "warm the KL up (callbacks.KLWarmUp), or start from an autoencoder",
    "unsure components": "train longer, or give regularization a consistency",
    "components disagree": ("fit the prior to q(z|x) (generation.refit_prior), or train longer"),
}


@dataclass(frozen=True)
class Health:
    """The signs of a model on some rows.

    Attributes:
        shares: part of the rows whose most probable component each one is, [K].
        components_used: how many own at least a tenth of the share that the start gave them, or of an equal one.
        use_entropy: entropy of the mean of q(c|x), nats; log K if all components are used alike.
        c_entropy: mean entropy of q(c|x), nats; 0 if every row is sure of its component.
        kl_z: mean KL of q(z|x) to its components, nats.
        kl_c: mean KL(q(c|x) || p(c)), nats.
        active_units: entries of z whose mean differs from row to row.
        bayes_agreement: part of the rows where q(c|x) and Bayes' p(c|z) name the same component; 1 for VaDE.
        samples_agreement: part of samples of p(x|c) that q(c|x) gives the component they were drawn from.
        joined: components that hold several groups of rows which no neighbour links, while another group is cut.
    """

    shares: np.ndarray
    components_used: int
    use_entropy: float
    c_entropy: float
    kl_z: float
    kl_c: float
    active_units: int
    bayes_agreement: float
    samples_agreement: float
    joined: tuple[int, ...] = ()

    @property
    def seen(self) -> dict[str, str]:
        """What is wrong, by name: what was seen. Empty if all is well."""
        n_components = len(self.shares)
        found = {}
        if self.components_used <= n_components / 2 and n_components > 1:
            found["collapse"] = (
                f"{self.components_used} of {n_components} components are used, one by {self.shares.max():.0%} of the "
                "rows"
            )
        elif self.components_used < n_components:
            empty = n_components - self.components_used
            found["empty components"] = f"{empty} of {n_components} components have hardly any rows"
        if self.joined:
            found["groups torn"] = (
                f"component {', '.join(map(str, self.joined))} joins groups of rows that no neighbour links, while "
                "another group is cut in two"
            )
        if not self.active_units:
            found["posterior ignored"] = (
                f"no entry of z tells rows apart (KL of z {self.kl_z:.2g} nats), the decoder does not need them"
            )
        if n_components > 1 and self.c_entropy > MOST_UNSURE * np.log(n_components):
            found["unsure components"] = f"q(c|x) has {self.c_entropy:.2f} of {np.log(n_components):.2f} nats left"
        if min(self.bayes_agreement, self.samples_agreement) < LEAST_AGREEMENT:
            found["components disagree"] = (
                f"q(c|x) and p(c|z) name the same component for {self.bayes_agreement:.0%} of the rows, q(c|x) gives a "
                f"component {self.samples_agreement:.0%} of its own samples"
            )
        return found

    @property
    def troubles(self) -> dict[str, str]:
        """What is wrong, by name: what was seen and what to do, in Python. Empty if all is well."""
        return {name: f"{words}: {CURES[name]}" for name, words in self.seen.items()}

    @property
    def figures(self) -> dict[str, float]:
        """The signs as numbers, for logs and records."""
        return {
            "largest_share": float(self.shares.max()),
            "use_entropy": self.use_entropy,
            "c_entropy": self.c_entropy,
            "active_units": self.active_units,
            "bayes_agreement": self.bayes_agreement,
            "samples_agreement": self.samples_agreement,
        }


def examine(model, x, seed: int = 0) -> Health:
    """Look at a model that has a latent mixture.

    Args:
        model: a VaDE, a DMVAE, or a mixture of experts gated by one.
        x: [N, D].
        seed: of one sample of z for each row, and of each component's samples.

    Returns:
        Its health.

    Raises:
        ValueError: if the model has no latent mixture, or x does not fit it.
    """
    mixture = getattr(model, "mixture", None)
    if mixture is None:
        raise ValueError(f"{type(model).__name__} has no latent mixture to examine: give a VaDE, a DMVAE or a DVMoE.")
    k = mixture.n_components
    z_mean, z_log_var, c_log_probs = model.posterior(x, seed)
    c_probs = np.exp(c_log_probs)
    kl_z = np.asarray(mixture.prior.kl(z_mean, z_log_var))  # [N, K]
    bayes = np.asarray(mixture.prior.c_logits(z_mean))  # [N, K]
    log_weights = np.asarray(mixture.prior.log_weights())  # [K]
    clusters = c_probs.argmax(-1)
    shares = np.bincount(clusters, minlength=k) / len(clusters)
    expected = np.full(k, 1 / k) if model.component_shares is None else np.asarray(model.component_shares)
    return Health(
        shares=shares,
        components_used=int(((shares > 0) & (shares >= expected / 10)).sum()),
        use_entropy=float(entropy(c_probs.mean(0))),
        c_entropy=float(entropy(c_probs, axis=-1).mean()),
        kl_z=float(np.sum(c_probs * kl_z, -1).mean()),
        kl_c=float(np.sum(c_probs * (c_log_probs - log_weights), -1).mean()),
        active_units=int((z_mean.var(0) > ACTIVE_VARIANCE).sum()),
        bayes_agreement=float((clusters == bayes.argmax(-1)).mean()) if mixture.c_encoder is not None else 1.0,
        samples_agreement=_samples_agreement(model, seed),
        joined=_joined(np.asarray(x).reshape(len(x), -1), z_mean, clusters, seed),
    )


def _samples_agreement(model, seed: int) -> float:
    """Part of samples of each component whose most probable component it is."""
    k = model.mixture.n_components
    x = np.concatenate([model.generate(SAMPLES, component, seed) for component in range(k)])
    return float((model.posterior(x, seed)[2].argmax(-1) == np.repeat(np.arange(k), SAMPLES)).mean())


def _joined(x: np.ndarray, z: np.ndarray, clusters: np.ndarray, seed: int) -> tuple[int, ...]:
    """Components that join unconnected parts of the neighbour graph of some rows, where they cut another part."""
    rows = np.random.default_rng(seed).permutation(len(x))[:MOST_ROWS]
    near = graphs.filled((x if x.shape[1] <= graphs.FEW_COLUMNS else z)[rows])
    return tuple(graphs.joined(graphs.nearest_neighbors(near), clusters[rows])) if len(rows) >= LEAST_ROWS else ()


class HealthCheck(keras.callbacks.Callback):
    """Examines held-out rows after each epoch and warns of each trouble when it comes; no labels.

    Logs ``val_`` and the name of each of ``Health.figures``.
    Put it before the callbacks that write logs (HistoryFile, TensorBoard).

    Args:
        x: [N, D].
    """

    def __init__(self, x: np.ndarray):
        super().__init__()
        self.x = x
        self._known: set[str] = set()

    def on_epoch_end(self, epoch, logs=None):
        """Examine, log, warn."""
        health = examine(self.model, self.x)
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in health.figures.items()})
        for name, words in health.troubles.items():
            if name not in self._known:
                logger.warning("epoch %d, %s: %s.", epoch + 1, name, words)
        self._known = set(health.troubles)
