"""Which regions vary together when all others are held fixed."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

Matrix = Float64[np.ndarray, "region region"]

# Eigenvalues of a correlation matrix below this share of the largest are an estimate's error.
SMALLEST_EIGENVALUE = 1e-3


def partial_correlations(covariance: Matrix, varies: Bool[np.ndarray, " region"]) -> Matrix:
    """Return the correlation of each pair of regions given all others that vary.

    From the inverse P of the correlations, `-P_rs / sqrt(P_rr P_ss)` (Whittaker 1990).

    Args:
        covariance: Of the contents, noise taken off.
        varies: Which regions vary; pairs of others are NaN.

    Returns:
        1 on the diagonal.
    """
    found = np.full(covariance.shape, np.nan)
    np.fill_diagonal(found, 1.0)
    rows = np.flatnonzero(varies)
    if len(rows) < 2:
        return found
    own = covariance[np.ix_(rows, rows)]
    deviation = np.sqrt(np.maximum(np.diag(own), np.finfo(float).tiny))
    values, basis = np.linalg.eigh(own / np.outer(deviation, deviation))
    # An estimate of a nearly singular matrix need not be positive.
    values = np.maximum(values, SMALLEST_EIGENVALUE * values.max())
    inverse = (basis / values) @ basis.T
    scale = np.sqrt(np.diag(inverse))
    partial = -inverse / np.outer(scale, scale)
    np.fill_diagonal(partial, 1.0)
    found[np.ix_(rows, rows)] = partial
    return found
