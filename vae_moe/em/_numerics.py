"""Row blocks and responsibility-weighted moments: what the gates and the experts share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular
from scipy.linalg.blas import dtrmm
from scipy.linalg.lapack import dpotri

# Elements of the widest array of one row block: 32 MiB of float64, small beside the data and large enough for BLAS.
BLOCK_ELEMENTS = 2**22
# A component that holds less than this part of one sample keeps its parameters: its moments would be rounding noise,
# and to keep parameters never lowers the objective of an M step.
MIN_COUNT = 1e-8
# Responsibilities below this part of their component's count are left out of its sums: those of 10^6 samples together
# stay below the rounding of the sum. In high dimensions these are most of them. Sums of them alone, of a feature that
# is 0 in all other samples, would have denormal products, at which many processors are slow.
NEGLIGIBLE = 1e-22


def unfitted() -> np.ndarray:
    """Return what stands for a parameter before the first fit: an array without elements."""
    return np.empty(0)


def row_blocks(X: np.ndarray, row_width: int = 1) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (rows, X[rows] as float64) for row blocks whose widest array has `row_width` columns."""
    step = max(1, BLOCK_ELEMENTS // max(row_width, X.shape[1], 1))
    for start in range(0, X.shape[0], step):
        rows = slice(start, start + step)
        yield rows, np.asarray(X[rows], dtype=np.float64)  # [n, D]


def cholesky_factor(matrix: np.ndarray, what: str, cure: str) -> np.ndarray:
    """Return the lower Cholesky factor of a symmetric matrix [D, D].

    Raises
    ------
    ValueError
        If the matrix is not numerically positive definite; the message names `what` it is and the `cure`.
    """
    try:
        return cholesky(matrix, lower=True, check_finite=False)  # [D, D]
    except LinAlgError as error:
        smallest = np.linalg.eigvalsh(matrix)[0] if np.isfinite(matrix).all() else np.nan
        raise ValueError(
            f"{what} is not positive definite (received a smallest eigenvalue of {smallest:.3g}): {cure}."
        ) from error


def inverse_root(matrix: np.ndarray, what: str, cure: str) -> np.ndarray:
    """Return the upper triangle U of the inverse U U^T of a symmetric matrix [D, D]; errors as `cholesky_factor`."""
    factor = cholesky_factor(matrix, what, cure)
    return solve_triangular(factor, np.eye(len(factor)), lower=True, check_finite=False).T


def inverse_and_log_det(matrix: np.ndarray, what: str, cure: str) -> tuple[np.ndarray, float]:
    """Return the inverse of a symmetric matrix [D, D], and the log of its determinant; errors as `cholesky_factor`."""
    factor = cholesky_factor(matrix, what, cure)
    lower = np.tril(dpotri(factor, lower=True)[0])
    return lower + np.tril(lower, -1).T, 2 * float(np.log(factor.diagonal()).sum())


def times_triangle(rows: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """Return the rows [n, D] times an upper triangle [D, D]; the rows may be overwritten.

    It takes half the time of a whole product, and of OpenBLAS's solution of a triangular system.
    """
    return dtrmm(1.0, triangle.T, rows.T, lower=True, overwrite_b=True).T


@dataclass(frozen=True)
class Moments:
    """Responsibility-weighted moments, the second ones about each component's own mean and not divided by counts."""

    counts: np.ndarray  # [K]
    x_means: np.ndarray  # [K, D]
    y_means: np.ndarray  # [K, O]
    x_scatter: np.ndarray  # [K, D, D]
    xy_scatter: np.ndarray  # [K, D, O]


def held_samples(resp: np.ndarray) -> np.ndarray:
    """Return which responsibilities [N, K] are not negligible in their component's sums, as booleans [N, K]."""
    return resp > NEGLIGIBLE * resp.sum(axis=0)


def weighted_means(X: np.ndarray, resp: np.ndarray) -> np.ndarray:
    """Return the mean of X [N, D] under each column of resp [N, K]; zeros where a column holds less than MIN_COUNT."""
    sums = np.zeros((resp.shape[1], X.shape[1]))  # [K, D]
    held = np.where(held_samples(resp), resp, 0.0)  # [N, K]
    for rows, block in row_blocks(X):
        sums += held[rows].T @ block
    counts = resp.sum(axis=0)[:, None]  # [K, 1]
    return np.where(counts < MIN_COUNT, 0.0, sums / np.maximum(counts, MIN_COUNT))


def diagonal_scatter(X: np.ndarray, resp: np.ndarray) -> np.ndarray:
    """Return the weighted sums of squares of X [N, D] about each component's mean, as [K, D]."""
    means = weighted_means(X, resp)  # [K, D]
    scatter = np.zeros_like(means)
    for rows, block in row_blocks(X):
        for k, mean in enumerate(means):
            scatter[k] += resp[rows, k] @ np.square(block - mean)
    return scatter


def weighted_moments(X: np.ndarray, Y: np.ndarray, resp: np.ndarray) -> Moments:
    """Return the moments of X [N, D] and Y [N, O] under resp [N, K]; give Y no columns where only X matters."""
    x_means, y_means = weighted_means(X, resp), weighted_means(Y, resp)  # [K, D], [K, O]
    n_experts, n_features = x_means.shape
    x_scatter = np.zeros((n_experts, n_features, n_features))
    xy_scatter = np.zeros((n_experts, n_features, Y.shape[1]))
    held_by = held_samples(resp)  # [N, K]
    for rows, block in row_blocks(X):
        for k in range(n_experts):
            held = held_by[rows, k]  # [n]
            root = np.sqrt(resp[rows, k][held, None])
            x_centred = block[held]  # [n, D], a copy
            x_centred -= x_means[k]
            x_centred *= root
            x_scatter[k] += x_centred.T @ x_centred
            xy_scatter[k] += x_centred.T @ ((Y[rows][held] - y_means[k]) * root)
    return Moments(resp.sum(axis=0), x_means, y_means, x_scatter, xy_scatter)
