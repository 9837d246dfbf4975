"""How far off the poses of a set seem to be, judged by what its consensus leaves of the images.

Small errors of a pose leave a residual in five known directions of the image, the derivatives of
the prediction by the pose. Of nothing but noise, the squared length of that part, g . F^-1 g with
gradient g and Fisher information F, is 5 on average; errors of covariance E add trace(F E).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.image_model import noise_sample
from cryofocus.consensus.images import ParticleImages
from cryofocus.kernels.contract import SliceKernels
from cryofocus.poses.likelihood import PoseModel, compare_at_poses
from cryofocus.poses.reference import make_reference
from cryofocus.poses.result import N_PARAMETERS, ROTATIONS, SHIFTS

# Every so many of the particles on which noise is measured are enough for a hundredth.
SPARSE = 4
# Excess at which errors of poses matter beside the noise.
NOTICEABLE = 1.0
MAX_STEPS = 200
TOLERANCE = 1e-3
FIRST_ANGLE_RADIANS, FIRST_SHIFT_ANGSTROM = np.radians(1.0), 3.0


@dataclass(frozen=True)
class PoseAccuracy:
    """Errors that a set's poses seem to have.

    Attributes:
        angle_sd_degrees: Standard deviation of each of three rotations.
        shift_sd_angstrom: Standard deviation of each of two shifts.
        excess: How much of the residuals, in units of noise, has the shape of pose errors; 0 for
            exact poses.
    """

    angle_sd_degrees: float
    shift_sd_angstrom: float
    excess: float

    @property
    def is_limiting(self) -> bool:
        """Whether errors of the poses, rather than noise, are what images suffer from."""
        return self.excess > NOTICEABLE


def measure_accuracy(consensus: Consensus, n_shells: int, kernels: SliceKernels) -> PoseAccuracy:
    """Estimate the errors of poses from a sample of the images.

    Args:
        consensus: Images at their poses, and the map they are compared with.
        n_shells: Shells compared.
        kernels: Slice kernels of the device.
    """
    images = consensus.images
    reference = make_reference(consensus.map.full, images, n_shells)
    return measure_against(
        images, PoseModel(reference, consensus.noise, consensus.scale_prior), kernels
    )


def measure_against(
    images: ParticleImages, model: PoseModel, kernels: SliceKernels
) -> PoseAccuracy:
    """Judge the poses of images by what a model leaves of them; see `measure_accuracy`."""
    sample = noise_sample(images)[::SPARSE]
    found = list(compare_at_poses(images, model, sample, kernels))
    gradient = np.concatenate([one.gradient for one in found])
    return estimate_accuracy(gradient, np.concatenate([one.information for one in found]))


def estimate_accuracy(
    gradient: Float64[np.ndarray, "n 5"], information: Float64[np.ndarray, "n 5 5"]
) -> PoseAccuracy:
    """Estimate the spread of pose errors by expectation maximisation.

    Args:
        gradient: Of the log-likelihood by the pose, at the poses given.
        information: Fisher information on the pose; of particles that say nothing, zero.
    """
    says_something = np.trace(information, axis1=1, axis2=2) > 0
    gradient, information = gradient[says_something], information[says_something]
    if not len(gradient):
        return PoseAccuracy(0.0, 0.0, 0.0)
    unit = np.array([FIRST_ANGLE_RADIANS] * 3 + [FIRST_SHIFT_ANGSTROM] * 2)
    # Parameters in units that make the matrices well conditioned.
    gradient, information = gradient * unit, information * unit * unit[:, None]
    length = np.einsum("na,na->n", gradient, _solve(information, gradient))
    variance = np.ones(2)
    for _ in range(MAX_STEPS):
        precision = 1 / np.repeat(variance, [3, 2])
        covariance = np.linalg.inv(information + np.diag(precision))
        mean = np.einsum("nab,nb->na", covariance, gradient)
        second = (mean**2 + np.einsum("naa->na", covariance)).mean(axis=0)
        before, variance = variance, np.array([second[ROTATIONS].mean(), second[SHIFTS].mean()])
        if np.abs(variance - before).max() < TOLERANCE * variance.max():
            break
    angle, shift = np.sqrt(variance) * (FIRST_ANGLE_RADIANS, FIRST_SHIFT_ANGSTROM)
    excess = float(length.mean()) - N_PARAMETERS
    return PoseAccuracy(float(np.degrees(angle)), float(shift), excess)


def _solve(
    matrices: Float64[np.ndarray, "n 5 5"], vectors: Float64[np.ndarray, "n 5"]
) -> Float64[np.ndarray, "n 5"]:
    """Solve each system, the matrices being as good as singular for a round map."""
    values, basis = np.linalg.eigh(matrices)
    floor = 1e-9 * values[:, -1:]
    inside = np.einsum("nab,na->nb", basis, vectors) / np.maximum(values, floor)
    return np.asarray(np.einsum("nab,nb->na", basis, inside))
