"""Consensus and poses in turns, for poses that are off: reconstruct, refine, and again.

The band opens by itself: each round compares to the resolution at which the half maps agree, and
that rises as the poses get better. Half sets stay apart throughout; each particle is refined
against the map of its own half set. How far the given poses may be off is learnt from what the
refined ones deviate, and keeps particles that show little near where they were.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int8

from cryofocus.inference.consensus import Consensus, estimate_consensus
from cryofocus.inference.images import ParticleImages
from cryofocus.inference.resolution import choose_shells
from cryofocus.inference.subtraction import filter_half_maps
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.rotations import geodesic_degrees
from cryofocus.poses.accuracy import measure_accuracy
from cryofocus.poses.likelihood import PoseModel
from cryofocus.poses.prior import PosePrior
from cryofocus.poses.reference import make_reference
from cryofocus.poses.refine import refine_poses
from cryofocus.poses.result import Poses, with_poses

logger = logging.getLogger(__name__)

MAX_ROUNDS = 6
# A round that moves poses by less than this part of their expected errors is the last.
SETTLED = 0.25
# Narrower than this a prior would forbid what no image could tell anyway.
LEAST_ANGLE_DEGREES, LEAST_SHIFT_ANGSTROM = 0.01, 0.01


@dataclass(frozen=True, eq=False)
class RefinedImages:
    """Images at refined poses.

    Attributes
    ----------
    images : the images, with the contrast sign that makes density positive.
    poses : their poses, with the errors to expect.
    prior : what was learnt of the errors of the given poses.
    n_rounds : rounds it took.
    """

    images: ParticleImages
    poses: Poses
    prior: PosePrior
    n_rounds: int


def refine_in_rounds(
    images: ParticleImages,
    half_set: Int8[np.ndarray, " particle"],
    kernels: SliceKernels,
    *,
    sign: int | None = None,
    max_resolution_angstrom: float | None = None,
    max_rounds: int = MAX_ROUNDS,
    advance: Callable[[int], None] = lambda _: None,
) -> RefinedImages:
    """Reconstruct and refine until the poses stay.

    Parameters
    ----------
    images : prepared images at the poses to start from.
    half_set : `(particle,)` 1 or 2.
    kernels : slice kernels of the device.
    sign : contrast sign to keep; None lets the density of the first consensus decide.
    max_resolution_angstrom : finest detail compared; None takes what the half maps agree on.
    max_rounds : rounds at most.
    advance : called with the number of particles done, in each round all of them.
    """
    prior: PosePrior | None = None
    for number in range(1, max_rounds + 1):
        consensus = estimate_consensus(images, half_set, kernels, sign=sign)
        images, sign = consensus.images, consensus.images.treatment.sign
        n_shells = choose_shells(consensus, max_resolution_angstrom)
        prior = prior or _first_prior(consensus, n_shells, kernels)
        poses = refine_halves(consensus, half_set, n_shells, prior, kernels, advance=advance)
        before = images.particles
        moved = geodesic_degrees(before.rotation, poses.rotation)
        away = np.linalg.norm(before.shift_angstrom - poses.shift_angstrom, axis=1)
        angle, shift = prior.widths_of(poses)
        logger.info(
            "poses, round %d to %d shells: moved by %.2f degrees and %.2f Å (median), given ones "
            "off by %.2f degrees and %.2f Å (standard deviation of each rotation and shift)",
            *(number, n_shells, np.median(moved), np.median(away), np.degrees(angle), shift),
        )
        prior = PosePrior(prior.rotation, prior.shift_angstrom, angle, shift)
        images = with_poses(images, poses.rotation, poses.shift_angstrom)
        is_settled = np.median(moved) < SETTLED * np.median(
            poses.angle_error_degrees
        ) and np.median(away) < SETTLED * np.median(poses.shift_error_angstrom)
        if is_settled:
            break
    return RefinedImages(images, poses, prior, number)


def refine_halves(
    consensus: Consensus,
    half_set: Int8[np.ndarray, " particle"],
    n_shells: int,
    prior: PosePrior,
    kernels: SliceKernels,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> Poses:
    """Refine every particle against the consensus of its own half set.

    Parameters
    ----------
    consensus : images at their present poses, half maps, noise and intensities.
    half_set : `(particle,)` 1 or 2.
    n_shells : shells compared.
    prior : what is known of the poses.
    kernels : slice kernels of the device.
    advance : called with the number of particles done.
    """
    images, found = consensus.images, Poses.empty(len(consensus.images))
    halves = filter_half_maps(consensus.map.halves, consensus.map.fsc)
    for half, volume in enumerate(halves, start=1):
        which = np.flatnonzero(half_set == half)
        model = PoseModel(
            make_reference(volume, images, n_shells), consensus.noise, consensus.scale_prior
        )
        refined = refine_poses(images, model, kernels, which=which, prior=prior, advance=advance)
        found.put(which, refined)
    return found


def _first_prior(consensus: Consensus, n_shells: int, kernels: SliceKernels) -> PosePrior:
    """Learn how far the given poses are off before any has moved."""
    accuracy = measure_accuracy(consensus, n_shells, kernels)
    particles = consensus.images.particles
    return PosePrior(
        np.asarray(particles.rotation, np.float64),
        np.asarray(particles.shift_angstrom, np.float64),
        np.radians(max(accuracy.angle_sd_degrees, LEAST_ANGLE_DEGREES)),
        max(accuracy.shift_sd_angstrom, LEAST_SHIFT_ANGSTROM),
    )
