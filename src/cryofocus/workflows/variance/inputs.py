"""What `cryofocus variance` is asked for, and what it reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.data.table_source import InvertChoice, TableSource
from cryofocus.errors import ParticleError, SettingError
from cryofocus.option import Option

# Variances of fewer maps are mostly noise of their own.
FEWEST_RESAMPLES = 10
PARTICLES_PER_AXIS = 20
SOFT_EDGE_ANGSTROM = 8.0


class VarianceSettings(TableSource):
    """What to look for.

    Attributes:
        solvent_mask: Mask of the particle; differences are sought only inside it.
        n_dimensions: Number of axes of variation to look for.
        n_bootstrap: Also measure the variance of this many maps of resampled particles; 100 is
            typical.
        n_spheres: Maximum number of focus spheres to propose.
        level_fraction: Fraction of the largest variance above which a voxel counts.
        join_angstrom: Places that vary together are one region if at most this far apart, in Å.
        max_resolution_angstrom: Finest resolution of the variance map, in Å. Default: a sixteenth
            of the box, or the resolution of the consensus if that is coarser.
        invert: Whether protein is dark in the images; `auto` decides from the density.
        seed: Random seed.

    Raises:
        SettingError: When a number is out of its range.
    """

    solvent_mask: Path | None = None
    n_dimensions: int = Field(default=6, ge=1)
    n_bootstrap: Annotated[int, Option(metavar="N")] = Field(default=0, ge=0)
    n_spheres: int = Field(default=4, ge=1)
    level_fraction: Annotated[float, Option("--level")] = 0.1
    join_angstrom: float = Field(default=40.0, ge=0)
    max_resolution_angstrom: float | None = Field(default=None, ge=0.1)
    invert: InvertChoice = "auto"
    seed: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _numbers_that_mean_something(self) -> VarianceSettings:
        if self.n_bootstrap != 0 and self.n_bootstrap < FEWEST_RESAMPLES:
            raise SettingError(
                f"bootstrap: found {self.n_bootstrap} maps, expected 0 or at least "
                f"{FEWEST_RESAMPLES}. The variance of so few is mostly noise; 100 are usual."
            )
        if not 0 < self.level_fraction < 1:
            raise SettingError(
                f"level: found {self.level_fraction:g}, expected a part of the largest variance "
                "between 0 and 1, such as 0.1."
            )
        return self


@dataclass(frozen=True, eq=False)
class VarianceInputs:
    """Particles and the region of the particle, on one grid."""

    particles: ParticleSet
    region: FocusMask
    solvent: FocusMask | None


def read_variance_inputs(particles: Path | str, settings: VarianceSettings) -> VarianceInputs:
    """Read the particle table and the mask, and check that they fit and suffice.

    Raises:
        InputError: When a file cannot be used.
        ParticleError: When there are too few particles for the axes asked for.
        RegionError: When the mask lies on another grid.
    """
    table = ParticleSet.read(particles, datadir=settings.datadir, supplement=settings.supplement)
    needed = PARTICLES_PER_AXIS * settings.n_dimensions
    if len(table) < needed:
        raise ParticleError(
            f"{particles}: {len(table)} particles, too few to find {settings.n_dimensions} axes "
            f"of variation; expected at least {needed}. Give more particles or fewer --dimensions."
        )
    grid = (table.box, table.pixel_size_angstrom)
    solvent = None
    if settings.solvent_mask is not None:
        solvent = FocusMask.from_file(settings.solvent_mask, *grid)
    region = solvent or FocusMask.whole(*grid, soft_edge_angstrom=SOFT_EDGE_ANGSTROM)
    return VarianceInputs(table, region, solvent)
