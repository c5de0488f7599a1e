"""The consistency terms against scipy's entropies, and mutual information at its limits."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from vae_moe import DMVAE
from vae_moe.layers import regularization


def test_terms_are_scipys_entropies(rng):
    p, q = rng.dirichlet(np.ones(5), (2, 30))
    np.testing.assert_allclose(
        regularization.consistency(np.log(p), np.log(q)), scipy.stats.entropy(p, q, axis=-1), rtol=1e-6
    )
    np.testing.assert_allclose(np.mean(regularization.balance(np.log(p))), -scipy.stats.entropy(p.mean(0)))


def test_the_target_gets_no_gradient(rng):
    logits, view = (tf.Variable(np.log(rng.dirichlet(np.ones(5), 3))) for _ in range(2))
    with tf.GradientTape() as tape:
        loss = regularization.consistency(logits, view)
    of_logits, of_view = tape.gradient(loss, [logits, view])
    assert of_logits is None and np.abs(of_view).max() > 0


def test_balance_is_least_where_every_component_is_used():
    used = np.log(np.eye(4) * (1 - 4e-9) + 1e-9)
    np.testing.assert_allclose(np.mean(regularization.balance(used)), -np.log(4), rtol=1e-6)
    np.testing.assert_allclose(np.mean(regularization.balance(used[[0, 0, 0]])), 0, atol=1e-6)


def test_balance_to_a_starts_shares_is_scipys_divergence(rng):
    """Least, 0, where the components have the shares the start gave them, however unequal."""
    p, shares = rng.dirichlet(np.ones(3), 30), [0.95, 0.04, 0.01]
    ours = np.mean(regularization.balance(np.log(p), shares))
    np.testing.assert_allclose(ours, scipy.stats.entropy(p.mean(0), shares))
    met = np.repeat(np.log(np.eye(3) * (1 - 3e-9) + 1e-9), [95, 4, 1], 0)
    np.testing.assert_allclose(np.mean(regularization.balance(met, shares)), 0, atol=1e-6)


def test_the_model_balances_towards_its_component_shares(rng):
    x = rng.uniform(0, 1, (8, 6)).astype("f")
    model = DMVAE(6, n_components=2, latent_dim=2, regularization={"balance": 1.0}, component_shares=[0.9, 0.1])
    outputs = model(x, training=True)
    np.testing.assert_allclose(
        outputs["terms"]["balance"], regularization.balance(outputs["c_logits"], [0.9, 0.1]), rtol=1e-6
    )
    assert DMVAE.from_config(model.get_config()).component_shares == [0.9, 0.1]


def test_the_model_adds_them_with_their_weights(rng):
    model = DMVAE(6, n_components=3, latent_dim=2, regularization={"consistency": 2.0, "balance": 3.0})
    x, view = rng.uniform(0, 1, (2, 8, 6)).astype("f")
    outputs = model({"x": x, "view": view}, training=True)
    terms = {name: np.mean(term) for name, term in outputs["terms"].items()}
    logits = outputs["c_logits"]
    np.testing.assert_allclose(
        terms["consistency"],
        np.mean(regularization.consistency(logits, model.mixture.infer(view)["c_logits"])),
        rtol=1e-5,
    )
    bound = terms["recon"] + terms["kl_z"] + terms["kl_c"]
    expected = bound + 2 * terms["consistency"] + 3 * terms["balance"]
    np.testing.assert_allclose(model.compute_loss(y_pred=outputs, training=True), expected, rtol=1e-5)
    np.testing.assert_allclose(model.compute_loss(y_pred=outputs, training=False), bound, rtol=1e-5)
    assert set(model({"x": x, "view": view})["terms"]) == {"recon", "kl_z", "kl_c"}


def test_z_and_samples_are_of_the_component_that_q_names(rng):
    model = DMVAE(6, n_components=4, latent_dim=2, covariance="full", regularization={"agreement": 1, "samples": 1})
    prior, x = model.mixture.prior, rng.uniform(0, 1, (50, 6)).astype("f")
    prior.assign(None, rng.normal(size=(4, 2)), [np.cov(rng.normal(size=(2, 9))) for _ in range(4)])
    outputs = model({"x": x}, training=True)
    q, p = model.predict_proba(x), scipy.special.softmax(prior.c_logits(model.encode(x)), -1)
    np.testing.assert_allclose(outputs["terms"]["agreement"], scipy.stats.entropy(q, p, axis=-1), rtol=1e-4)
    known = [-model.c_log_proba(model.generate(20_000, k))[:, k].mean() for k in range(4)]
    term = model({"x": np.repeat(x, 1000, 0)}, training=True)["terms"]["samples"].numpy()
    np.testing.assert_allclose([term[k::4].mean() for k in range(4)], known, rtol=0.01)


def test_entropy_is_scipys(rng):
    p = rng.dirichlet(np.ones(5), 30)
    np.testing.assert_allclose(regularization.entropy(np.log(p)), scipy.stats.entropy(p, axis=-1))


def test_rows_are_held_to_their_starts_component_or_to_none(rng):
    p, components = rng.dirichlet(np.ones(5), 4), np.array([3, -1, 0, 4], "int32")
    expected = scipy.stats.entropy(np.eye(5)[components], p, axis=-1) * (components >= 0)  # the KL from one-hot
    np.testing.assert_allclose(regularization.start(np.log(p), components), expected)
    model = DMVAE(6, n_components=5, latent_dim=2, regularization={"start": 2.0})
    x = rng.uniform(0, 1, (4, 6)).astype("f")
    terms = model({"x": x, "component": components}, training=True)["terms"]
    np.testing.assert_allclose(terms["start"][0], -np.log(model.predict_proba(x)[0, 3]), rtol=1e-5)
    assert terms["start"][1] == 0 and "start" not in model(x, training=True)["terms"]


def test_the_adversarial_change_of_a_linear_gate_is_along_its_kernel(rng):
    """Two components and logits w.x: the KL depends on w.r alone, so that the worst r of length eps is eps w / |w|."""
    kernel = rng.normal(size=6).astype("f")

    def log_probs(x):
        logit = tf.linalg.matvec(tf.cast(x, "float32"), kernel)
        return tf.nn.log_softmax(tf.stack([logit, tf.zeros_like(logit)], -1))

    x, noise = rng.normal(size=(2, 20, 6)).astype("f")
    ours = regularization.adversarial(log_probs, x, log_probs(x), 0.5, noise)
    direction = 0.5 * kernel / np.linalg.norm(kernel)
    p = np.exp(log_probs(x))
    both = [scipy.stats.entropy(p, np.exp(log_probs(x + sign * direction)), axis=-1) for sign in (1, -1)]
    error = np.minimum(np.abs(ours - both[0]) / both[0], np.abs(ours - both[1]) / both[1])
    assert error.max() < 1e-3  # along the kernel, one way or the other


def test_the_adversarial_direction_is_sought_at_the_probe(rng):
    lengths = []

    def log_probs(changed):
        lengths.append(np.linalg.norm(changed, axis=-1))
        return tf.nn.log_softmax(changed)

    x, logits, noise = np.zeros((8, 3), "f"), tf.nn.log_softmax(np.ones((8, 3), "f")), rng.normal(size=(8, 3))
    regularization.adversarial(log_probs, x, logits, 0.5, noise.astype("f"), probe=3.0)
    np.testing.assert_allclose(lengths, [np.full(8, 1.5), np.full(8, 0.5)], rtol=1e-5)


def test_the_adversarial_change_beats_random_ones(rng):
    sizes = {"c_encoder_sizes": (16,), "regularization": {"adversarial": 2.0}, "adversarial_radius": 0.05}
    model = DMVAE(6, n_components=3, latent_dim=2, **sizes)
    for weight in model.mixture.c_encoder.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    x = rng.uniform(0, 1, (30, 6)).astype("f")
    found = np.asarray(model(x, training=True)["terms"]["adversarial"])
    p = model.predict_proba(x)
    changes = rng.normal(size=(20, *x.shape))
    changes *= 0.05 / np.linalg.norm(changes, axis=-1, keepdims=True)
    random = [scipy.stats.entropy(p, model.predict_proba(x + change), axis=-1) for change in changes]
    assert (found > 0.9 * np.max(random, 0)).mean() > 0.9


def test_the_adversarial_target_gets_no_gradient_and_a_flat_gate_none_that_is_nan(rng):
    model = DMVAE(6, n_components=3, latent_dim=2, regularization={"adversarial": 1.0})
    for weight in model.mixture.c_encoder.weights:
        weight.assign(tf.zeros_like(weight))  # q(c|x) the same everywhere: no direction is worst
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(rng.uniform(0, 1, (8, 6)).astype("f"), training=True)["terms"]["adversarial"])
    np.testing.assert_allclose(loss, 0, atol=1e-7)
    for gradient in tape.gradient(loss, model.mixture.c_encoder.trainable_variables):
        assert gradient is None or np.isfinite(gradient).all()


def test_part_of_the_batch_gives_the_adversarial_term_of_that_part(rng):
    sizes = {"latent_dim": 2, "c_encoder_sizes": (8,), "regularization": {"adversarial": 1.0}}
    whole, part = (DMVAE(6, n_components=3, adversarial_share=share, **sizes) for share in (1.0, 0.4))
    batch = {"x": rng.uniform(size=(30, 6)).astype("f"), "radius": rng.uniform(size=30).astype("f")}
    ours = np.asarray(part(batch, training=True)["terms"]["adversarial"])
    theirs = whole({name: values[:12] for name, values in batch.items()}, training=True)["terms"]["adversarial"]
    np.testing.assert_allclose(ours[:12], 30 / 12 * theirs, rtol=1e-4)
    np.testing.assert_array_equal(ours[12:], 0)
    with pytest.raises(ValueError, match="adversarial_share must be in"):
        DMVAE(6, n_components=3, adversarial_share=1.5)


def test_rows_may_have_radii_of_their_own(rng):
    x, radii = rng.uniform(0, 1, (8, 6)).astype("f"), np.repeat([0.1, 0.3], 4).astype("f")

    def adversarial(inputs, radius=1.0):
        options = {"regularization": {"adversarial": 1.0}, "adversarial_radius": radius, "seed": 3}
        model = DMVAE(6, n_components=3, latent_dim=2, **options)  # the same weights and noise each time
        return np.asarray(model(inputs, training=True)["terms"]["adversarial"])

    expected = np.concatenate([adversarial(x, 0.1)[:4], adversarial(x, 0.3)[4:]])
    np.testing.assert_allclose(adversarial({"x": x, "radius": radii}), expected, rtol=1e-4)


def test_a_radius_must_be_positive():
    with pytest.raises(ValueError, match="adversarial_radius must be positive"):
        DMVAE(6, n_components=3, adversarial_radius=0.0)
    with pytest.raises(ValueError, match=r"regularization weighs consistency, .*, got 'balanced'"):
        DMVAE(6, n_components=3, regularization={"balanced": 1.0})
