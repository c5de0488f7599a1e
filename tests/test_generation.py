"""What is generated, and how well: log p(x) in closed form, purity by hand, the range of samples, the judge."""

import keras
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from experiments import judges, measures, recipes
from vae_moe import DMVAE, VAE, VaDE, metrics
from vae_moe.data import datasets
from vae_moe.training import fit, health
from vae_moe.training.generation import refit_prior
from vae_moe.training.plan import Plan


@pytest.mark.parametrize("model_class", [VAE, VaDE, DMVAE])
def test_the_log_likelihood_is_that_of_a_linear_gaussian_model(rng, model_class):
    """p(x) = sum_k pi_k N(x | W m_k + b, W V_k W' + I) in closed form, whatever q(z|x) is; here wide, N(0, e)."""
    sizes = {"z_encoder_sizes": (), "decoder_sizes": ()} | ({"c_encoder_sizes": ()} if model_class is DMVAE else {})
    k = {} if model_class is VAE else {"n_components": 3}
    model = model_class(4, latent_dim=2, likelihood="gaussian", **k, **sizes)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    mixture = model.mixture
    mixture.z_encoder.layers[-1].set_weights([np.zeros((4, 4)), np.array([0.0, 0.0, 1.0, 1.0])])
    kernel, bias = (np.asarray(weight, "d") for weight in mixture.decoder.layers[0].weights)
    means, variances = np.asarray(mixture.prior.means), np.exp(np.asarray(mixture.prior.log_vars))
    x = rng.normal(0, 1, (30, 4)).astype("f")
    known = logsumexp(
        [
            log_weight + multivariate_normal.logpdf(x, m @ kernel + bias, kernel.T * v @ kernel + np.eye(4))
            for log_weight, m, v in zip(mixture.prior.log_weights().numpy(), means, variances, strict=True)
        ],
        axis=0,
    )
    nearer = model.log_likelihood(x, 3000)
    np.testing.assert_allclose(nearer, known, atol=0.15)
    assert np.mean(nearer) == pytest.approx(np.mean(known), abs=0.02)
    assert model.elbo(x, 50).mean() < model.log_likelihood(x, 25).mean() < nearer.mean() + 0.02


def test_purity_is_of_the_classes_that_the_map_gives():
    y, clusters = np.repeat([0, 1, 2], 4), np.repeat([2, 0, 1], 4)
    judged = [[1, 1, 1, 0], [2, 2, 0, 0], [0, 0, 0, 0]]
    assert sorted(metrics.generation_purities(y, clusters, judged)) == [0.5, 0.75, 1.0]
    assert sorted(metrics.generation_purities(y, np.repeat([2, 0, 0], 4), judged)) == [0.0, 0.75, 1.0]  # one is empty
    assert len(metrics.generation_purities(y, np.repeat([2, 0, 1, 3, 0, 1], 2), [*judged, [5] * 4])) == 3  # K > C


def test_samples_of_half_the_points_are_precise_and_do_not_cover(rng):
    real = np.concatenate([rng.normal(0, 1, (150, 3)), rng.normal(9, 1, (150, 3))])
    half = rng.normal(0, 0.5, (300, 3))
    assert metrics.share_near(half, real) > 0.95
    assert metrics.share_near(real, half) < 0.5
    assert metrics.share_near(real, real) == 1
    assert metrics.share_near(half + 99, real) == 0


def test_a_judge_is_trained_once_and_knows_the_classes(tmp_path, monkeypatch):
    monkeypatch.setattr(judges, "folder", lambda: tmp_path)
    monkeypatch.setattr(judges, "MOST_EPOCHS", 20)
    dataset = datasets.digits()
    first = judges.judge(dataset)
    monkeypatch.setattr(judges, "_trained", None)
    again = judges.judge(dataset)
    assert (first.classes(dataset.test.x) == dataset.test.y).mean() > 0.93
    np.testing.assert_array_equal(first.features(dataset.test.x), again.features(dataset.test.x))


def test_samples_that_are_rows_of_their_class_are_pure(monkeypatch):
    """A model that draws training rows of the class of each component."""
    monkeypatch.setattr(judges, "MOST_EPOCHS", 20)
    dataset = datasets.digits()
    model = DMVAE(64, n_components=10, latent_dim=2)

    def generate(n, component=None, seed=0):
        rows = dataset.train.x if component is None else dataset.train.x[dataset.train.y == component]
        return rows[np.random.default_rng(seed).integers(len(rows), size=n)]

    monkeypatch.setattr(model, "generate", generate)
    figures = measures.generated(model, recipes.get("digits-dmvae"), dataset, dataset.test.y)
    assert figures["generation_purity"] > 0.9 and figures["worst_generation_purity"] > 0.8
    assert figures["generation_precision"] > 0.8 and figures["generation_recall"] > 0.8


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_the_refitted_prior_has_the_moments_of_z(rng, covariance):
    """Those of draws of z from q(z|x), of rows drawn by q(c|x), and of L rows of each component as it was."""
    x, n_latent = rng.uniform(0, 1, (300, 5)).astype("f"), 2
    model = DMVAE(5, n_components=3, latent_dim=n_latent, covariance=covariance)
    model.mixture.c_encoder.layers[-1].bias.assign([0.0, 0.0, -40.0])  # a component without rows
    former = model.mixture.prior.covariances(), np.array(model.mixture.prior.means)
    bound = model.elbo(x).mean()
    refit_prior(model, x)
    assert model.elbo(x).mean() > bound
    prior, (z_mean, z_log_var, c_log_probs) = model.mixture.prior, model.posterior(x)
    np.testing.assert_allclose(prior.means[2], former[1][2], atol=1e-4)
    np.testing.assert_allclose(prior.covariances()[2], former[0][2], atol=1e-4)
    rows = rng.choice(len(x), 200_000, p=np.exp(c_log_probs[:, 0]) / np.exp(c_log_probs[:, 0]).sum())
    z = z_mean[rows] + np.exp(0.5 * z_log_var[rows]) * rng.standard_normal((len(rows), n_latent))
    count = np.exp(c_log_probs[:, 0]).sum()
    as_it_was = rng.multivariate_normal(former[1][0], former[0][0], round(len(rows) * n_latent / count))
    known = np.cov(np.concatenate([z, as_it_was]).T)
    known = known if covariance == "full" else np.diag(np.diag(known))
    np.testing.assert_allclose(prior.covariances()[0], known, rtol=0.03, atol=0.01)


def test_z_settles_where_its_component_is_and_clusters_stay(rng):
    centres = np.eye(3, 6)
    x = np.repeat(centres, 100, 0).astype("f")
    model = DMVAE(6, n_components=3, latent_dim=2, z_encoder_sizes=(8,), c_encoder_sizes=(), decoder_sizes=(8,))
    model.mixture.c_encoder.layers[-1].kernel.assign(20 * centres.T)
    weights, seen = dict(model.term_weights), []
    look = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: seen.append([model.predict_proba(x), health.examine(model, x)])
    )
    plan = Plan(epochs=1, settle_epochs=20, settle_weights=(10.0, 30.0), learning_rate=0.05, batch_size=100)
    fit.fit_clustering(model, x, plan, observers=[look])
    ((clusters, before),) = seen  # when the bound was trained
    np.testing.assert_array_equal(model.predict_proba(x), clusters)
    after = health.examine(model, x)
    assert before.bayes_agreement < after.bayes_agreement == 1
    assert before.samples_agreement < 0.7 and after.samples_agreement > 0.9
    assert model.term_weights == weights and model.mixture.c_encoder.trainable
