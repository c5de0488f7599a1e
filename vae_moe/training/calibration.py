"""How sure q(c|x) is: training sharpens it, and the bound tells by how much too far."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

#: Rows that a temperature is fitted to, at most.
MOST_ROWS = 10_000
#: Temperatures, from q(c|x) as it is to all but even.
TEMPERATURES = 1.0, 20.0


def temperature(model, x: np.ndarray) -> float:
    """Return the temperature T of q(c|x), at least 1, at which the evidence lower bound is greatest.

    The terms that hold q(c|x) together make it sharper than the bound asks for. For any q(z|x) the bound is greatest at
    q*(c|x), proportional to p(c) exp(-KL(q(z|x) || p(z|c))), and falls by KL(q(c|x) || q*(c|x)) elsewhere. q(c|x) to
    the power of 1/T, normalised, names the same components; no labels are needed (Guo et al. 2017 fit T to them).

    Args:
        model: a VaDE or DMVAE.
        x: [N, D], of which ``MOST_ROWS`` at most, evenly spaced, are looked at.
    """
    x = x[:: -(-len(x) // MOST_ROWS)]  # rows may be in an order
    z_mean, z_log_var, _ = model.posterior(x)
    divergences = np.asarray(model.mixture.prior.kl(z_mean, z_log_var), np.float64)  # [N, K]
    best = log_softmax(np.asarray(model.mixture.prior.log_weights(), np.float64) - divergences, -1)
    log_q = model.c_log_proba(x)

    def lost(log_temperature: float) -> float:
        tempered = log_softmax(log_q / np.exp(log_temperature), -1)
        return float(np.mean(np.sum(np.exp(tempered) * (tempered - best), -1)))

    return float(np.exp(minimize_scalar(lost, bounds=np.log(TEMPERATURES), method="bounded").x))
