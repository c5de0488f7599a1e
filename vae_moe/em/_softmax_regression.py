"""Weighted multinomial logistic regression on soft targets: the inner loop of the double loop of Jordan & Jacobs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

# Up to this many parameters a Newton step costs less than the L-BFGS steps it replaces.
NEWTON_MAX_PARAMETERS = 512
# The loss is per sample and the coordinates are standardised: a gradient of this size is rounding.
GRADIENT_TOLERANCE = 1e-10
# The softmax does not change when one vector is added to all classes, so its Hessian has null directions, which the
# gradient has not: this addition to a diagonal of at most 1 makes it definite and leaves the step as it is.
HESSIAN_DAMPING = 1e-10
ARMIJO_SLOPE = 1e-4
# A Newton step that must be cut below this is lost in rounding: the optimum is reached.
SMALLEST_STEP = 2.0**-20


def fit_softmax(
    X: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    *,
    kernel: np.ndarray,
    bias: np.ndarray,
    alpha: float,
    max_iter: int,
    center: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a kernel [D, C] and a bias [C] of no lower penalised likelihood than the given ones.

    Climbs sum_n weights_n sum_c targets_nc log softmax(x_n kernel + bias)_c - alpha/2 |kernel - center|^2 from
    the given point, by safeguarded Newton steps (the iteratively reweighted least squares of Jordan & Jacobs 1994) or,
    beyond NEWTON_MAX_PARAMETERS, by L-BFGS steps. Holds one float64 copy of X.

    Parameters
    ----------
    X : array [N, D]
    targets : array [N, C]
        Each row a distribution.
    weights : array [N]
    kernel, bias : array [D, C], array [C]
        Where to start.
    alpha : float
        Of the ridge penalty; the bias has none.
    max_iter : int
        Steps at most.
    center : array [D, C], optional
        What the ridge shrinks the kernel towards; 0 if not given.
    """
    total = weights.sum()
    if total == 0:
        return kernel, bias
    weights, alpha = weights / total, alpha / total
    inputs = np.ones((X.shape[0], X.shape[1] + 1))  # [N, D + 1], standardised as preconditioner, and 1 for the bias
    inputs[:, :-1] = X
    mean = weights @ inputs[:, :-1]  # [D]
    inputs[:, :-1] -= mean
    scale = np.sqrt(np.einsum("n,nd,nd->d", weights, inputs[:, :-1], inputs[:, :-1]) + alpha)  # [D]
    scale[scale == 0] = 1.0  # a constant column without penalty
    inputs[:, :-1] /= scale

    shrunk_to = np.zeros((len(scale) + 1, kernel.shape[1]))  # [D + 1, C]
    if center is not None:
        shrunk_to[:-1] = center * scale[:, None]
    objective = _Objective(inputs, targets, weights, np.append(alpha / scale**2, 0.0), shrunk_to)
    start = np.vstack([kernel * scale[:, None], bias + mean @ kernel]).ravel()  # [(D + 1) C]
    climb = _newton if start.size <= NEWTON_MAX_PARAMETERS else _lbfgs
    end = climb(objective, start, max_iter)
    if objective.loss(end)[0] >= objective.loss(start)[0]:
        return kernel, bias
    matrix = end.reshape(len(scale) + 1, -1)  # [D + 1, C]
    kernel = matrix[:-1] / scale[:, None]
    return kernel, matrix[-1] - mean @ kernel


@dataclass(frozen=True)
class _Objective:
    """The penalised negative log-likelihood of softmax(inputs theta)."""

    inputs: np.ndarray  # [N, P]
    targets: np.ndarray  # [N, C]
    weights: np.ndarray  # [N], they sum to 1
    ridge: np.ndarray  # [P]
    center: np.ndarray  # [P, C]

    def loss(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss and its gradient [P C] at theta [P C]."""
        matrix = theta.reshape(len(self.ridge), -1)  # [P, C]
        log_prob = log_softmax(self.inputs @ matrix, axis=1)  # [N, C]
        fit = np.einsum("n,nc,nc->", self.weights, self.targets, log_prob)
        slope = self.inputs.T @ (self.weights[:, None] * (np.exp(log_prob) - self.targets))  # [P, C]
        distance = matrix - self.center
        ridge = self.ridge[:, None] * distance
        return float(0.5 * (ridge * distance).sum() - fit), (slope + ridge).ravel()

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Return the Hessian [P C, P C] at theta [P C]."""
        n_inputs = len(self.ridge)
        prob = softmax(self.inputs @ theta.reshape(n_inputs, -1), axis=1)  # [N, C]
        hessian = np.zeros((n_inputs, prob.shape[1], n_inputs, prob.shape[1]))
        for c in range(prob.shape[1]):
            for d in range(c, prob.shape[1]):
                curvature = self.weights * prob[:, c] * ((c == d) - prob[:, d])  # [N]
                hessian[:, c, :, d] = hessian[:, d, :, c] = self.inputs.T @ (curvature[:, None] * self.inputs)
            hessian[:, c, :, c] += np.diag(self.ridge)
        return hessian.reshape(theta.size, theta.size)


def _newton(objective: _Objective, theta: np.ndarray, max_iter: int) -> np.ndarray:
    loss, slope = objective.loss(theta)
    for _ in range(max_iter):
        if np.abs(slope).max() <= GRADIENT_TOLERANCE:
            break
        hessian = objective.hessian(theta)
        hessian[np.diag_indices_from(hessian)] += HESSIAN_DAMPING
        direction = -cho_solve(cho_factor(hessian), slope)
        size, decrease = 1.0, ARMIJO_SLOPE * (slope @ direction)
        while (trial := objective.loss(theta + size * direction))[0] > loss + size * decrease:
            size /= 2
            if size < SMALLEST_STEP:
                return theta
        theta, (loss, slope) = theta + size * direction, trial
    return theta


def _lbfgs(objective: _Objective, theta: np.ndarray, max_iter: int) -> np.ndarray:
    options = {"maxiter": max_iter, "gtol": GRADIENT_TOLERANCE, "ftol": 0.0}
    return minimize(objective.loss, theta, jac=True, method="L-BFGS-B", options=options).x
