"""Coordinates in which experts shrink to one map: standardised columns, in the directions that the rows have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr
from sklearn.preprocessing import StandardScaler


@dataclass(frozen=True)
class Coordinates:
    """Coordinates u of inputs x: (x - mean) / scale, and where columns are more than rows, along ``basis`` alone.

    A ridge is the same in any orthonormal basis, and where no row has a part in a direction, the best kernel has there
    what it shrinks to. So a fit in the rows' directions is the fit in all columns, at N^3 operations in place of F^3
    (Hastie & Tibshirani 2004, Efficient quadratic regularization for expression arrays).

    Attributes:
        mean: of the columns, [F].
        scale: their standard deviations, [F]; 1 of constant ones.
        basis: orthonormal directions, [F, R], among which those of the rows are; None stands for all.
    """

    mean: np.ndarray
    scale: np.ndarray
    basis: np.ndarray | None = None

    @classmethod
    def of(cls, inputs: np.ndarray, sample_weight: np.ndarray | None = None) -> Coordinates:
        """Those of the rows of inputs [N, F], which have the weights [N]."""
        scaler = StandardScaler().fit(inputs, sample_weight=sample_weight)
        columns = cls(scaler.mean_, scaler.scale_)
        if len(inputs) >= inputs.shape[1]:
            return columns
        basis, _ = qr(columns.inputs(inputs).T, mode="economic", check_finite=False)
        return cls(columns.mean, columns.scale, basis)

    def inputs(self, inputs: np.ndarray) -> np.ndarray:
        """u [N, R] of x [N, F]."""
        standardised = (inputs - self.mean) / self.scale
        return standardised if self.basis is None else standardised @ self.basis

    def kernels(self, kernels: np.ndarray) -> np.ndarray:
        """Kernels of maps of u, [..., R, O], from those of maps of x, [..., F, O]."""
        scaled = kernels * self.scale[:, np.newaxis]
        return scaled if self.basis is None else self.basis.T @ scaled

    def kernels_of_x(self, kernels: np.ndarray, center: np.ndarray) -> np.ndarray:
        """Kernels of maps of x, [..., F, O], from those of maps of u, which shrink to those of ``center`` [F, O]."""
        if self.basis is not None:
            kernels = center * self.scale[:, np.newaxis] + self.basis @ (kernels - self.kernels(center))
        return kernels / self.scale[:, np.newaxis]
