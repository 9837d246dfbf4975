"""Maps on the scale of the images: of parts, states and averages; masks of regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32

from cryofocus.maths.fourier import forward_3d, inverse_3d
from cryofocus.maths.grids import wave_vectors_3d
from cryofocus.simulate.assembly.imaging import Imaging, transfer
from cryofocus.simulate.assembly.ribosome import BODIES, Beads, Placement
from cryofocus.simulate.assembly.specimens import central_motion
from cryofocus.simulate.assembly.states import Region
from cryofocus.simulate.projection import density_map

# A region's mask holds the voxels above this part of its largest density.
MASK_LEVEL = 0.25
# Particles whose motions stand for those of all in the average.
MOTION_SAMPLE = 24

PartMaps = Float32[np.ndarray, "parts box box box"]


@dataclass(frozen=True, eq=False)
class Densities:
    """Maps of the parts of a set's ribosome.

    Attributes:
        imaging: What the images are made from.
    """

    imaging: Imaging

    @cached_property
    def central(self) -> PartMaps:
        """Every part, the small subunit in the middle of its motion."""
        return self._transferred(self._draw(self._placed(central_motion(), 0)))

    @cached_property
    def average(self) -> PartMaps:
        """Every part, averaged over the motion."""
        rows = slice(0, min(MOTION_SAMPLE, len(self.imaging.specimens)))
        placed = self.imaging.specimens.placements(rows)
        small = [self._placed(placed, i, ("body", "head")) for i in range(rows.stop)]
        mean = self._transferred(
            self._draw([_average(moved) for moved in zip(*small, strict=True)])
        )
        return np.concatenate([self.central[: len(BODIES["large"])], mean])

    def combine(
        self, amplitudes: Float[np.ndarray, " parts"], parts: PartMaps
    ) -> Float32[np.ndarray, "box box box"]:
        """Add up parts."""
        return np.asarray(np.einsum("p,pzyx->zyx", amplitudes.astype(np.float32), parts))

    def mask(self, region: Region) -> Float32[np.ndarray, "box box box"]:
        """Return ones where a region has its density, in the middle of the motion."""
        density = self._draw(self.beads(region)).sum(axis=0)
        return np.asarray(density > MASK_LEVEL * density.max(), np.float32)

    def beads(self, region: Region) -> list[Beads]:
        """Return a region's beads in each body that has some, in the middle of the motion."""
        beads = [b for b in self._placed(central_motion(), 0) if set(b.parts) & set(region.parts)]
        return [b.take(tuple(p for p in b.parts if p in region.parts)) for b in beads]

    def _placed(
        self, placed: dict[str, Placement], index: int, bodies: tuple[str, ...] = tuple(BODIES)
    ) -> list[Beads]:
        """Return the beads of bodies where they are in one particle."""
        whole = [(body, self.imaging.ribosome.take(BODIES[body])) for body in bodies]
        return [
            beads.moved(placed[body].rotation[index], placed[body].shift_angstrom[index])
            if body in placed
            else beads
            for body, beads in whole
        ]

    def _draw(self, bodies: list[Beads]) -> PartMaps:
        camera = self.imaging.camera
        return np.stack(
            [
                density_map(body.take((part,)), np.ones(1), camera.box, camera.pixel_size_angstrom)
                for body in bodies
                for part in body.parts
            ]
        )

    def _transferred(self, maps: PartMaps) -> PartMaps:
        camera = self.imaging.camera
        field = camera.box * camera.pixel_size_angstrom
        frequency = np.linalg.norm(wave_vectors_3d(camera.box), axis=0) / np.float32(field)
        factor = transfer(frequency, self.imaging.settings)
        return np.stack([inverse_3d(forward_3d(m) * factor, camera.box) for m in maps])


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
