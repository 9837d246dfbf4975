"""Noise of images, shell by shell and optics group by optics group, fitted to their power.

Noise has a part added by the camera and a part that passed the CTF: each independent Fourier
coefficient of shell q and optics group g has variance `additive[g, q] + C^2 transmitted[g, q]`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int

from cryofocus.consensus.band import Band
from cryofocus.placement import Array, beside, namespace

# Shells of so few coefficients are mixed with as many of the spectrum that all groups share.
FEW_COEFFICIENTS = 32
# A group whose power in a shell is below this part of the others' holds no data there: its
# variance is taken for so many times the largest.
LEAST_POWER, NO_WEIGHT = 1e-2, 1e9


@dataclass(frozen=True)
class NoiseModel:
    """Noise spectra per optics group, variances per coefficient of the unnormalised transform.

    Attributes:
        additive: `(group, n_shells)` float64, non-negative.
        transmitted: `(group, n_shells)` float64, non-negative.
    """

    additive: Float64[np.ndarray, "group n_shells"]
    transmitted: Float64[np.ndarray, "group n_shells"]

    def __post_init__(self) -> None:
        """Check that every variance is positive and finite."""
        total = self.additive + self.transmitted
        if not (np.isfinite(total).all() and (self.additive > 0).all()):
            message = "noise spectra hold values that are not positive and finite"
            raise ValueError(message)

    def precision(
        self,
        band: Band,
        groups: Int[np.ndarray, " n"],
        ctf: Float32[Array, "n point"],
    ) -> Float32[Array, "n point"]:
        """Return the inverse noise variance of every coefficient of the band."""
        present, row = np.unique(groups, return_inverse=True)
        xp, of_particle = namespace(ctf), beside(row, ctf)
        additive, transmitted = (
            beside(spectra[present].astype(np.float32)[:, band.shells], ctf)
            for spectra in (self.additive, self.transmitted)
        )
        variance = xp.take(transmitted, of_particle, axis=0)
        variance *= ctf
        variance *= ctf
        variance += xp.take(additive, of_particle, axis=0)
        return 1 / variance


@dataclass(frozen=True)
class PowerSums:
    """Per-group shell sums from which a noise model is fitted; adding two adds their particles.

    Attributes:
        moments: `(group, 6, n_shells)`: sums over coefficients of 1, C^2, C^4, |E|^2, C^2 |E|^2
            and |Y|^2, with Y the image and E what is left of it.
    """

    moments: Float64[np.ndarray, "group 6 n_shells"]

    def __add__(self, other: PowerSums) -> PowerSums:
        """Add the particles of another sum."""
        return PowerSums(self.moments + other.moments)


def flat_noise(sums: PowerSums) -> NoiseModel:
    """Return the noise model that calls the whole mean power additive noise."""
    moments, is_empty = _steadied(sums.moments)
    additive = _without_empty(moments[:, 3] / np.maximum(moments[:, 0], 1.0), is_empty)
    return NoiseModel(additive, np.zeros_like(additive))


def fit_noise(sums: PowerSums) -> NoiseModel:
    """Fit |E|^2 = b + C^2 a in every shell by least squares with a, b >= 0.

    A shell whose CTF hardly varies over its coefficients cannot tell a from b; its power then
    goes to b. The additive part keeps at least a thousandth of the power, so that no coefficient
    becomes infinitely precise.
    """
    moments, is_empty = _steadied(sums.moments)
    ones, squares, fourths, power, cross, _ = np.moveaxis(moments, 1, 0)
    counts = np.maximum(ones, 1.0)
    mean_square, mean_power = squares / counts, power / counts
    contrast = fourths / counts - mean_square**2
    covariance = cross / counts - mean_square * mean_power
    is_determined = contrast > 1e-3 * np.maximum(mean_square, 1e-12) ** 2
    slope = np.where(is_determined, covariance / np.where(is_determined, contrast, 1.0), 0.0)
    ceiling = 0.999 * mean_power / np.maximum(mean_square, 1e-12)
    transmitted = np.clip(slope, 0.0, ceiling)
    additive = _without_empty(mean_power - transmitted * mean_square, is_empty)
    return NoiseModel(additive, np.where(is_empty, 0.0, transmitted))


def _steadied(
    moments: Float64[np.ndarray, "group 6 n_shells"],
) -> tuple[Float64[np.ndarray, "group 6 n_shells"], Bool[np.ndarray, "group n_shells"]]:
    """Add coefficients as all groups have them where a group has few.

    A few coefficients have no variance of their own: one of them that happens to be near zero
    would outweigh all other groups. A shell of which a group holds nothing gets the others'.

    Returns:
        The moments, and in which shells a group's images are next to nothing beside the others':
            images that were filtered or interpolated hold no data there, whatever their grid.
    """
    is_empty = np.zeros((len(moments), moments.shape[2]), bool)
    if len(moments) == 1:
        return moments, is_empty
    counts, (level, shared) = moments[:, 0], _shared_spectrum(moments, 3)
    added = np.where(np.arange(6)[:, None] < 3, shared, level[:, None, None] * shared)
    loudness, usual = _shared_spectrum(moments, 5)
    least = LEAST_POWER * loudness[:, None] * usual[5]
    is_empty = (counts > 0) & (moments[:, 5] < least * counts)
    is_empty[:, 0] = False  # normalised images have no mean
    few = FEW_COEFFICIENTS * (counts < FEW_COEFFICIENTS)
    return moments + few[:, None, :] * added, is_empty


def _shared_spectrum(
    moments: Float64[np.ndarray, "group 6 n_shells"], row: int
) -> tuple[Float64[np.ndarray, " group"], Float64[np.ndarray, "6 n_shells"]]:
    """Return how loud each group is by one of the powers, and means of all groups, equally loud.

    A group is compared with the others in the shells it holds.
    """
    counts, power, tiny = moments[:, 0], moments[:, row], np.finfo(np.float64).tiny
    level = np.ones(len(moments))
    for _ in range(2):
        common = (power / level[:, None]).sum(axis=0) / np.maximum(counts.sum(axis=0), tiny)
        expected, found = (counts * common).sum(axis=1), power.sum(axis=1)
        is_seen = (expected > 0) & (found > 0)
        level = np.where(is_seen, found / np.where(is_seen, expected, 1.0), 1.0)
    equal = moments.copy()
    equal[:, 3:] /= level[:, None, None]
    return level, equal.sum(axis=0) / np.maximum(counts.sum(axis=0), 1.0)


def _without_empty(
    variance: Float64[np.ndarray, "group n_shells"], is_empty: Bool[np.ndarray, "group n_shells"]
) -> Float64[np.ndarray, "group n_shells"]:
    """Return variances of which none is zero, and that give no weight to empty shells."""
    largest = max(float(variance.max(initial=0.0)), float(np.finfo(np.float32).tiny))
    floor = np.where(variance > 0, variance, largest)
    return np.where(is_empty, NO_WEIGHT * largest, np.maximum(floor, np.finfo(np.float32).tiny))
