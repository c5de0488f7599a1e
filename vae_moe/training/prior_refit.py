"""The prior fitted once more, when the bound is trained: what is generated is drawn from it."""

import numpy as np


def refit_prior(model, x: np.ndarray, sample_weight: np.ndarray | None = None) -> None:
    """Fit p(z|c), and p(c) where it is learned, to q(z|x) q(c|x): the M step of EM on the bound.

    Gradients bring z to the components more slowly than they find the classes: a component's rows are then elsewhere in
    z than its Gaussian, and samples of this are of no class. Each component has L more rows as it was, so that one of
    few rows, or none, does not run off.

    Args:
        model: trained, with a latent mixture; only its prior changes.
        x: [N, D].
        sample_weight: [N], of each row.
    """
    prior = model.mixture.prior
    z_mean, z_log_var, c_log_probs = (array.astype(np.float64) for array in model.posterior(x))
    resp = np.exp(c_log_probs) if sample_weight is None else np.exp(c_log_probs) * sample_weight[:, np.newaxis]
    means, covariances = np.asarray(prior.means, np.float64), prior.covariances()  # [K, L], [K, L, L]
    more = prior.latent_dim
    counts = resp.sum(0) + more  # [K]
    new_means = (resp.T @ z_mean + more * means) / counts[:, np.newaxis]
    pairs = zip(resp.T, new_means, strict=True)
    scatters = np.stack([(z_mean - mean).T * weights @ (z_mean - mean) for weights, mean in pairs])  # [K, L, L]
    moved = means - new_means
    scatters += more * (covariances + moved[..., np.newaxis] * moved[:, np.newaxis])
    scatters[:, range(more), range(more)] += resp.T @ np.exp(z_log_var)
    covariances = scatters / counts[:, np.newaxis, np.newaxis]
    if prior.covariance == "diag":
        covariances = np.diagonal(covariances, axis1=1, axis2=2)
    prior.assign(resp.sum(0) / resp.sum(), new_means, covariances)
