"""VAE, VaDE and DMVAE: the clustering variational autoencoders, side by side.

Their bound is the same (:class:`vae_moe.layers.LatentMixture`); they differ in where q(c|x) comes from.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from vae_moe.layers import LatentMixture
from vae_moe.models.base import READOUT_SAMPLES, GatedModel
from vae_moe.models.readouts import LatentReadouts


class MixtureVAE(LatentReadouts, GatedModel):
    """Abstract: a mixture of Gaussians in the latent space of a variational autoencoder.

    ``fit`` takes x [N, D], or images [N, *image_shape], or ``{"x", "view"}`` (:class:`GatedModel`, as are the arguments
    not listed).

    Args:
        input_dim: D, columns of x, or entries of an image.
        held: names of layers, its own and its gate's, that are not trained: what a saved model keeps of their
            ``trainable = False``.
        name: of the Keras model.
        latent: the arguments of :class:`LatentMixture` that ``FIXED`` leaves open: n_components, latent_dim, encoder,
            layer sizes, likelihood, seed and the rest.
    """

    #: The arguments of :class:`LatentMixture` that make the model what it is.
    FIXED: Mapping[str, Any]

    def __init__(
        self,
        input_dim: int,
        regularization: Mapping[str, float] | None = None,
        adversarial_radius: float = 1.0,
        adversarial_probe: float = 0.1,
        adversarial_share: float = 1.0,
        component_shares: Sequence[float] | None = None,
        *,
        held: Sequence[str] = (),
        name: str | None = None,
        trainable: bool = True,
        dtype="float32",
        **latent,
    ):
        super().__init__(
            {"recon": 1.0, "kl_z": 1.0, "kl_c": 1.0},
            regularization,
            adversarial_radius,
            adversarial_probe,
            adversarial_share,
            component_shares,
            latent.get("seed", 0),
            name=name,
            trainable=trainable,
            dtype=dtype,
        )
        self.mixture = LatentMixture(input_dim, **self.FIXED, **latent, dtype=dtype, name="mixture")
        self.build((None, input_dim))
        self._hold(held)

    def build(self, input_shape):
        """Build the mixture for x [B, D]."""
        if not self.mixture.built:
            self.mixture.build(input_shape)
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

    def get_config(self):
        """The constructor's arguments, flat."""
        latent = self.mixture.get_config()
        return {**{name: value for name, value in latent.items() if name not in self.FIXED}, **super().get_config()}

    def gate_layer(self):
        """The mixture."""
        return self.mixture


@keras.saving.register_keras_serializable("vae_moe")
class VAE(MixtureVAE):
    """The plain variational autoencoder (Kingma & Welling 2013; report, section 2.3): one component, N(0, I)."""

    FIXED = MappingProxyType(
        {
            "n_components": 1,
            "c_posterior": "bayes",
            "relaxation": "exact",
            "learn_weights": False,
            "prior_stddev": 0.0,
            "trainable_prior": False,
        }
    )


@keras.saving.register_keras_serializable("vae_moe")
class VaDE(MixtureVAE):
    """Variational deep embedding (Jiang et al. 2017; report, section 3): q(c|x) = p(c|z), Bayes' rule at a sample."""

    FIXED = MappingProxyType({"c_posterior": "bayes", "relaxation": "exact"})


@keras.saving.register_keras_serializable("vae_moe")
class DMVAE(MixtureVAE):
    """Discrete mixture variational autoencoder (report, section 6): q(c|x) is an encoder network of its own."""

    FIXED = MappingProxyType({"c_posterior": "network"})
