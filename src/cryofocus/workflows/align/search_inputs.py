"""What `cryofocus align search` is asked for, and what it reads and checks before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import model_validator

from cryofocus.arrays import Volume
from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.preparation import open_images
from cryofocus.consensus.reach import cropped_with_margin
from cryofocus.consensus.sampling import sample_map
from cryofocus.data.particles import ParticleSet
from cryofocus.data.table_source import InvertChoice, TableSource
from cryofocus.data.volume import read_volume_on_grid
from cryofocus.errors import InputError, SettingError
from cryofocus.logs import get_logger
from cryofocus.maps.rigid import RigidTransform
from cryofocus.maths.fourier import forward_3d, resize_volume
from cryofocus.maths.grids import coarse_box
from cryofocus.maths.shells import fourier_shell_correlation
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.option import Option
from cryofocus.poses.scope import SearchScope, measure_diameter
from cryofocus.poses.search import n_shells
from cryofocus.workflows.run.new_names import require_format_of

logger = get_logger(__name__)

# A comparison over fewer shells tells hardly one view from another.
FEWEST_SHELLS = 5
# Of the box: how far particles may lie from its middle, unless it is said.
SHIFT_SHARE = 0.1
# The outline is measured at detail this fine; finer is no matter of its size.
OUTLINE_ANGSTROM = 30.0
# A map that is symmetric correlates with itself, turned, by nearly 1 in all shells.
LEAST_CORRELATION = 0.6
FINENESS = "Search range and sampling"


class AlignSearchSettings(TableSource):
    """How to search.

    Attributes:
        symmetry: Point group of the reference, in RELION's axes: of equivalent poses, one is
            found.
        max_resolution_angstrom: Finest detail compared, in Å.
        max_shift_angstrom: Largest shift tried, in Å. Default: a tenth of the box.
        angular_step_degrees: Angle between views at the first of several levels, in degrees.
            Default: 6, or what resolution and diameter require.
        particle_diameter_angstrom: Particle diameter around the box centre, in Å. Default:
            measured on the reference.
        invert: Whether protein is dark in the images; `auto` tries both on a sample.

    Raises:
        SettingError: When a number is out of its range.
    """

    symmetry: Annotated[str, Option(metavar="GROUP", panel=FINENESS)] = "C1"
    max_resolution_angstrom: Annotated[float, Option(panel=FINENESS)] = 20.0
    max_shift_angstrom: Annotated[float | None, Option(panel=FINENESS)] = None
    angular_step_degrees: Annotated[float | None, Option(panel=FINENESS)] = None
    particle_diameter_angstrom: Annotated[float | None, Option(panel=FINENESS)] = None
    invert: InvertChoice = "auto"

    @model_validator(mode="after")
    def _lengths_that_are_some(self) -> AlignSearchSettings:
        lengths: Mapping[str, float | None] = {
            "max_resolution": self.max_resolution_angstrom,
            "max_shift": self.max_shift_angstrom,
            "particle_diameter": self.particle_diameter_angstrom,
        }
        for name, value in lengths.items():
            if value is not None and not 0 < value < np.inf:
                raise SettingError(
                    f"{name}: found {value:g}, expected a length above 0. Give it in Å."
                )
        step = self.angular_step_degrees
        if step is not None and not 1 <= step <= 30:
            raise SettingError(
                f"angular_step: found {step:g}, expected 1 to 30 degrees, such as 6. It is the "
                "step of the first of several levels."
            )
        return self

    def deciding(self) -> dict[str, object]:
        """Return the settings that change the result."""
        return self.model_dump(mode="json", exclude={"datadir"})


@dataclass(frozen=True, eq=False)
class SearchInputs:
    """Everything that was read.

    Attributes:
        particles: Without poses.
        images: Of the particles, prepared, cropped to what is searched.
        volume: Reference on their grid.
        scope: What to search.
        files: The table and the reference.
    """

    particles: ParticleSet
    images: ParticleImages
    volume: Volume
    scope: SearchScope
    files: tuple[Path, Path]


def read_search_inputs(
    particles: Path, reference: Path, output: Path, settings: AlignSearchSettings, threads: int
) -> SearchInputs:
    """Read and check everything.

    Raises:
        InputError: When particles, images, reference or settings cannot be used.
    """
    supplement = replace(settings.supplement, needs_poses=False)
    table = ParticleSet.read(particles, datadir=settings.datadir, supplement=supplement)
    require_format_of(table.source, output)
    volume = read_volume_on_grid(reference, table.box, table.pixel_size_angstrom).data
    if volume.min() == volume.max():
        raise InputError(
            f"{reference}: the same value in every voxel; expected a map with density. Check "
            "that this is the right file."
        )
    scope = _choose_scope(table, volume, settings)
    resolution = scope.max_resolution_angstrom
    require_symmetry(reference, volume, table.pixel_size_angstrom, scope.operators, resolution)
    images = open_images(table, settings.invert, threads=threads)
    extent = table.box * table.pixel_size_angstrom
    images = cropped_with_margin(images, n_shells(extent, resolution))
    volume = sample_map(volume, images.particles.box, threads=threads)
    return SearchInputs(table, images, volume, scope, (particles, reference))


def _choose_scope(
    table: ParticleSet, volume: Volume, settings: AlignSearchSettings
) -> SearchScope:
    """Settle resolution, diameter and shifts."""
    pixel, extent = table.pixel_size_angstrom, table.box * table.pixel_size_angstrom
    resolution = settings.max_resolution_angstrom
    if resolution < 2 * pixel:
        logger.warning(
            "max_resolution: %.2f Å is beyond the images' Nyquist frequency; %.2f Å is used",
            *(resolution, 2 * pixel),
        )
        resolution = 2 * pixel
    shells = n_shells(extent, resolution)
    if shells < FEWEST_SHELLS:
        raise SettingError(
            f"max_resolution: {resolution:g} Å leaves {shells} Fourier shells of images of "
            f"{extent:.0f} Å; expected at least {FEWEST_SHELLS}, which reach "
            f"{extent / (FEWEST_SHELLS - 1):.0f} Å. Give a finer --max-resolution."
        )
    diameter = settings.particle_diameter_angstrom
    if diameter is None:
        outline = max(OUTLINE_ANGSTROM, resolution)
        diameter = measure_diameter(volume, pixel, outline)
        logger.info("particle diameter, measured on the reference: %.0f Å", diameter)
    if not 2 * resolution <= diameter <= extent:
        raise SettingError(
            f"particle_diameter: {diameter:.0f} Å, expected at least twice the resolution of "
            f"{resolution:g} Å and at most the box of {extent:.0f} Å. Give another "
            "--particle-diameter or --max-resolution."
        )
    shift = settings.max_shift_angstrom or SHIFT_SHARE * extent
    if shift > extent / 2:
        raise SettingError(
            f"max_shift: found {shift:g} Å, expected at most half of the box, {extent / 2:.0f} Å. "
            "Give a smaller --max-shift."
        )
    operators = OperatorSet.point_group(settings.symmetry)
    return SearchScope(resolution, shift, diameter, operators, settings.angular_step_degrees)


def require_symmetry(
    path: Path,
    volume: Volume,
    pixel: float,
    operators: OperatorSet,
    max_resolution_angstrom: float,
) -> None:
    """Refuse a symmetry that the reference does not have: it would hide the right poses.

    Raises:
        InputError: When the map, turned by an operator, does not correlate with itself.
    """
    box = len(volume)
    shells = n_shells(box * pixel, max_resolution_angstrom)
    small = resize_volume(volume, coarse_box(box, shells))
    voxel, half = box * pixel / len(small), forward_3d(small.copy())
    for operator in operators.rotation[1:]:
        motion = RigidTransform(operator, np.zeros(3))
        turned = forward_3d(motion.move_map(small, voxel))
        correlation = fourier_shell_correlation(half, turned, len(small))
        # Every coefficient counts once: the first few shells hold little but the outline.
        mean = float(np.average(correlation[1:shells], weights=np.arange(1, shells) ** 2))
        if mean < LEAST_CORRELATION:
            axis = ", ".join(f"{value:.2f}" for value in motion.axis)
            raise InputError(
                f"{path}: does not have the symmetry {operators.name}: turned by "
                f"{motion.angle_degrees:.0f} degrees about ({axis}) it correlates with itself by "
                f"{mean:.2f} (mean over Fourier coefficients to {max_resolution_angstrom:g} Å), "
                f"expected at least {LEAST_CORRELATION}. Give the --symmetry that the map has in "
                "RELION's axes, or symmetrise it about these first."
            )
