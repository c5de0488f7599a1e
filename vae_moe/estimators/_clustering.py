"""What the clusterings share: all but the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from scipy.special import softmax
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, DensityMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from vae_moe import fitting, validation
from vae_moe.engine import pipelines
from vae_moe.estimators._base import KerasEstimator
from vae_moe.estimators._gaps import GapFilling
from vae_moe.estimators._inputs import HIDDEN_CELLS, NOISE, Scaling, choose_likelihood
from vae_moe.estimators._persistence import in_float32
from vae_moe.estimators.explanations import Belonging, belonging
from vae_moe.training import calibration, hierarchy, how_many
from vae_moe.training.fit import fit_clustering
from vae_moe.training.graphs import FEW_COLUMNS, filled
from vae_moe.training.plan import MANY_ROWS, Plan, augmented, default_plan, generative

#: Of z, over which `score_samples` averages; the same noise for every row.
ELBO_SAMPLES = 16
#: Terms that hold q(c | x) together, and their weights where `regularization` is 1.
TERMS = {"start": 1.0, "adversarial": 1.0, "balance": 0.4, "entropy": 0.1}
#: How far from x the direction of an adversarial change is sought, in units of the change.
PROBE = 6.0
#: Hidden layers of q(z | x), of few rows and of many, and of q(c | x).
MANY_WIDE_ROWS = 5_000  # that are many if their columns are
FEW_LAYERS, MANY_LAYERS, C_LAYERS = (256, 512), (512, 512, 512), (512, 256)
#: Channels of convolutional networks, epochs of their autoencoder and its learning rate: from random kernels they take
#: more steps, and larger ones, than dense networks.
FILTERS, CONV_EPOCHS, CONV_RATE = (8, 16, 32), 20, 3e-3
ENCODERS, COVARIANCES = ("mlp", "conv"), ("auto", "diag", "full")
#: Interquartile ranges below the first quartile of the rows' scores from which on a row belongs nowhere: Tukey's "far
#: out" (Exploratory Data Analysis, 1977).
FAR_OUT = 3.0


@dataclass(eq=False, repr=False, kw_only=True)
class KerasClustering(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, DensityMixin, GapFilling, KerasEstimator
):
    """Abstract: a mixture of Gaussians in the latent space of a variational autoencoder."""

    _MODEL: ClassVar[type]

    n_components: int | str = field(default=8, kw_only=False)
    latent_dim: int = 10
    likelihood: str | Mapping[Any, str] = "auto"
    missing: str = "random"
    covariance: str = "auto"
    image_shape: tuple[int, ...] | None = None
    encoder: str = "mlp"
    augment: bool = False
    regularization: float = 100.0
    adversarial_reach: float = 0.25

    @fitting.whole
    @in_float32()
    @pipelines.own_seeds
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "KerasClustering":
        """Fit to the rows of X [N, D]; y is not looked at.

        sample_weight [N] are weights of the rows' losses, without a unit: their mean is made 1. Rows of weight 0 are
        left out. The start sees all others alike.

        Raises
        ------
        ValueError
            If the data or a parameter is not usable; the message says which and what to do.
        FloatingPointError
            If a term of the loss is no longer finite.
        """
        self._check_parameters()
        X = self._read(X)
        weight, rows = validation.weighted_rows(sample_weight, X)
        if not isinstance(self.n_components, str) and len(rows) < self.n_components:
            raise ValueError(
                f"n_samples={len(rows)} is less than n_components={self.n_components}. Give more rows or fewer "
                "components."
            )
        x, likelihood = self._learn(X, rows, weight)
        self._set_mean_row(x)
        backup, seed = self._backup(x, weight)
        truth, (x, hidden) = x, self._hide(x, seed)
        seen = filled(x, seed=seed)
        self._find_number(seen, seed)
        plan = self._plan(len(x))
        terms = {name: self.regularization * share for name, share in TERMS.items()}
        self.model_ = self._MODEL(
            x.shape[1],
            n_components=self.n_components_,
            latent_dim=self.latent_dim,
            likelihood=likelihood,
            stddev=NOISE,
            hidden_cells=HIDDEN_CELLS,
            covariance=self._covariance,
            image_shape=self.image_shape,
            regularization=terms | ({"consistency": self.regularization} if self.augment else {}),
            adversarial_probe=PROBE,
            seed=seed,
            **self._layers(len(x)),
        )
        fitted = fit_clustering(
            self.model_,
            x,
            plan,
            seed=seed,
            filled=seen,
            image_shape=self.image_shape,
            sample_weight=weight,
            backup=backup,
            verbose=self.verbose,
        )
        self.history_ = fitted.history
        self.n_iter_ = len(self.history_["loss"])
        self.temperature_ = calibration.temperature(self.model_, x, seen)
        branching = getattr(self.model_.mixture, "branching", ())
        self.tree_ = hierarchy.tree(self.model_.c_log_proba(x) / self.temperature_, branching)
        every = self._encoded(X)
        self.labels_, scores = self.model_.cluster(every), self._scores(X, every)
        low, high = np.quantile(scores[rows], (0.25, 0.75))
        self.outlier_threshold_ = float(low - FAR_OUT * (high - low))
        self.outlier_ = scores < self.outlier_threshold_
        self._measure_spread(x, hidden, truth)
        backup.remove()
        return self

    def _learn(self, X: Any, rows: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, Any]:
        """Learn from some rows of X what its columns are; return their x [N, D] and its likelihood."""
        if self._is_table(X):
            if self.encoder != "mlp" or self.augment:
                raise ValueError("images with gaps need encoder='mlp' and augment=False. Fill the gaps, or take these.")
            return self._learn_table(X, rows, self.missing)
        self.table_, self.likelihood_ = None, choose_likelihood(self.likelihood, X[rows])
        standardise = self.likelihood_ == "gaussian"
        scaling = Scaling.robust(X[rows], weight) if standardise else Scaling.none(X.shape[1])
        return self._scaled(X, rows, scaling), self.likelihood_

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit, and return `labels_` [N]."""
        return self.fit(X, y, sample_weight).labels_

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable component of each row of X [N, D] as [N]."""
        return self.predict_proba(X).argmax(axis=1)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return q(c | x) of X [N, D], at `temperature_`, as [N, K]."""
        x = self._check_X(X)
        return softmax(self.model_.c_log_proba(x) / self.temperature_, -1)

    def explain(self, X: Any) -> Belonging:
        """Return what each column of X [N, D] has to do with the cluster of each row, beside its next one.

        Raises
        ------
        ValueError
            If the estimator was saved by a version that did not keep the mean row.
        """
        return belonging(self, X)

    def transform(self, X: Any) -> np.ndarray:
        """Return the mean of q(z | x) of X [N, D] as [N, L]."""
        x = self._check_X(X)
        return self.model_.encode(x)

    def inverse_transform(self, Z: Any) -> np.ndarray:
        """Return the mean of p(x | z) at Z [N, L], in units of X, as [N, D]."""
        check_is_fitted(self)
        Z = np.asarray(Z, dtype=np.float32)
        if Z.ndim != 2 or Z.shape[1] != self.latent_dim:
            raise ValueError(f"Z must be [N, {self.latent_dim}], got shape {Z.shape}. Give latents, as transform does.")
        return self.from_entries(self.model_.decode(Z).reshape(len(Z), -1))

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Draw components in their shares of the rows of the fit, and points z of them; return the means of p(x | z).

        Returns
        -------
        X : array [n_samples, D]
            In units of the X of the fit, without the noise of p(x | z). Of a table of several kinds or with gaps they
            are draws, in a frame of its types if it was one.
        components : array [n_samples]
            In ascending order, as in GaussianMixture.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(f"n_samples must be at least 1, got {n_samples!r}. Ask for some.")
        random_state = check_random_state(self.random_state)
        prior = self.model_.mixture.prior
        sizes = np.bincount(self.labels_, minlength=self.n_components_)
        counts = random_state.multinomial(n_samples, sizes / sizes.sum())
        z = [prior.sample(n, k, int(random_state.randint(2**31 - 1))) for k, n in enumerate(counts)]
        components, points = np.repeat(np.arange(len(counts)), counts), np.concatenate(z)
        if self._table is None:
            return self.inverse_transform(points), components
        return self._table.decode(self.model_.draw(points, int(random_state.randint(2**31 - 1)))), components

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the evidence lower bound of each row, log p(x) at least, in nats, as [N].

        With the likelihood 'gaussian' p(x) is a density in units of X. With 'bernoulli' it is one of columns of 0 and 1
        alone: numbers between count as probabilities, and the bound is a cross-entropy. Scores compare among fits of
        one `likelihood_`: by 'auto' the range of X decides which it is.
        """
        return self._scores(X, self._check_X(X))

    def _scores(self, X: Any, x: np.ndarray) -> np.ndarray:
        """Return `score_samples` of rows X, which the model sees as x [N, D]."""
        noise = tf.random.stateless_normal([ELBO_SAMPLES, 1, self.model_.mixture.latent_dim], seed=[0, 0])
        bounds = [pipelines.map_batches(lambda rows, z=z: self.model_._elbo(rows, z), x) for z in noise]
        shift = -np.log(self.x_scale_).sum() if self._table is None else self._table.log_jacobian(X)
        return (np.mean(bounds, axis=0) + shift).astype(np.float32)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean of `score_samples`."""
        return float(self.score_samples(X).mean())

    def bic(self, X: Any) -> float:
        """Return a Bayesian information criterion of the number of components; the lower the better.

        It is -2 times the sum of `score_samples` plus log N for each parameter of the mixture prior. The networks' are
        not counted: the decoder's are as many for every number of components, and those of q(z | x) and q(c | x), of
        which a DMVAE has more for more components, are no part of p(x). It compares fits of one `likelihood_` alone.
        """
        bounds = self.score_samples(X)
        learn_weights = self.model_.mixture.prior.learn_weights
        n_variances = self.latent_dim * (self.latent_dim + 1) // 2 if self._covariance == "full" else self.latent_dim
        n_parameters = self.n_components_ * (self.latent_dim + n_variances) + (self.n_components_ - 1) * learn_weights
        return float(-2 * bounds.sum() + n_parameters * np.log(len(bounds)))

    def _check_parameters(self) -> None:
        """Raise ValueError for a parameter out of its range, or images without a shape."""
        super()._check_parameters()
        validation.check_option("encoder", self.encoder, ENCODERS)
        validation.check_option("covariance", self.covariance, COVARIANCES)
        shape = self.image_shape
        if shape is not None and (np.ndim(shape) != 1 or len(shape) not in (2, 3)):
            raise ValueError(f"image_shape must be (height, width), or with channels, got {shape!r}. Give it so.")
        if shape is None and (self.augment or self.encoder == "conv"):
            asked = "augment=True" if self.augment else "encoder='conv'"
            raise ValueError(f"{asked} is for images, got image_shape=None. Give (height, width), or with channels.")

    def _find_number(self, x: np.ndarray, seed: int) -> None:
        """Set the number of components, which the silhouettes of x [N, D] choose where it is not given."""
        self.silhouettes_, self.resampled_numbers_ = np.zeros(0), np.zeros(0, int)
        if self.n_components != validation.AUTO:
            self.n_components_ = int(self.n_components)
            return
        self.silhouettes_ = how_many.silhouettes(x, seed=seed)
        self.n_components_ = how_many.number(self.silhouettes_)
        self.resampled_numbers_ = how_many.in_resamples(x, seed=seed)

    def _plan(self, n_rows: int) -> Plan:
        """Return the default plan for so many rows, with this estimator's parameters."""
        plan = augmented(default_plan(n_rows)) if self.augment else default_plan(n_rows)
        plan = self._with_parameters(plan)
        plan = generative(plan) if self._covariance == "full" else plan
        if plan.warm_start is not None and self.encoder == "conv":
            epochs, size = self.start_epochs or CONV_EPOCHS, plan.batch_size
            stages = replace(plan.warm_start, autoencoder_epochs=epochs, batch_size=size, learning_rate=CONV_RATE)
            plan = replace(plan, warm_start=stages)
        return replace(plan, adversarial_reach=self.adversarial_reach)

    @property
    def _covariance(self) -> str:
        """Of the components, "auto" decided."""
        if self.covariance == "auto":
            return "diag" if self.image_shape is None else "full"
        return self.covariance

    def _layers(self, n_rows: int) -> dict[str, Any]:
        """Return the networks' arguments: q(z | x) and q(c | x) share a convolutional trunk alone."""
        large = n_rows >= MANY_ROWS or (n_rows >= MANY_WIDE_ROWS and self.n_features_in_ > FEW_COLUMNS)
        usual = MANY_LAYERS if large else FEW_LAYERS
        sizes = usual if self.hidden_layer_sizes is None else tuple(self.hidden_layer_sizes)
        if self.encoder == "mlp":
            return {"z_encoder_sizes": sizes, "decoder_sizes": sizes[::-1]}
        dense = {"trunk_sizes": sizes[:1], "z_encoder_sizes": (), "decoder_sizes": sizes[:1]}
        return {"encoder": "conv", "decoder": "conv", "filters": FILTERS, **dense}

    @property
    def _n_features_out(self) -> int:
        return self.latent_dim

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
