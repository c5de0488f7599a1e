"""The arguments of a latent mixture, each written once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vae_moe.layers import batch_part, networks
from vae_moe.layers.conv import FILTERS


@dataclass(frozen=True)
class MixtureConfig:
    """The arguments of a latent mixture, and of each model that has one."""

    #: D, entries of x.
    input_dim: int
    #: K, components of the mixture.
    n_components: int
    #: L, entries of z.
    latent_dim: int = 10
    #: Hidden layers that q(z|x) and q(c|x) share; none in the report. Of a convolutional encoder: the dense ones at its
    #: end.
    trunk_sizes: Sequence[int] = ()
    #: Hidden layers of q(z|x).
    z_encoder_sizes: Sequence[int] = (256, 256, 512)
    #: Hidden layers of q(c|x), where a network gives it.
    c_encoder_sizes: Sequence[int] = (256, 512)
    #: Of a tree of components: the children of each node, the root's first; of none given, the components are pairs,
    #: or, an odd number of them, children of the root.
    branching: Sequence[int] = ()
    #: Hidden layers of p(x|z); of a convolutional decoder: the dense ones it begins with.
    decoder_sizes: Sequence[int] = (512, 256)
    #: The trunk: "mlp", "conv", or a Keras layer (:mod:`vae_moe.layers.networks`); kept as its configuration.
    encoder: networks.Network = "mlp"
    #: Of p(x|z), likewise.
    decoder: networks.Network = "mlp"
    #: (H, W) or (H, W, C) of the images that x is, or None.
    image_shape: Sequence[int] | None = None
    #: Channels of each block of convolutional networks.
    filters: Sequence[int] = FILTERS
    #: Of x: "bernoulli", "gaussian" or "heteroscedastic_gaussian", or what each column of a mixed table is, which may
    #: have gaps (:mod:`vae_moe.likelihoods`).
    likelihood: str | Sequence[Mapping[str, Any]] = "bernoulli"
    #: Of the likelihood "gaussian", in units of x. Columns of variance 1 need a smaller one: what varies less than the
    #: noise is not worth its KL, and z is ignored.
    stddev: float = 1.0
    #: Whether the layers of a network of q(c|x) are normalised over the batch; from random weights they learn clusters
    #: sooner.
    c_batch_normalization: bool = False
    #: Of the KL of z in training: "exact", the sum over k; "gumbel", at a Gumbel-Softmax sample (report). Evaluation is
    #: exact: the KL is linear in c, so nothing has to be sampled.
    relaxation: str = "exact"
    #: Of the Gumbel-Softmax, at the start.
    temperature: float = 0.2
    #: Whether p(c) is learned or stays uniform.
    learn_weights: bool = False
    #: Of the prior's components: "diag", as in the report, or "full".
    covariance: str = "diag"
    #: Of the normal the prior's means start from.
    prior_stddev: float = 1.0
    #: False keeps the prior where it starts.
    trainable_prior: bool = True
    #: Share of each training batch, its first rows, on which the bound is computed; q(c|x) is on all of it. If rows
    #: come in random order its gradient stays unbiased, and costs less.
    bound_share: float = 1.0
    #: Of a mixed table's cells, hidden from the encoder in training, on average: so it learns to do without them.
    hidden_cells: float = 0.0
    #: Of weights and samples.
    seed: int = 0

    def __post_init__(self):
        """Bring the arguments into the form that JSON and Keras take.

        Raises:
            ValueError: if one is none that a mixture can have.
        """
        if self.relaxation not in ("exact", "gumbel"):
            raise ValueError(f"relaxation must be one of 'exact', 'gumbel', got {self.relaxation!r}.")
        if self.input_dim < 1:
            raise ValueError(f"input_dim must be at least 1, got {self.input_dim!r}: it is the number of columns of x.")
        batch_part.check_share("bound_share", self.bound_share)
        sizes = ("branching", "trunk_sizes", "z_encoder_sizes", "c_encoder_sizes", "decoder_sizes", "filters")
        plain = {
            "n_components": int(self.n_components),
            "likelihood": self.likelihood
            if isinstance(self.likelihood, str)
            else [dict(each) for each in self.likelihood],
            "latent_dim": int(self.latent_dim),
            "image_shape": networks.check_image_shape(self.image_shape, self.input_dim),
            **{name: tuple(map(int, getattr(self, name))) for name in sizes},
            **{name: networks.config(networks.get(getattr(self, name))) for name in ("encoder", "decoder")},
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)
