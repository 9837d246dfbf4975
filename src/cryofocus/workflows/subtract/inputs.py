"""What `subtract` is asked and what it reads, checked before any image is touched."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from cryofocus.arrays import Volume
from cryofocus.consensus.sampling import masked
from cryofocus.consensus.subparticles import (
    Point,
    SubParticles,
    centre_of_mass_angstrom,
    locate_subparticles,
)
from cryofocus.data.formats import open_table
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.data.table_source import TableSource
from cryofocus.data.volume import read_volume_on_grid
from cryofocus.errors import OutputError, RegionError, SettingError
from cryofocus.maths.masks import mask_bounds
from cryofocus.option import Option
from cryofocus.workflows.subtract.table import require_editable, subtracted_in

logger = logging.getLogger(__name__)

# A mask this close to 1 everywhere, or a map of this share of power outside it, leaves nothing.
NOTHING = 1e-3
AUTO = Path("auto")
DENSITY, CUT = "Density to subtract", "Cropping"


class SubtractSettings(TableSource):
    """How to subtract.

    Attributes:
        map: Map of the whole particle, in any grey scale; with a second half map, the half map of
            half set 1. Default: `auto`, both half maps reconstructed from the particles.
        half2: Half map of half set 2.
        recenter: Crop images around the mask's centre of mass; requires a box.
        box: Edge of the cropped images in pixels, even.
        float16: Write half-precision images (MRC mode 12).
        seed: Random seed of the half sets, if the table has none.
    """

    map: Annotated[
        Path | None,
        BeforeValidator(lambda value: None if value == AUTO else value),
        Option(metavar="auto|MAP", panel=DENSITY),
    ] = None
    half2: Annotated[Path | None, Option(panel=DENSITY)] = None
    recenter: Annotated[bool, Option(panel=CUT)] = False
    box: Annotated[int | None, Option(metavar="N", panel=CUT)] = None
    float16: Annotated[bool, Option(panel="Output")] = False
    seed: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _fit_together(self) -> SubtractSettings:
        """Check that the options fit together."""
        if self.half2 is not None and self.map is None:
            raise SettingError(
                "half2: given without a first half map. Give the map of half set 1 with --map and "
                "that of half set 2 with --half2."
            )
        if self.recenter and self.box is None:
            raise SettingError(
                "recenter: needs the edge of the images to cut. Add --box N, in pixels."
            )
        if self.box is not None and not self.recenter:
            raise SettingError(
                "box: images are cut around the mask only. Add --recenter, or leave --box out."
            )
        if self.box is not None and (self.box < 2 or self.box % 2):
            raise SettingError(
                f"box: found {self.box}, expected an even number of pixels; other programs read "
                f"no odd boxes. Give --box {max(self.box + 1, 2)}."
            )
        return self


@dataclass(frozen=True, eq=False)
class SubtractInputs:
    """Particles, the mask that is kept, maps if any were given, and how images are cut.

    Attributes:
        particles: The particle set.
        mask: What is kept, on the particles' grid.
        maps: None, one for both half sets, or one per half set.
        centre_angstrom: x, y, z of the mask's middle in Å from the box centre, a voxel.
        cut: Where each image is cut; None where images stay whole.
    """

    particles: ParticleSet
    mask: FocusMask
    maps: tuple[Volume, ...]
    centre_angstrom: Point
    cut: SubParticles | None


def read_subtract_inputs(
    particles: Path, keep: Path, output: Path, settings: SubtractSettings
) -> SubtractInputs:
    """Read the table, mask and maps, and check that everything fits together.

    Raises:
        InputError: When a file cannot be used, or particles, mask, maps and settings disagree.
        OutputError: When the result would replace what it is made from.
    """
    opened = open_table(particles, settings.supplement)
    subtracted_in(opened)  # refused before any image is looked at
    table = ParticleSet.from_table(
        opened, datadir=settings.datadir, supplement=settings.supplement
    )
    require_editable(table)
    _require_elsewhere(output, [particles, keep, *table.stack_paths])
    mask = FocusMask.from_file(keep, table.box, table.pixel_size_angstrom)
    mask.require_outside()
    maps = tuple(
        read_volume_on_grid(path, table.box, table.pixel_size_angstrom).data
        for path in (settings.map, settings.half2)
        if path is not None
    )
    for volume in maps:
        require_density(mask, volume)
    centre = centre_of_mass_angstrom(mask.data, table.pixel_size_angstrom)
    cut = None
    if settings.box is not None:
        smallest = 2 * (mask_radius_pixels(mask, centre) + 1)
        _require_box(settings.box, smallest, table)
        cut = locate_subparticles(table, centre)
        _require_inside(cut, (smallest, settings.box), table)
    return SubtractInputs(table, mask, maps, centre, cut)


def require_density(mask: FocusMask, volume: Volume) -> None:
    """Check that a map holds anything that the mask does not keep.

    Raises:
        RegionError: When it does not.
    """
    removed = float(np.square(masked(volume, 1 - mask.data), dtype=np.float64).sum())
    if removed <= NOTHING**2 * float(np.square(volume, dtype=np.float64).sum()):
        raise RegionError(
            f"{mask.name}: the map holds no density outside this mask, so there is nothing to "
            "subtract. Give the mask of the region to keep, and a map of the whole particle."
        )


def mask_radius_pixels(mask: FocusMask, centre_angstrom: Point) -> int:
    """Return the half edge of the cube around a point that holds the mask."""
    box = mask.data.shape[0]
    middle = [box // 2 + round(c / mask.voxel_size_angstrom) for c in reversed(centre_angstrom)]
    pairs = zip(middle, mask_bounds(mask.data), strict=True)
    return int(max(max(m - bound.start, bound.stop - 1 - m) for m, bound in pairs))


def _require_elsewhere(output: Path, sources: list[Path]) -> None:
    """Refuse a directory that holds what is read: replacing it would delete the particles."""
    for source in sources:
        if output.resolve() in source.resolve().parents:
            raise OutputError(
                f"{output}: holds {source.name}, which is read here. Choose another place with -o."
            )


def _require_box(box: int, smallest: int, particles: ParticleSet) -> None:
    if box > particles.box:
        raise SettingError(
            f"box: found {box}, but the images have {particles.box} pixels. Give a smaller --box."
        )
    if box < smallest:
        raise SettingError(
            f"box: {box} pixels do not hold the mask, which reaches {smallest // 2 - 1} from its "
            f"centre of mass. Give --box {smallest} or more."
        )


def _require_inside(cut: SubParticles, boxes: tuple[int, int], particles: ParticleSet) -> None:
    """Refuse a cut that leaves an image: pixels that are not there cannot be made up.

    The boxes are the smallest that holds the mask, and the one asked for.
    """
    smallest, box = boxes
    reach = cut.reach_pixels(box, particles.box)
    if not reach.any():
        return
    n_out, farthest = int(np.count_nonzero(reach)), int(reach.max())
    fitting = box - 2 * farthest
    advice = (
        f"Give --box {fitting}"
        if fitting >= smallest
        else "No box that holds the mask fits all of them: leave these particles out"
    )
    raise SettingError(
        f"box: {box} pixels around the mask reach up to {farthest} beyond the edge of the image, "
        f"in {n_out} of {len(particles)} particles. {advice}, or subtract without --recenter."
    )
