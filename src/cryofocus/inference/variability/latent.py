"""Coordinates of particles in a subspace, and which of its axes are more than noise.

Mathematics: docs/derivations/variability.md; equation numbers refer to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64

from cryofocus.inference.deviations.subspace import Subspace
from cryofocus.inference.factors.moments import Moments, Population, settle_population
from cryofocus.inference.factors.moments import log_evidence as evidence_of

VARIMAX_CYCLES, VARIMAX_TOLERANCE = 100, 1e-6
# Axes are real when their gain on particles that they were not found from is this many standard
# errors above zero, and more than their free numbers could gain in noise.
SURE = 3.0


@dataclass(frozen=True, eq=False)
class Latent:
    """Posterior of every particle's coordinates, whose prior is standard normal.

    Attributes:
        mean: `(particle, q)`.
        variance: `(particle, q)` of each coordinate on its own.
    """

    mean: Float64[np.ndarray, "particle q"]
    variance: Float64[np.ndarray, "particle q"]


def locate_particles(subspace: Subspace) -> Latent:
    """Return the posterior of the coordinates: mean `S b`, covariance `S = (1 + A)^-1` (eq. 1)."""
    covariance = np.linalg.inv(np.eye(subspace.linear.shape[1]) + subspace.quadratic)
    mean = np.einsum("nij,nj->ni", covariance, subspace.linear)
    return Latent(mean, np.diagonal(covariance, axis1=1, axis2=2).copy())


def voxel_variance(
    deviations: Float32[np.ndarray, "q d d d"],
) -> Float32[np.ndarray, "d d d"]:
    """Variance of the density over the particles in every voxel (eq. 2).

    Coordinates have unit variance, that of their posteriors included, so that neither the noise
    of the coordinates nor their shrinkage is in the result.
    """
    return np.asarray((deviations**2).sum(axis=0), np.float32)


def nested_evidence(moments: Moments) -> Float64[np.ndarray, "axes particle"]:
    """Return each image's log evidence with none, the first, the first two, ... axes (eq. 3).

    Coordinates along an axis may vary as much as they do in these particles: axes that others
    were fitted to hold noise, and along them these vary less. Where all of them lie off the
    consensus is no variation, and taken off.
    """
    n, n_axes = moments.linear.shape
    start = Population(np.zeros(n_axes), np.eye(n_axes))
    offset = settle_population(moments, start).mean
    centred = moments.linear - moments.quadratic @ offset
    spread, evidence = np.zeros((0, 0)), [np.zeros(n)]
    for k in range(1, n_axes + 1):
        own = Moments(centred[:, :k], moments.quadratic[:, :k, :k])
        first = np.eye(k)
        first[:-1, :-1] = spread
        population = settle_population(own, Population(np.zeros(k), first), keep_mean=True)
        spread = population.covariance
        evidence.append(evidence_of(own, population))
    return np.stack(evidence)


def log_evidence(
    linear: Float64[np.ndarray, "particle q"], quadratic: Float64[np.ndarray, "particle q q"]
) -> Float64[np.ndarray, " particle"]:
    """Log-likelihood over all coordinates, standard normal, relative to the consensus (eq. 3)."""
    total = np.eye(linear.shape[1]) + quadratic
    means = np.linalg.solve(total, linear[..., None])[..., 0]
    return np.asarray(0.5 * ((linear * means).sum(axis=1) - np.linalg.slogdet(total)[1]))


def count_real_axes(halves: Sequence[Moments]) -> int:
    """Count the axes, from the first, that explain particles they were not found from.

    Variation that no single axis shows well counts as soon as several do together.

    Args:
        halves: What the particles of each half set say of the axes found in the other.
    """
    nested = [nested_evidence(half) for half in halves]
    n_real = 0
    for k in range(1, len(nested[0])):
        gains = [evidence[k] - evidence[n_real] for evidence in nested]
        gain = np.mean([one.sum() for one in gains])
        error = np.mean([one.std() * np.sqrt(len(one)) for one in gains])
        # Of each axis a variance, and a covariance with each one before it (Akaike 1974).
        n_free = sum(range(n_real + 1, k + 1))
        if gain > max(SURE * error, n_free):
            n_real = k
    return n_real


def strongest_first(subspace: Subspace) -> Subspace:
    """Return the subspace with its axes by falling information."""
    return _rebase(subspace, np.eye(len(subspace.information))[::-1])


def localise(subspace: Subspace, n_axes: int) -> Subspace:
    """Rotate the first axes among each other so that each acts on as few voxels as possible.

    Parts that move independently and with equal strength share their principal axes in any
    combination; varimax (Kaiser 1958) gives each part an axis of its own. Coordinates keep unit
    covariance. The axis that changes most density comes first.

    Args:
        subspace: Axes by falling information.
        n_axes: How many of them take part; the others stay.
    """
    if n_axes < 1:
        return subspace
    flat = subspace.deviations[:n_axes].reshape(n_axes, -1).T.astype(np.float64)
    rotation = _varimax(flat)
    power = ((flat @ rotation) ** 2).sum(axis=0)
    basis = np.eye(len(subspace.information))
    basis[:n_axes, :n_axes] = rotation[:, np.argsort(-power)]
    return _rebase(subspace, basis)


def _varimax(loadings: Float64[np.ndarray, "voxel q"]) -> Float64[np.ndarray, "q q"]:
    """Orthogonal rotation that maximises the variance of squared loadings."""
    rotation, before = np.eye(loadings.shape[1]), 0.0
    for _ in range(VARIMAX_CYCLES):
        rotated = loadings @ rotation
        gradient = loadings.T @ (rotated**3 - rotated * (rotated**2).mean(axis=0))
        left, values, right = np.linalg.svd(gradient)
        rotation = left @ right
        if values.sum() <= before * (1 + VARIMAX_TOLERANCE):
            break
        before = float(values.sum())
    return rotation


def _rebase(subspace: Subspace, basis: Float64[np.ndarray, "q q"]) -> Subspace:
    """Express a subspace in an orthonormal basis, one axis a column."""
    quadratic = np.einsum("ja,njk,kb->nab", basis, subspace.quadratic, basis, optimize=True)
    return replace(
        subspace,
        deviations=np.einsum("jk,jzyx->kzyx", basis.astype(np.float32), subspace.deviations),
        linear=subspace.linear @ basis,
        quadratic=quadratic,
        information=np.diagonal(quadratic.mean(axis=0)).copy(),
    )
