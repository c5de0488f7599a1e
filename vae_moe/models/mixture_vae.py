"""VAE, VaDE, DMVAE and HDMVAE: the clustering variational autoencoders, side by side.

Their bound is the same (:class:`vae_moe.layers.LatentMixture`); they differ in where q(c|x) comes from, their ``GATE``.
"""

import re
from collections.abc import Sequence
from types import MappingProxyType

import keras
import numpy as np

from vae_moe.layers import BayesMixture, NetworkMixture, Regularization, TreeMixture
from vae_moe.models.base import READOUT_SAMPLES, GatedModel
from vae_moe.models.readouts import LatentReadouts

#: Where the gate's weights stood in files of models saved before its class was one of two.
FORMER_PLACE = "layers/latent_mixture"


class MixtureVAE(LatentReadouts, GatedModel):
    """Abstract: a mixture of Gaussians in the latent space of a variational autoencoder.

    ``fit`` takes x [N, D], or images [N, *image_shape], or ``{"x", "view"}`` (:class:`GatedModel`).

    Args:
        input_dim: D, columns of x, or entries of an image.
        n_components: K; None: the default of :class:`MixtureConfig`.
        held: names of layers, its own and its gate's, that are not trained: what a saved model keeps of their
            ``trainable = False``.
        name: of the Keras model.
        dtype: of the networks, a policy; all else is in the type of its variables. Default: Keras' global policy.
        arguments: those of :class:`MixtureConfig` that ``FIXED`` leaves open: latent_dim, encoder, layer
            sizes, likelihood, seed and the rest; and ``regularization``, the weights of :class:`Regularization`, with
            its settings.
    """

    def __init__(
        self,
        input_dim: int,
        n_components: int | None = None,
        *,
        held: Sequence[str] = (),
        name: str | None = None,
        trainable: bool = True,
        dtype=None,
        **arguments,
    ):
        if n_components is not None:
            if "n_components" in self.FIXED:
                raise TypeError(
                    f"{type(self).__name__} has one component, got n_components={n_components!r}: leave it."
                )
            arguments["n_components"] = n_components
        terms = dict.fromkeys(self.GATE.TERMS, 1.0)
        regularization = Regularization.taken_from(arguments)
        super().__init__(terms, regularization, arguments.get("seed", 0), name=name, trainable=trainable, dtype=dtype)
        self.gate = self.GATE(input_dim, **self.FIXED, **arguments, dtype=self.network_policy, name="mixture")
        self.build((None, input_dim))
        self._hold(held)

    def build(self, input_shape):
        """Build the mixture for x [B, D]."""
        if not self.gate.built:
            self.gate.build(input_shape)
        self.built = True

    def call(self, inputs, training=False):
        """The gate's output for x (:meth:`LatentMixture.call`), with the training terms (:class:`GatedModel`)."""
        return self.gate_outputs(self.row_inputs(inputs), training)

    def predict_proba(self, x, n_samples: int = READOUT_SAMPLES, seed: int = 0) -> np.ndarray:
        """q(c|x), deterministic.

        Args:
            x: [N, D].
            n_samples: samples of z to average p(c|z) over, where q(c|x) is Bayes' rule; the same noise for every row.
            seed: of those samples.

        Returns:
            [N, K] probabilities.
        """
        return np.exp(self.c_log_proba(x, n_samples, seed))

    def cluster(self, x, n_samples: int = READOUT_SAMPLES, seed: int = 0) -> np.ndarray:
        """The most probable component of each row, x [N, D] -> [N] integers; arguments as in ``predict_proba``."""
        return self.predict_proba(x, n_samples, seed).argmax(-1)

    def load_own_variables(self, store):
        """Keras', of files too that were written when the mixture was kept under the name of its class."""
        super().load_own_variables(store)
        if FORMER_PLACE in getattr(store, "h5_file", ()):
            read = store.get
            store.get = lambda path: read(re.sub("^gate", FORMER_PLACE, path))


@keras.saving.register_keras_serializable("vae_moe")
class VAE(MixtureVAE):
    """The plain variational autoencoder (Kingma & Welling 2013; report, section 2.3): one component, N(0, I)."""

    GATE = BayesMixture
    FIXED = MappingProxyType(
        {
            "n_components": 1,
            "relaxation": "exact",
            "learn_weights": False,
            "prior_stddev": 0.0,
            "trainable_prior": False,
        }
    )


@keras.saving.register_keras_serializable("vae_moe")
class VaDE(MixtureVAE):
    """Variational deep embedding (Jiang et al. 2017; report, section 3): q(c|x) = p(c|z), Bayes' rule at a sample."""

    GATE = BayesMixture
    FIXED = MappingProxyType({"relaxation": "exact"})


@keras.saving.register_keras_serializable("vae_moe")
class DMVAE(MixtureVAE):
    """Discrete mixture variational autoencoder (report, section 6): q(c|x) is an encoder network of its own."""

    GATE = NetworkMixture


@keras.saving.register_keras_serializable("vae_moe")
class HDMVAE(MixtureVAE):
    """A DMVAE whose components are the leaves of a tree: c is a path, and q(c|x) a network's choice at each node."""

    GATE = TreeMixture
