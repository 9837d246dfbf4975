"""What `cryofocus variance` is asked for, and what it reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryofocus.data.mask import FocusMask
from cryofocus.data.particle_table import Supplement
from cryofocus.data.particles import ParticleSet
from cryofocus.errors import ParticleError, SettingError

# Variances of fewer maps are mostly noise of their own.
FEWEST_RESAMPLES = 10
PARTICLES_PER_AXIS = 20
SOFT_EDGE_ANGSTROM = 8.0


@dataclass(frozen=True)
class VarianceSettings:
    """What to look for.

    Attributes:
        datadir: Folder in which image stacks are looked up first.
        supplement: What the particle table leaves to the user to say.
        solvent_mask: Region of the particle; its deviations are looked for inside only.
        n_dimensions: Axes of the subspace.
        max_resolution_angstrom: Finest resolution of the variance map; None takes a sixteenth of
            the box, or the resolution of the consensus where that is coarser.
        n_bootstrap: Maps of resampled particles, for the variance by bootstrap; 0 for none.
        n_spheres: Focus spheres to propose at most.
        level_fraction: Part of the largest variance from which on a voxel counts.
        join_angstrom: Gap across which places that vary together are one region.
        invert: Whether protein is dark in the images; "auto" looks at the density.
        seed: Of everything random.

    Raises:
        SettingError: When a number is out of its range.
    """

    datadir: Path | None = None
    supplement: Supplement | None = None
    solvent_mask: Path | None = None
    n_dimensions: int = 6
    max_resolution_angstrom: float | None = None
    n_bootstrap: int = 0
    n_spheres: int = 4
    level_fraction: float = 0.1
    join_angstrom: float = 40.0
    invert: Literal["auto", "yes", "no"] = "auto"
    seed: int = 1

    def __post_init__(self) -> None:
        if self.n_dimensions < 1:
            raise SettingError(
                f"dimensions: found {self.n_dimensions}, expected at least 1. Give the number of "
                "axes to look for, such as 6."
            )
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
