"""The noise of an image: a part added by the camera and a part that passed the CTF.

Each independent Fourier coefficient of shell q and optics group g has variance
`additive[g, q] + C^2 transmitted[g, q]`, with C the particle's CTF.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int

from cryofocus.consensus.band import Band
from cryofocus.placement import Array, beside, namespace


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
        xp, of_particle = namespace(ctf), beside(groups, ctf)
        additive = beside(self.additive[:, band.shells].astype(np.float32), ctf)
        transmitted = beside(self.transmitted[:, band.shells].astype(np.float32), ctf)
        variance = xp.take(transmitted, of_particle, axis=0)
        variance *= ctf
        variance *= ctf
        variance += xp.take(additive, of_particle, axis=0)
        return 1 / variance


@dataclass(frozen=True)
class PowerSums:
    """Per-group shell sums from which a noise model is fitted; adding two adds their particles.

    Attributes:
        moments: `(group, 5, n_shells)`: sums over coefficients of 1, C^2, C^4, |E|^2, C^2 |E|^2.
    """

    moments: Float64[np.ndarray, "group 5 n_shells"]

    def __add__(self, other: PowerSums) -> PowerSums:
        """Add the particles of another sum."""
        return PowerSums(self.moments + other.moments)


def sum_powers(
    band: Band,
    groups: Int[np.ndarray, " n"],
    ctf: Float32[np.ndarray, "n point"],
    power: Float32[np.ndarray, "n point"],
    n_groups: int,
) -> PowerSums:
    """Sum residual powers against the powers of the CTF, shell by shell and group by group."""
    squared = ctf * ctf
    rows = (np.ones_like(ctf), squared, squared * squared, power, squared * power)
    per_particle = np.stack([band.shell_sums(row) for row in rows], axis=1)
    moments = np.zeros((n_groups, 5, band.n_shells))
    np.add.at(moments, groups, per_particle)
    return PowerSums(moments)


def flat_noise(sums: PowerSums) -> NoiseModel:
    """Return the noise model that calls the whole mean power additive noise."""
    counts = np.maximum(sums.moments[:, 0], 1.0)
    additive = np.maximum(sums.moments[:, 3] / counts, np.finfo(np.float32).tiny)
    return NoiseModel(additive, np.zeros_like(additive))


def fit_noise(sums: PowerSums) -> NoiseModel:
    """Fit |E|^2 = b + C^2 a in every shell by least squares with a, b >= 0.

    A shell whose CTF hardly varies over its coefficients cannot tell a from b; its power then
    goes to b. The additive part keeps at least a thousandth of the power, so that no coefficient
    becomes infinitely precise.
    """
    ones, squares, fourths, power, cross = np.moveaxis(sums.moments, 1, 0)
    counts = np.maximum(ones, 1.0)
    mean_square, mean_power = squares / counts, power / counts
    contrast = fourths / counts - mean_square**2
    covariance = cross / counts - mean_square * mean_power
    is_determined = contrast > 1e-3 * np.maximum(mean_square, 1e-12) ** 2
    slope = np.where(is_determined, covariance / np.where(is_determined, contrast, 1.0), 0.0)
    ceiling = 0.999 * mean_power / np.maximum(mean_square, 1e-12)
    transmitted = np.clip(slope, 0.0, ceiling)
    additive = np.maximum(mean_power - transmitted * mean_square, np.finfo(np.float32).tiny)
    return NoiseModel(additive, transmitted)
