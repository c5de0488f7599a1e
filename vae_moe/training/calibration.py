"""How sure q(c|x) is: training sharpens it, and rows of few columns, or the bound, tell by how much too far."""

import warnings

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning

from vae_moe.training.graphs import FEW_COLUMNS
from vae_moe.training.initialization import COVARIANCES, fit_mixture

#: Rows that a temperature is fitted to, at most.
MOST_ROWS = 10_000
#: Temperatures, from q(c|x) as it is to all but even.
TEMPERATURES = 1.0, 20.0


def temperature(model, x: np.ndarray, filled: np.ndarray | None = None) -> float:
    """Return the temperature T of q(c|x), at least 1, at which it is as sure as it ought to be.

    q(c|x) to the power of 1/T, normalised, names the same components. Guo et al. (2017) fit T to classes; no labels are
    needed here. Where x has few columns (``FEW_COLUMNS``), q(c|x) is made as sure of its components, on average, as
    :func:`posterior_of_gaussians` is of the same ones; elsewhere it is brought nearest to
    :func:`posterior_of_the_bound`.

    Args:
        model: a VaDE or DMVAE.
        x: [N, D], of which ``MOST_ROWS`` at most, evenly spaced, are looked at.
        filled: x with its gaps filled; None: it has none.
    """
    filled = x if filled is None else filled
    x, filled = (rows[:: -(-len(rows) // MOST_ROWS)] for rows in (x, filled))  # rows may be in an order
    log_q = model.c_log_proba(x).astype(np.float64)
    if x.shape[1] <= FEW_COLUMNS:
        return as_sure_as(log_q, posterior_of_gaussians(filled, np.exp(log_q)))
    return nearest_to(log_q, posterior_of_the_bound(model, x))


def as_sure_as(log_q: np.ndarray, reference: np.ndarray) -> float:
    """Return the temperature at which the greatest q's are on average the reference's probability of the same ones.

    Were the reference true, this would be the share of rows that are named rightly.

    Args:
        log_q: log q(c|x), [N, K].
        reference: the log of another p(c|x), [N, K].
    """
    wanted = np.exp(np.take_along_axis(reference, log_q.argmax(-1, keepdims=True), -1)).mean()

    def too_sure(log_temperature: float) -> float:
        return float(softmax(log_q / np.exp(log_temperature), -1).max(-1).mean() - wanted)

    low, high = np.log(TEMPERATURES)
    if too_sure(low) <= 0 or too_sure(high) >= 0:
        return TEMPERATURES[int(too_sure(low) > 0)]
    return float(np.exp(brentq(too_sure, low, high)))


def nearest_to(log_q: np.ndarray, reference: np.ndarray) -> float:
    """Return the temperature of the least mean KL(q || reference); arguments as in :func:`as_sure_as`."""

    def lost(log_temperature: float) -> float:
        tempered = log_softmax(log_q / np.exp(log_temperature), -1)
        return float(np.mean(np.sum(np.exp(tempered) * (tempered - reference), -1)))

    return float(np.exp(minimize_scalar(lost, bounds=np.log(TEMPERATURES), method="bounded").x))


def posterior_of_the_bound(model, x: np.ndarray) -> np.ndarray:
    """Return the log of the q(c|x) at which the evidence lower bound is greatest, for the model's q(z|x), as [N, K].

    It is proportional to p(c) exp(-KL(q(z|x) || p(z|c))); the bound falls by KL(q(c|x) || it) elsewhere.
    """
    z_mean, z_log_var, _ = model.posterior(x)
    divergences = np.asarray(model.mixture.prior.kl(z_mean, z_log_var), np.float64)  # [N, K]
    return log_softmax(np.asarray(model.mixture.prior.log_weights(), np.float64) - divergences, -1)


def posterior_of_gaussians(x: np.ndarray, resp: np.ndarray) -> np.ndarray:
    """Return log p(c|x) of a Gaussian mixture of x that EM finds from the clusters on, as [N, K].

    Where clusters overlap in x, its densities say how much; those in z do not, which the terms pull apart. Of the
    ``COVARIANCES`` it has those of the least BIC.

    Args:
        x: [N, D].
        resp: responsibilities [N, K] that EM begins with.
    """
    x = x.astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixtures = [fit_mixture(x, resp.shape[1], covariance_type=shape, begin=resp) for shape in COVARIANCES]
    best = min(mixtures, key=lambda mixture: mixture.bic(x))
    return np.log(np.maximum(best.predict_proba(x), np.finfo(float).tiny))
