"""The prior of the deviations: where it starts, and how the data correct it.

Three things are learnt. The spectrum tau2 is the consensus's own spectrum inside the mask times
`exp(amplitude + slope (s/S)^2)`, two numbers fitted to the evidence, because a free number for
every shell follows the noise. The support says where in the mask deviations are: it starts from
where the consensus holds any density and follows what moves, for every voxel that is allowed to
vary without need costs accuracy. The mixing keeps the weighted mean of the classes close to the
consensus, which is known much better than any class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64
from scipy.ndimage import gaussian_filter

from cryofocus.inference.deviations.deviation import DeviationSpace, Mixing

# Deviations start at a twentieth of the consensus's power: too weak is corrected within cycles,
# too strong lets the first maps fit noise.
START_AMPLITUDE = -3.0
# The search for a subspace needs more room: out of random coordinates, deviations held too
# tightly shrink before they are found.
SEARCH_AMPLITUDE = -1.5
SMALLEST_AMPLITUDE, LARGEST_AMPLITUDE = -14.0, 2.0
# Bound on the change of ln tau2 in one correction.
LARGEST_STEP = 1.5
# Weight, in determined coefficients, of the belief that the slope is 0 +- SLOPE_SPREAD.
SLOPE_PRIOR_COEFFICIENTS, SLOPE_SPREAD = 1.0, 4.0
# Standard deviation of the classes' common deviation relative to that of their differences.
COMMON_DEVIATION = 0.3
# The support follows densities smoothed over a part of their width, and never closes completely:
# what is found later must be able to enter.
DENSITY_SIGMA_VOXELS, DENSITY_FLOOR = 0.7, 0.1
DEVIATION_SIGMA_VOXELS, DEVIATION_FLOOR = 1.5, 0.15
# The density that counts as fully there; the largest voxels of all may be something else's.
FULL_DENSITY_PERCENTILE = 99.0
# How far below zero the density of empty places lies, and what is but a map's ripple.
HALO_PERCENTILE, RIPPLE = 5.0, 0.02


@dataclass(frozen=True, eq=False)
class SpectrumModel:
    """ln tau2 as the consensus's spectrum, scaled and tilted.

    Attributes:
        base: `(n_shells,)` the consensus's spectrum inside the mask.
        amplitude: How tau2 is scaled: `tau2 = base exp(amplitude + slope (s/n_shells)^2)`.
        slope: How it is tilted.
    """

    base: Float64[np.ndarray, " n_shells"]
    amplitude: float = START_AMPLITUDE
    slope: float = 0.0

    @property
    def spectrum(self) -> Float64[np.ndarray, " n_shells"]:
        """Return tau2 in every shell."""
        return np.asarray(self.base * np.exp(self.amplitude + self.slope * self._squared()))

    def widened(self) -> SpectrumModel:
        """Return the model under which deviations are searched that are not known at all."""
        return SpectrumModel(self.base, SEARCH_AMPLITUDE)

    def carried_over(self, base: Float64[np.ndarray, " n_finer"]) -> SpectrumModel:
        """Return the model on the base of a finer problem: the same where both have shells."""
        stretch = (len(base) / len(self.base)) ** 2
        return SpectrumModel(base, self.amplitude, self.slope * stretch)

    def corrected(
        self,
        counts: Float64[np.ndarray, " n_shells"],
        power: Float64[np.ndarray, " n_shells"],
        variance: Float64[np.ndarray, " n_shells"],
        pace: float = 1.0,
    ) -> SpectrumModel:
        """Move towards the largest evidence by MacKay's fixed point, fitted to both parameters.

        In each shell the fixed point multiplies tau2 by the power found over the power that the
        data could have determined, `mean |xi|^2 / mean(1 - variance)`.

        Args:
            counts: Coefficients in each shell.
            power: Mean |xi|^2 of the solution.
            variance: Mean posterior variance of xi.
            pace: Part of the way to go.
        """
        determined = np.maximum(1 - variance, 1e-9)
        step = pace * np.log(np.maximum(power / determined, 1e-6))
        target = np.clip(step, -LARGEST_STEP, LARGEST_STEP)
        weights = counts * determined**2
        design = np.stack([np.ones_like(self.base), self._squared()], axis=1)
        normal = design.T @ (weights[:, None] * design)
        normal[0, 0] += 1e-9
        normal[1, 1] += SLOPE_PRIOR_COEFFICIENTS / SLOPE_SPREAD**2
        current = np.array([self.amplitude, self.slope])
        wanted = design.T @ (weights * (design @ current + target))
        amplitude, slope = np.linalg.solve(normal, wanted)
        change = np.clip(np.array([amplitude, slope]) - current, -LARGEST_STEP, LARGEST_STEP)
        amplitude, slope = current + change
        bounded = float(np.clip(amplitude, SMALLEST_AMPLITUDE, LARGEST_AMPLITUDE))
        return SpectrumModel(self.base, bounded, float(slope))

    def _squared(self) -> Float64[np.ndarray, " n_shells"]:
        return (np.arange(len(self.base)) / len(self.base)) ** 2


def consensus_spectrum(
    space: DeviationSpace, consensus: Float32[np.ndarray, "d d d"]
) -> SpectrumModel:
    """Start from the consensus's own spectrum inside the mask.

    A density present in some of the particles deviates by a part of itself either way, so the
    consensus's contrast inside the mask has the right shape and order of magnitude.
    """
    mask = space.box.mask
    mean = float((mask * consensus).sum() / mask.sum())
    spectrum = space.power_inside((consensus - mean).astype(np.float32))
    return SpectrumModel(np.maximum(spectrum, 1e-4 * spectrum.max()))


def consensus_support(
    space: DeviationSpace, consensus: Float32[np.ndarray, "d d d"]
) -> Float32[np.ndarray, "d d d"]:
    """Return the focus mask weighted by how much the consensus's density lets classes deviate.

    A density rho in a fraction f of the particles shows as v = f rho in the consensus, and its
    standard deviation over the particles is sqrt(v (rho - v)): about sqrt(v) where v is thin, and
    nothing where the consensus is empty. What is always there, v = rho, keeps its full weight,
    because it may be two densities that take turns.

    Maps of real images lack their lowest frequencies: dense parts have dark surroundings, in which
    a density that is there in some of the particles may come out at zero or below. Densities are
    counted from the depth of these surroundings, so the darker they are, the less an empty place
    says of what may be there.
    """
    mask = space.box.mask
    # A mask of hardly more than a voxel may lose its top when it is sampled more coarsely.
    inside = mask > 0.5 * min(float(mask.max()), 1.0)
    smooth = gaussian_filter(consensus.astype(np.float64), DENSITY_SIGMA_VOXELS)[inside]
    lowest, highest = np.percentile(smooth, [HALO_PERCENTILE, FULL_DENSITY_PERCENTILE])
    depth = max(-lowest - RIPPLE * highest, 0.0)
    above = np.maximum(consensus + depth, 0).astype(np.float64)
    density = gaussian_filter(above, DENSITY_SIGMA_VOXELS)
    full = float(np.percentile(density[inside], FULL_DENSITY_PERCENTILE))
    if full <= 0:
        return mask
    weight = np.sqrt(np.clip(density / full, DENSITY_FLOOR**2, 1))
    return np.asarray(mask * weight, np.float32)


def narrow_support(
    support: Float32[np.ndarray, "d d d"], fields: Float32[np.ndarray, "field d d d"]
) -> Float32[np.ndarray, "d d d"]:
    """Return a support narrowed to where the fields are.

    Halfway on a logarithmic scale: the fields of the first cycles are noisy.
    """
    power = gaussian_filter((fields.astype(np.float64) ** 2).sum(axis=0), DEVIATION_SIGMA_VOXELS)
    largest = float(power.max())
    if largest <= 0:
        return support
    relative = np.maximum(np.sqrt(power / largest), DEVIATION_FLOOR)
    return np.asarray(support * np.sqrt(relative), np.float32)


def contrasts(class_weights: Float64[np.ndarray, " n_classes"]) -> Mixing:
    """Return the mixing of K-1 contrasts between classes and their common deviation.

    The contrasts are orthogonal under the class weights, so that each leaves the weighted mean of
    the classes at the consensus, and every class deviates with unit variance on average.
    """
    n_classes = len(class_weights)
    root = np.sqrt(class_weights)
    start = np.concatenate([root[:, None], np.eye(n_classes)[:, : n_classes - 1]], axis=1)
    orthonormal, _ = np.linalg.qr(start)
    contrast = orthonormal[:, 1:] / root[:, None]
    contrast /= np.sqrt((class_weights[:, None] * contrast**2).sum() / max(n_classes - 1, 1))
    common = np.full((n_classes, 1), COMMON_DEVIATION)
    return np.concatenate([contrast, common], axis=1)
