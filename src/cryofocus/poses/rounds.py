"""Consensus and poses in turns, for poses that are off: reconstruct, refine, and again.

The band opens by itself: each round compares to the resolution at which the half maps agree, and
that rises as the poses get better. Half sets stay apart throughout; each particle is refined
against the map of its own half set. How far the given poses may be off is learnt from what the
refined ones deviate, and keeps particles that show little near where they were.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int8

from cryofocus.consensus.consensus import Consensus, estimate_consensus
from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.reach import TO_NYQUIST, Reach
from cryofocus.consensus.resolution import MIN_SHELLS, choose_shells
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.shells import FSC_LIMIT, first_shell_below
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.poses.accuracy import measure_accuracy
from cryofocus.poses.by_class import ClassReferences, Membership, refine_by_class
from cryofocus.poses.half_maps import symmetrise
from cryofocus.poses.prior import PosePrior, prior_of_width, wide_prior
from cryofocus.poses.result import Poses, moved_share, with_poses

logger = logging.getLogger(__name__)

MAX_ROUNDS = 6
# Rounds against groups once the consensus has nothing more to give; a third changes little.
GROUP_ROUNDS = 2
# A round that moves poses by less than this part of their expected errors is the last.
SETTLED = 0.25
# Of the errors that poses seem to have, the first round takes back so much: its map is blurred.
FIRST_STEP = 0.5


References = tuple[ClassReferences, Membership]
"""Maps, and which of them each particle is compared with."""
FindGroups = Callable[[Consensus, int], References | None]
"""Groups particles that are alike, from the consensus and the shells compared; None finds none."""


@dataclass(frozen=True, eq=False)
class RoundSettings:
    """How to refine in rounds.

    Attributes:
        max_resolution_angstrom: Finest detail compared; None takes what the half maps agree on.
        max_rounds: Rounds at most.
        operators: Symmetry that every consensus is given; None for none.
        reach: To which resolution every consensus is made.
    """

    max_resolution_angstrom: float | None = None
    max_rounds: int = MAX_ROUNDS
    operators: OperatorSet | None = None
    reach: Reach = TO_NYQUIST


@dataclass(frozen=True, eq=False)
class RefinedImages:
    """Images at refined poses.

    Attributes:
        images: The images, with the contrast sign that makes density positive.
        poses: Their poses, with the errors to expect.
        prior: What was learnt of the errors of the given poses.
        n_rounds: Rounds it took.
    """

    images: ParticleImages
    poses: Poses
    prior: PosePrior
    n_rounds: int


def refine_in_rounds(
    images: ParticleImages,
    half_set: Int8[np.ndarray, " particle"],
    kernels: SliceKernels,
    settings: RoundSettings | None = None,
    *,
    find_groups: FindGroups | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> RefinedImages:
    """Reconstruct and refine until the poses stay, then again by groups of particles.

    Args:
        images: Prepared images at the poses to start from.
        half_set: `(particle,)` 1 or 2.
        kernels: Slice kernels of the device.
        settings: Defaults if left out.
        find_groups: What each particle is compared with once the consensus has brought poses as
            far as it can; by default nothing else.
        advance: Called with the number of particles done, in each round all of them.
    """
    settings = settings or RoundSettings()
    rounds = _Rounds(half_set, settings, kernels, advance)
    refined = rounds.climb(images, None, rounds.of_consensus, settings.max_rounds)
    assert refined is not None
    if find_groups is None:
        return refined
    return rounds.climb(refined.images, refined, find_groups, GROUP_ROUNDS) or refined


@dataclass(frozen=True, eq=False)
class _Rounds:
    """What all rounds have in common."""

    half_set: Int8[np.ndarray, " particle"]
    settings: RoundSettings
    kernels: SliceKernels
    advance: Callable[[int], None]

    def of_consensus(self, consensus: Consensus, n_shells: int) -> References:
        """Compare every particle with the consensus of its half set."""
        return (
            ClassReferences.of_consensus(consensus, n_shells),
            Membership.of_one_class(self.half_set),
        )

    def climb(
        self, images: ParticleImages, before: RefinedImages | None, find: FindGroups, n_rounds: int
    ) -> RefinedImages | None:
        """Do rounds until poses stay, or so many; None where there is nothing to compare with.

        Args:
            images: At the poses to start from.
            before: What earlier rounds have learnt.
            find: Makes what particles are compared with.
            n_rounds: Rounds at most.
        """
        refined, prior = None, before.prior if before else None
        first = before.n_rounds + 1 if before else 1
        for number in range(first, first + n_rounds):
            consensus = _reconstruct(images, self.half_set, self.settings, self.kernels)
            n_shells = choose_shells(consensus, self.settings.max_resolution_angstrom)
            prior = prior or _first_prior(consensus, self.half_set, n_shells, self.kernels)
            references = find(consensus, n_shells)
            if references is None:
                break
            poses = refine_by_class(
                consensus, *references, prior, self.kernels, advance=self.advance
            )
            prior = prior.learn(poses)
            logger.info(
                "poses, round %d to %d shells: the given ones are off by %.2f degrees and %.2f Å "
                "(standard deviation of each rotation and shift)",
                *(number, n_shells, np.degrees(prior.angle_sd_radians), prior.shift_sd_angstrom),
            )
            has_settled = moved_share(images.particles, poses) < SETTLED
            images = replace(images, treatment=consensus.images.treatment)
            images = with_poses(images, poses.rotation, poses.shift_angstrom).settled()
            refined = RefinedImages(images, poses, prior, number)
            if has_settled:
                break
        return refined


def _reconstruct(
    images: ParticleImages,
    half_set: Int8[np.ndarray, " particle"],
    settings: RoundSettings,
    kernels: SliceKernels,
) -> Consensus:
    """Reconstruct the consensus, and give it the symmetry there is."""
    consensus = estimate_consensus(images, half_set, kernels, reach=settings.reach)
    if settings.operators is None:
        return consensus
    voxel = consensus.images.particles.pixel_size_angstrom
    return replace(consensus, map=symmetrise(consensus.map, settings.operators, voxel))


def _first_prior(
    consensus: Consensus,
    half_set: Int8[np.ndarray, " particle"],
    n_shells: int,
    kernels: SliceKernels,
) -> PosePrior:
    """Learn how far the given poses are off before any has moved."""
    if first_shell_below(consensus.map.fsc, FSC_LIMIT) < MIN_SHELLS:
        # Half maps of noise tell nothing of the poses, hence nothing of their errors.
        return wide_prior(consensus.images)
    accuracy = measure_accuracy(consensus, half_set, n_shells, kernels)
    most = accuracy.most_angle_degrees, accuracy.most_shift_angstrom
    return prior_of_width(consensus.images, *(FIRST_STEP * one for one in most))
