"""What is known of poses before the images are compared: how far they may be off."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int

from cryofocus.consensus.images import ParticleImages
from cryofocus.poses.result import ROTATIONS, SHIFTS, Poses

# Medians of the squared lengths of normal vectors: chi-square with three and two degrees.
MEDIAN_OF_THREE, MEDIAN_OF_TWO = 2.366, 1.386
# Nothing is known better than the prior, however little the images say: 30 degrees, and a shift
# that no refinement should have missed.
WIDE_ANGLE_RADIANS, WIDE_SHIFT_ANGSTROM = np.pi / 6, 100.0
# Narrower than this a prior would forbid what no image could tell anyway.
LEAST_ANGLE_DEGREES, LEAST_SHIFT_ANGSTROM = 0.01, 0.01


@dataclass(frozen=True, eq=False)
class PosePrior:
    """Independent errors of given poses: normal in each of three rotations and two shifts.

    Rotations A have the density exp(tr(A0^T A) / (2 sd^2)) around the given A0 (von Mises and
    Fisher), which is normal where the deviation is small and smooth where it is not.

    Attributes:
        rotation: `(n, 3, 3)` the given rotations.
        shift_angstrom: `(n, 2)` the given shifts.
        angle_sd_radians: Standard deviation of each rotation.
        shift_sd_angstrom: Standard deviation of each shift.
    """

    rotation: Float64[np.ndarray, "n 3 3"]
    shift_angstrom: Float64[np.ndarray, "n 2"]
    angle_sd_radians: float
    shift_sd_angstrom: float

    def take(self, chosen: Int[np.ndarray, " m"]) -> PosePrior:
        """Return the prior of some of the particles."""
        return PosePrior(
            self.rotation[chosen],
            self.shift_angstrom[chosen],
            self.angle_sd_radians,
            self.shift_sd_angstrom,
        )

    def log_density(
        self, rotation: Float64[np.ndarray, "n 3 3"], shift_angstrom: Float64[np.ndarray, "n 2"]
    ) -> Float64[np.ndarray, " n"]:
        """Return the logarithm of the density, 0 at the given poses."""
        trace = np.einsum("nij,nij->n", self.rotation, rotation)
        away = shift_angstrom - self.shift_angstrom
        return np.asarray(
            0.5 * (trace - 3) / self.angle_sd_radians**2
            - 0.5 * (away**2).sum(axis=1) / self.shift_sd_angstrom**2
        )

    def gradient(
        self, rotation: Float64[np.ndarray, "n 3 3"], shift_angstrom: Float64[np.ndarray, "n 2"]
    ) -> Float64[np.ndarray, "n 5"]:
        """Differentiate the logarithm of the density; parameters as in `Poses.covariance`."""
        relative = np.swapaxes(self.rotation, 1, 2) @ rotation
        skew = relative - np.swapaxes(relative, 1, 2)
        axis = np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1)
        away = shift_angstrom - self.shift_angstrom
        turn = -0.5 * axis / self.angle_sd_radians**2
        return np.concatenate([turn, -away / self.shift_sd_angstrom**2], axis=1)

    @property
    def information(self) -> Float64[np.ndarray, "5 5"]:
        """Minus the second derivative at the given poses."""
        return np.diag([self.angle_sd_radians**-2] * 3 + [self.shift_sd_angstrom**-2] * 2)

    def widths_of(self, poses: Poses) -> tuple[float, float]:
        """Estimate both standard deviations from poses refined under this prior.

        A step of expectation maximisation, squared deviation and remaining variance, with medians
        instead of means: a few particles that went astray say nothing of the others.
        """
        trace = np.einsum("nij,nij->n", self.rotation, poses.rotation)
        away = ((poses.shift_angstrom - self.shift_angstrom) ** 2).sum(axis=1)
        variance = np.einsum("naa->na", poses.covariance)
        turn = np.median(3 - trace) / MEDIAN_OF_THREE
        move = np.median(away) / MEDIAN_OF_TWO
        turn += np.median(variance[:, ROTATIONS].mean(axis=1))
        move += np.median(variance[:, SHIFTS].mean(axis=1))
        return float(np.sqrt(turn)), float(np.sqrt(move))

    def learn(self, poses: Poses) -> PosePrior:
        """Return a prior about the same poses, as wide as `widths_of` says."""
        angle, shift = self.widths_of(poses)
        return replace(self, angle_sd_radians=angle, shift_sd_angstrom=shift)


def wide_prior(images: ParticleImages) -> PosePrior:
    """Return a prior about the poses that particles have, too wide to matter to a good image."""
    particles = images.particles
    return PosePrior(
        np.asarray(particles.rotation, np.float64),
        np.asarray(particles.shift_angstrom, np.float64),
        WIDE_ANGLE_RADIANS,
        WIDE_SHIFT_ANGSTROM,
    )


def prior_of_width(
    images: ParticleImages, angle_sd_degrees: float, shift_sd_angstrom: float
) -> PosePrior:
    """Return a prior about the poses that particles have, as wide as their errors seem to be."""
    return replace(
        wide_prior(images),
        angle_sd_radians=np.radians(max(angle_sd_degrees, LEAST_ANGLE_DEGREES)),
        shift_sd_angstrom=max(shift_sd_angstrom, LEAST_SHIFT_ANGSTROM),
    )
