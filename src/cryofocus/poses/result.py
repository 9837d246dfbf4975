"""Poses that were found, with how sure they are."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy.spatial.transform import Rotation

from cryofocus.consensus.images import ParticleImages
from cryofocus.data.particles import ParticleSet
from cryofocus.maths.rotations import geodesic_degrees

N_PARAMETERS = 5
"""Three infinitesimal rotations and two shifts."""
ROTATIONS, SHIFTS = slice(0, 3), slice(3, 5)


@dataclass(frozen=True, eq=False)
class Poses:
    """Poses of some particles and the errors to expect in them.

    Attributes:
        rotation: `(n, 3, 3)` A of `cryofocus.maths.rotations`.
        shift_angstrom: `(n, 2)` what centres the particle, x and y.
        covariance: `(n, 5, 5)` of the errors: three infinitesimal rotations w in radians about the
            volume's x, y and z axes, A -> A exp([w]), and the two shifts in Å.
        log_likelihood_gain: `(n,)` over an image of nothing but noise, natural logarithm.
    """

    rotation: Float64[np.ndarray, "n 3 3"]
    shift_angstrom: Float64[np.ndarray, "n 2"]
    covariance: Float64[np.ndarray, "n 5 5"]
    log_likelihood_gain: Float64[np.ndarray, " n"]

    def __len__(self) -> int:
        """Count the particles."""
        return len(self.rotation)

    @property
    def angle_error_degrees(self) -> Float64[np.ndarray, " n"]:
        """Root-mean-square angle to expect between the pose and the true one."""
        variance = np.trace(self.covariance[:, ROTATIONS, ROTATIONS], axis1=1, axis2=2)
        return np.asarray(np.degrees(np.sqrt(variance)))

    @property
    def shift_error_angstrom(self) -> Float64[np.ndarray, " n"]:
        """Root-mean-square length to expect of the shift's error."""
        variance = np.trace(self.covariance[:, SHIFTS, SHIFTS], axis1=1, axis2=2)
        return np.asarray(np.sqrt(variance))

    def take(self, chosen: Int[np.ndarray, " m"] | Bool[np.ndarray, " n"]) -> Poses:
        """Return some of the poses."""
        return Poses(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @classmethod
    def empty(cls, n: int) -> Poses:
        """Return n poses to be filled in."""
        return cls(np.empty((n, 3, 3)), np.empty((n, 2)), np.empty((n, 5, 5)), np.empty(n))

    def put(self, chosen: Int[np.ndarray, " m"], poses: Poses) -> None:
        """Fill some of the poses in, in place."""
        for field in fields(self):
            getattr(self, field.name)[chosen] = getattr(poses, field.name)


def with_poses(
    images: ParticleImages,
    rotation: Float64[np.ndarray, "n 3 3"],
    shift_angstrom: Float64[np.ndarray, "n 2"],
) -> ParticleImages:
    """Return the same images, of particles with other poses."""
    particles = replace(images.particles, rotation=rotation, shift_angstrom=shift_angstrom)
    return replace(images, particles=particles)


def turn(
    rotation: Float64[np.ndarray, "n 3 3"], step: Float64[np.ndarray, "n 3"]
) -> Float64[np.ndarray, "n 3 3"]:
    """Return A exp([w]): the volume turned by w (radians) before it is seen."""
    return np.asarray(rotation @ Rotation.from_rotvec(step).as_matrix())


def moved_share(particles: ParticleSet, poses: Poses) -> float:
    """Return how far particles have moved, in units of the errors that their poses still have.

    The larger of the ratios of medians, of turns and of shifts.

    Args:
        particles: At their former poses.
        poses: The new ones.
    """
    turned = geodesic_degrees(particles.rotation, poses.rotation)
    shifted = np.linalg.norm(particles.shift_angstrom - poses.shift_angstrom, axis=1)
    return float(
        max(
            np.median(turned) / np.median(poses.angle_error_degrees),
            np.median(shifted) / np.median(poses.shift_error_angstrom),
        )
    )
