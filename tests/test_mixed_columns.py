"""Columns of several kinds, and gaps, in the likelihood and in the bound: against TFP, sums, and a closed form."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.stats import multivariate_normal

from vae_moe import DMVAE, VAE, VaDE, likelihoods
from vae_moe.likelihoods.mixed import Column, MixedColumns

tfd = tfp.distributions

COLUMNS = [
    Column("gaussian"),
    Column("categorical", 3),
    Column("count", mean=1.5, scale=0.7),
    Column("bernoulli"),
    Column("ordinal", 3),
    Column("student"),
    Column("categorical", 2),
    Column("gaussian"),
]
N_PARAMS = 2 + 3 + 2 + 1 + 3 + 2 + 2 + 2


@pytest.fixture
def mixed():
    return MixedColumns(COLUMNS)


def params_of(rng, n):
    return rng.normal(size=(n, N_PARAMS)).astype(np.float32)


def test_each_column_has_the_density_of_its_kind(mixed, rng):
    params = params_of(rng, 50)
    value = np.array(mixed.sample(params, seed=3))
    parts = np.split(params, np.cumsum([2, 3, 2, 1, 3, 2, 2]), axis=1)
    number, category, count, flag, ordinal, heavy, pair, other = parts

    def deviation(part):
        return np.exp(0.5 * part[:, 1])

    counted = np.round(np.expm1(1.5 + 0.7 * value[:, 4]))
    mean, dispersion = np.exp(1.5 + 0.7 * count[:, 0]), np.exp(count[:, 1])
    above = 1 / (1 + np.exp(-ordinal))  # p(level > j | level >= j)
    level = value[:, 6:9].sum(1).astype(int)
    reach = np.concatenate([np.ones((50, 1)), np.cumprod(above, 1)], 1)  # p(level >= j)
    of_level = reach - np.concatenate([reach[:, 1:], np.zeros((50, 1))], 1)
    expected = [
        tfd.Normal(number[:, 0], deviation(number)).log_prob(value[:, 0]),
        tfd.OneHotCategorical(category).log_prob(value[:, 1:4]),
        tfd.NegativeBinomial.experimental_from_mean_dispersion(mean, 1 / dispersion).log_prob(counted),
        tfd.Bernoulli(flag[:, 0], dtype=tf.float32).log_prob(value[:, 5]),
        np.log(np.take_along_axis(of_level, level[:, None], 1))[:, 0],
        tfd.StudentT(4.0, heavy[:, 0], deviation(heavy)).log_prob(value[:, 9]),
        tfd.OneHotCategorical(pair).log_prob(value[:, 10:12]),
        tfd.Normal(other[:, 0], deviation(other)).log_prob(value[:, 12]),
    ]
    assert mixed.cells_log_prob(params, value).numpy() == pytest.approx(np.stack(expected, -1), rel=1e-4, abs=1e-4)


def test_means_are_those_of_samples(mixed, rng):
    params = np.repeat(params_of(rng, 1), 40_000, 0)
    drawn = mixed.sample(params, seed=0).numpy()
    mean, spread = mixed.mean(params[:1]).numpy()[0], drawn.std(0) / 200
    others = np.arange(13) != 4  # the mean of a count is taken before its logarithm
    assert np.abs(drawn.mean(0) - mean)[others] == pytest.approx(0, abs=float(6 * spread.max()))
    count = 1.5 + 0.7 * np.array([drawn[:, 4], np.full(40_000, mean[4])])
    assert np.expm1(count[0]).mean() == pytest.approx(np.expm1(count[1, 0]), rel=0.05)


def test_a_gap_leaves_its_cell_out_and_gives_no_gradient(mixed, rng):
    params, value = params_of(rng, 20), np.array(mixed.sample(params_of(rng, 20)))
    cells = mixed.cells_log_prob(params, value).numpy()
    gaps = rng.uniform(size=cells.shape) < 0.4
    gaps[0], gaps[1] = True, False
    value[gaps[:, mixed.column_of]] = np.nan
    assert mixed.log_prob(params, value).numpy() == pytest.approx(np.where(gaps, 0, cells).sum(1), rel=1e-5, abs=1e-5)
    with tf.GradientTape() as tape:
        params = tf.Variable(params)
        total = tf.reduce_sum(mixed.log_prob(params, value))
    gradient = tape.gradient(total, params).numpy()
    assert np.isfinite(gradient).all() and not gradient[0].any()


@pytest.mark.parametrize("kind", ["kind", "poisson"])
def test_a_column_of_no_kind_is_refused(kind):
    with pytest.raises(ValueError, match="a column is one of gaussian, student"):
        MixedColumns([{"kind": kind}])


def test_columns_that_do_not_make_x_are_refused():
    with pytest.raises(ValueError, match="the columns have 3 entries of x, got input_dim=4"):
        DMVAE(4, n_components=2, likelihood=[{"kind": "categorical", "size": 3}])


SMALL = {"latent_dim": 2, "z_encoder_sizes": (8,), "decoder_sizes": (8,)}


def gappy(rng, n=60):
    mixed = MixedColumns(COLUMNS)
    x = np.array(mixed.sample(params_of(rng, n)))
    x[(rng.uniform(size=(n, len(COLUMNS))) < 0.3)[:, mixed.column_of]] = np.nan
    x[0] = np.nan
    return x


@pytest.mark.parametrize("model", [VaDE, DMVAE])
def test_models_train_on_gaps_and_tell_of_them(model, rng, tmp_path):
    x = gappy(rng)
    made = model(13, n_components=3, likelihood=MixedColumns(COLUMNS).config(), hidden_cells=0.2, **SMALL)
    made.compile("adam")
    history = made.fit(x, epochs=2, verbose=0, batch_size=20)
    assert np.isfinite(history.history["loss"]).all()
    assert np.isfinite(made.elbo(x)).all() and made.predict_proba(x).sum(1) == pytest.approx(1)
    made.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.predict_proba(x) == pytest.approx(made.predict_proba(x))


def test_what_is_under_a_gap_is_not_seen(rng):
    """Readouts do not depend on what a cell would have been; that of an empty row is of z alone."""
    x = gappy(rng)
    model = DMVAE(13, n_components=3, likelihood=MixedColumns(COLUMNS).config(), **SMALL)
    outputs = model.mixture(x, noise=np.zeros((1, 2), np.float32))
    assert outputs["terms"]["recon"].numpy()[0] == 0
    mean, log_var, log_q = model.posterior(x[:1])
    kl = np.exp(log_q) * np.asarray(model.mixture.prior.kl(mean, log_var))
    assert outputs["terms"]["kl_z"].numpy()[0] == pytest.approx(kl.sum(), rel=1e-4)


def test_the_bound_of_a_linear_gaussian_decoder_lies_below_log_p_of_the_observed_cells(rng):
    """x = W z + m + s e has log p(x_o) = log N(m_o, W_o W_o^T + S_o); the exact q(z|x_o) meets it."""
    n_columns, n_latent = 5, 2
    model = VAE(
        n_columns, latent_dim=n_latent, likelihood=[{"kind": "gaussian"}] * n_columns, decoder_sizes=(),
        z_encoder_sizes=(),
    )  # fmt: skip
    weights, mean = rng.normal(size=(n_columns, n_latent)), rng.normal(size=n_columns)
    log_vars = rng.uniform(-1, 1, n_columns)
    kernel, bias = np.zeros((n_latent, 2 * n_columns)), np.zeros(2 * n_columns)
    kernel[:, ::2], bias[::2], bias[1::2] = weights.T, mean, log_vars
    model.mixture.decoder.layers[-1].set_weights([kernel, bias])
    x = rng.normal(size=(30, n_columns)).astype(np.float32)
    x[rng.uniform(size=x.shape) < 0.4] = np.nan
    bounds = model.elbo(x, n_samples=200)
    for row, bound in zip(x, bounds, strict=True):
        seen = ~np.isnan(row)
        covariance = weights[seen] @ weights[seen].T + np.diag(np.exp(log_vars[seen]))
        exact = multivariate_normal(mean[seen], covariance).logpdf(row[seen]) if seen.any() else 0.0
        assert bound <= exact + 0.1
        precisions = weights[seen].T / np.exp(log_vars[seen])
        spread = np.linalg.inv(np.eye(n_latent) + precisions @ weights[seen])
        posterior = multivariate_normal(spread @ precisions @ (row[seen] - mean[seen]), spread)
        z = rng.normal(size=n_latent)  # where log p(x, z) - log q(z) does not depend on z
        recon = model.mixture.x_likelihood.log_prob(model.mixture.decoder(z[np.newaxis].astype("f4")), row[np.newaxis])
        joint = float(recon[0]) + multivariate_normal(np.zeros(n_latent)).logpdf(z)
        assert joint - posterior.logpdf(z) == pytest.approx(exact, abs=1e-3)


def test_the_report_names_still_give_their_likelihoods():
    assert isinstance(likelihoods.get("gaussian", 0.3), likelihoods.Gaussian)
