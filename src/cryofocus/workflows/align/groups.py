"""References that differ between particles: groups that vary alike, in each half set alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int8

from cryofocus.arrays import Volume
from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.ground import Ground
from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.data.mask import FocusMask
from cryofocus.execution.monitor import SilentMonitor
from cryofocus.inference.factors.groups import ParticleGroups, group_particles
from cryofocus.kernels.contract import SliceKernels
from cryofocus.poses.by_class import ClassReferences, Membership
from cryofocus.poses.half_maps import denoise_half_maps
from cryofocus.poses.rounds import References

SOFT_EDGE_ANGSTROM = 8.0


@dataclass(frozen=True, eq=False)
class GroupFinder:
    """Finds groups of particles that vary alike, in each half set without the other.

    Attributes:
        half_set: `(particle,)` 1 or 2.
        n_groups: Groups in each half set, at least two.
        seed: Of the random starts.
        kernels: Slice kernels of the device.
        advance: Called with the number of particles placed.
    """

    half_set: Int8[np.ndarray, " particle"]
    n_groups: int
    seed: int
    kernels: SliceKernels
    advance: Callable[[int], None] = lambda _: None

    def __call__(self, consensus: Consensus, n_shells: int) -> References | None:
        """Return a map for each group and half set, and the groups of all particles.

        None where neither half set varies by more than noise.
        """
        shared = denoise_half_maps(consensus.map.halves, consensus.map.fsc)
        labels = np.zeros(len(self.half_set), np.int64)
        maps: list[list[Volume]] = []
        has_groups = False
        for half, density in enumerate(shared, start=1):
            rows = np.flatnonzero(self.half_set == half)
            mine = replace(consensus, images=consensus.images.take(rows))
            found = self._group(mine, density, n_shells)
            own = [density] * self.n_groups
            if found is not None:
                has_groups, labels[rows] = True, found.labels
                own = [density + deviation for deviation in found.deviations]
                own += [density] * (self.n_groups - len(own))
            maps.append(own)
        if not has_groups:
            return None
        references = ClassReferences(tuple(zip(*maps, strict=True)), n_shells)
        return references, Membership(labels, self.half_set)

    def _group(
        self, consensus: Consensus, density: Volume, n_shells: int
    ) -> ParticleGroups | None:
        """Group the particles of a half set beside the density that they are compared with."""
        particles = consensus.images.particles
        whole = FocusMask.whole(
            particles.box, particles.pixel_size_angstrom, soft_edge_angstrom=SOFT_EDGE_ANGSTROM
        )
        estimate = MapEstimate(density, (density, density), consensus.map.fsc)
        ground = Ground(
            consensus=replace(consensus, map=estimate),
            mask=whole,
            half_set=np.ones(len(particles), np.int8),
            n_shells=n_shells,
            kernels=self.kernels,
            monitor=SilentMonitor(),
        )
        return group_particles(ground, self.n_groups, self.seed, advance=self.advance)
