"""The consistency terms against scipy's entropies, and mutual information at its limits."""

import numpy as np
import scipy.stats

from vae_moe import DMVAE
from vae_moe.layers import consistency


def test_terms_are_scipys_entropies(rng):
    p, q = rng.dirichlet(np.ones(5), (2, 30))
    np.testing.assert_allclose(
        consistency.consistency(np.log(p), np.log(q)),
        scipy.stats.entropy(p, axis=-1) + scipy.stats.entropy(p, q, axis=-1),
    )
    np.testing.assert_allclose(np.mean(consistency.balance(np.log(p))), -scipy.stats.entropy(p.mean(0)))


def test_balance_is_least_where_every_component_is_used():
    used = np.log(np.eye(4) * (1 - 4e-9) + 1e-9)
    np.testing.assert_allclose(np.mean(consistency.balance(used)), -np.log(4), rtol=1e-6)
    np.testing.assert_allclose(np.mean(consistency.balance(used[[0, 0, 0]])), 0, atol=1e-6)


def test_the_model_adds_them_with_their_weights(rng):
    model = DMVAE(6, n_components=3, latent_dim=2, consistency_weight=2.0, balance_weight=3.0)
    x, view = rng.uniform(0, 1, (2, 8, 6)).astype("f")
    outputs = model({"x": x, "view": view})
    terms = {name: np.mean(term) for name, term in outputs["terms"].items()}
    logits = outputs["c_logits"]
    np.testing.assert_allclose(
        terms["consistency"], np.mean(consistency.consistency(logits, model.mixture.infer(view)["c_logits"])), rtol=1e-5
    )
    bound = terms["recon"] + terms["kl_z"] + terms["kl_c"]
    expected = bound + 2 * terms["consistency"] + 3 * terms["balance"]
    np.testing.assert_allclose(model.compute_loss(y_pred=outputs, training=True), expected, rtol=1e-5)
    np.testing.assert_allclose(model.compute_loss(y_pred=outputs, training=False), bound, rtol=1e-5)
