"""Maps on the scale of the images: of states and averages; masks of regions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from jaxtyping import Float

from cryofocus.arrays import Volume
from cryofocus.maths.bands import CACHED_VALUES, Window
from cryofocus.simulate.assembly.imaging import Imaging, transfer
from cryofocus.simulate.assembly.ribosome import BODIES, PARTS, Beads, Placement
from cryofocus.simulate.assembly.specimens import central_motion
from cryofocus.simulate.assembly.states import VARYING, Region, all_states, part_amplitudes
from cryofocus.simulate.projection import density_around, density_map, sufficient_box

# A region's mask holds the voxels above this part of its largest density.
MASK_LEVEL = 0.25
# Particles whose motions stand for those of all in the average.
MOTION_SAMPLE = 24


@dataclass(frozen=True, eq=False)
class Densities:
    """Maps of the parts of a set's ribosome.

    Attributes:
        imaging: What the images are made from.
    """

    imaging: Imaging

    def central(self, amplitudes: Float[np.ndarray, " parts"]) -> Volume:
        """Return a sum of parts, the small subunit in the middle of its motion."""
        return self._transferred(self._resting, amplitudes, self.imaging.camera.box)

    def average(
        self,
        amplitudes: Float[np.ndarray, " parts"],
        box: int | None = None,
        within: Window | None = None,
    ) -> Volume:
        """Return a sum of parts, averaged over the motion.

        Args:
            amplitudes: How much of each part.
            box: Edge of the map, whose extent is that of the images. Default: theirs.
            within: Planes, rows and columns that are wanted; all by default.
        """
        return self._transferred(self._moving, amplitudes, box or self.imaging.camera.box, within)

    def average_box(self) -> int:
        """Return the edge of a box in which nothing of the average is lost."""
        camera = self.imaging.camera
        return sufficient_box(self.imaging.scattering, camera.box, camera.pixel_size_angstrom)

    def states(self) -> Iterator[Iterator[Volume]]:
        """Yield the map of every state, the motion in its middle, a few planes (z) at a time."""
        states, _ = all_states()
        constant = self.central(part_amplitudes(np.zeros_like(states[:1]))[0])
        parts = [self.central(np.array([float(one == p) for p in PARTS])) for one in VARYING]
        for state in states:
            there = [part for part, is_there in zip(parts, state, strict=True) if is_there]
            yield _add_up([constant, *there])

    def mask(self, region: Region) -> Volume:
        """Return ones where a region has its density, in the middle of the motion."""
        beads, camera = _join(self.beads(region)), self.imaging.camera
        place, density = density_around(beads, camera.box, camera.pixel_size_angstrom)
        mask = np.zeros((camera.box,) * 3, np.float32)
        mask[place] = density > MASK_LEVEL * density.max()
        return mask

    def beads(self, region: Region) -> list[Beads]:
        """Return a region's beads in each body that has some, in the middle of the motion."""
        bodies = self._placed(self.imaging.ribosome, central_motion(), 0)
        beads = [b for b in bodies if set(b.parts) & set(region.parts)]
        return [b.take(tuple(p for p in b.parts if p in region.parts)) for b in beads]

    @cached_property
    def _resting(self) -> Beads:
        """The beads of all parts, in the middle of the motion."""
        return _join(self._placed(self.imaging.scattering, central_motion(), 0))

    @cached_property
    def _moving(self) -> Beads:
        """The beads of all parts, those that move at a share of weight in many places."""
        rows = slice(0, min(MOTION_SAMPLE, len(self.imaging.specimens)))
        placed = self.imaging.specimens.placements(rows)
        places = [self._placed(self.imaging.scattering, placed, i) for i in range(rows.stop)]
        large, *small = zip(*places, strict=True)
        return _join([large[0], *(_average(moved) for moved in small)])

    def _placed(self, beads: Beads, placed: dict[str, Placement], index: int) -> list[Beads]:
        """Return the beads of every body where they are in one particle."""
        return [
            beads.take(parts).moved(
                placed[body].rotation[index], placed[body].shift_angstrom[index]
            )
            if body in placed
            else beads.take(parts)
            for body, parts in BODIES.items()
        ]

    def _transferred(
        self,
        beads: Beads,
        amplitudes: Float[np.ndarray, " parts"],
        box: int,
        within: Window | None = None,
    ) -> Volume:
        camera = self.imaging.camera
        voxel_size = camera.box * camera.pixel_size_angstrom / box
        passed = partial(transfer, settings=self.imaging.settings)
        return density_map(beads, amplitudes, box, voxel_size, transfer=passed, within=within)


def _add_up(maps: Sequence[Volume]) -> Iterator[Volume]:
    """Yield the sum of maps, so few planes (z) at a time that they stay in the cache."""
    n = max(1, CACHED_VALUES // maps[0][0].size)
    for start in range(0, len(maps[0]), n):
        first, *others = (one[start : start + n] for one in maps)
        total = first.copy()
        for one in others:
            total += one
        yield total


def _join(bodies: Sequence[Beads]) -> Beads:
    """Put the beads of several bodies together."""
    before = np.cumsum([0, *(len(beads.parts) for beads in bodies)])
    numbers = [beads.part + n for beads, n in zip(bodies, before[:-1], strict=True)]
    parts = tuple(part for beads in bodies for part in beads.parts)
    return Beads(
        parts,
        np.concatenate([beads.centre_angstrom for beads in bodies]),
        np.concatenate([beads.sigma_angstrom for beads in bodies]),
        np.concatenate([beads.weight for beads in bodies]),
        np.concatenate([beads.mass_kda for beads in bodies]),
        np.concatenate(numbers),
    )


def _average(places: Sequence[Beads]) -> Beads:
    """Return a body in many places, with its share of density in each."""
    first, n = places[0], len(places)
    return replace(
        first,
        centre_angstrom=np.concatenate([beads.centre_angstrom for beads in places]),
        sigma_angstrom=np.tile(first.sigma_angstrom, n),
        weight=np.tile(first.weight / n, n),
        mass_kda=np.tile(first.mass_kda / n, n),
        part=np.tile(first.part, n),
    )
