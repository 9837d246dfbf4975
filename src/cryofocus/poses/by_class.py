"""Poses refined against class maps: every particle against the class it most probably belongs to.

Half sets stay apart: a particle of half set 1 is compared with maps of half set 1 only. What lies
outside the focus region is the same in all classes, so it is taken from the consensus, which has
more particles to be made from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Int8

from cryofocus.arrays import Volume
from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.consensus.sampling import masked
from cryofocus.kernels.contract import SliceKernels
from cryofocus.poses.half_maps import denoise_half_maps
from cryofocus.poses.likelihood import PoseModel
from cryofocus.poses.prior import PosePrior
from cryofocus.poses.reference import make_reference
from cryofocus.poses.refine import refine_poses
from cryofocus.poses.result import Poses


@dataclass(frozen=True, eq=False)
class ClassReferences:
    """What the particles of each class and half set are compared with.

    Attributes:
        halves: `[class][half set - 1]` maps, filtered to what both half sets agree on.
        n_shells: Shells compared.
    """

    halves: tuple[tuple[Volume, Volume], ...]
    n_shells: int

    @classmethod
    def around_consensus(
        cls, consensus: Consensus, maps: Sequence[MapEstimate], mask: Volume | None, n_shells: int
    ) -> ClassReferences:
        """Put each class's map of the focus region into the consensus.

        Args:
            consensus: What all classes share.
            maps: Of the classes.
            mask: Focus mask, on the grid of the maps or a finer one; None where classes may differ
                anywhere.
            n_shells: Shells to compare.
        """
        shared = denoise_half_maps(consensus.map.halves, consensus.map.fsc)
        references = []
        for estimate in maps:
            own = denoise_half_maps(estimate.halves, estimate.fsc)
            if mask is not None:
                first, second = (
                    outside + masked(inside - outside, mask)
                    for outside, inside in zip(shared, own, strict=True)
                )
                own = (first, second)
            references.append(own)
        return cls(tuple(references), n_shells)

    @classmethod
    def of_consensus(cls, consensus: Consensus, n_shells: int) -> ClassReferences:
        """Compare all particles with the consensus, as one class."""
        return cls((denoise_half_maps(consensus.map.halves, consensus.map.fsc),), n_shells)


@dataclass(frozen=True, eq=False)
class Membership:
    """Which map each particle is compared with.

    Attributes:
        labels: `(particle,)` class, counted from 0.
        half_set: `(particle,)` 1 or 2.
    """

    labels: Int[np.ndarray, " particle"]
    half_set: Int8[np.ndarray, " particle"]

    @classmethod
    def of_one_class(cls, half_set: Int8[np.ndarray, " particle"]) -> Membership:
        """All particles are of one class."""
        return cls(np.zeros(len(half_set), np.int64), half_set)


def refine_by_class(
    consensus: Consensus,
    references: ClassReferences,
    membership: Membership,
    prior: PosePrior,
    kernels: SliceKernels,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> Poses:
    """Refine all poses, each against its class's map of its half set.

    Args:
        consensus: Images at their present poses, noise and intensities.
        references: Maps of the classes.
        membership: Class and half set of every particle.
        prior: What is known of the poses.
        kernels: Slice kernels of the device.
        advance: Called with the number of particles done.
    """
    images = consensus.images
    found = Poses.empty(len(images))
    for number, halves in enumerate(references.halves):
        for half, volume in enumerate(halves, start=1):
            mine = (membership.labels == number) & (membership.half_set == half)
            which = np.flatnonzero(mine)
            if not which.size:
                continue
            reference = make_reference(volume, images, references.n_shells)
            model = PoseModel(reference, consensus.noise, consensus.scale_prior)
            refined = refine_poses(
                images, model, kernels, which=which, prior=prior, advance=advance
            )
            found.put(which, refined)
    return found
