"""What `cryofocus variance` is asked for, and what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from cryofocus.data.labels import pose_columns
from cryofocus.data.mask import FocusMask
from cryofocus.data.particle_table import Column
from cryofocus.data.particles import ParticleSet
from cryofocus.data.table_source import InvertChoice, TableSource
from cryofocus.errors import ParticleError, SettingError
from cryofocus.option import Option
from cryofocus.workflows.classify.request import ClassifyRequest, read_config
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.poses import read_poses

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
            of the box, or the resolution of the consensus if that is coarser; for a run with a
            focus, that of its classes.
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
    """Particles and the region in which they are compared, on one grid.

    Attributes:
        particles: At the poses at which they are compared.
        region: Of the particle, or in focus.
        solvent: Mask that the consensus is multiplied by, or None.
        settings: As asked for; what a run says itself is filled in.
        is_focused: Whether the region is a run's focus, so small that fine detail is cheap.
        columns: To write beside the coordinates: of a run, its classes and its poses.
    """

    particles: ParticleSet
    region: FocusMask
    solvent: FocusMask | None
    settings: VarianceSettings
    is_focused: bool = False
    columns: Mapping[str, Column] = field(default_factory=dict)


def read_variance_inputs(
    source: ParticleSet | Path | str, settings: VarianceSettings
) -> VarianceInputs:
    """Read the particles and the region, and check that they fit and suffice.

    Args:
        source: Particle table, or the set read from it; or run directory of classify: its
            particles, at its poses, in its region.
        settings: What to look for.

    Raises:
        InputError: When a file cannot be used.
        ParticleError: When there are too few particles for the axes asked for.
        RegionError: When the mask lies on another grid.
    """
    if isinstance(source, ParticleSet):
        table = source
        _require_enough(table, settings)
    elif Path(source).is_dir():
        return _read_run(RunDirectory.open(Path(source)), settings)
    else:
        table = _read_particles(Path(source), settings)
    grid = (table.box, table.pixel_size_angstrom)
    solvent = _read_solvent(table, settings)
    region = solvent or FocusMask.whole(*grid, soft_edge_angstrom=SOFT_EDGE_ANGSTROM)
    return VarianceInputs(table, region, solvent, settings)


def _read_run(run: RunDirectory, settings: VarianceSettings) -> VarianceInputs:
    """Read what a run compared, as it compared it."""
    job, request = run.read_job(), read_config(run.config)
    settings = _completed(settings, request)
    table = _read_particles(request.particles, settings)
    labels = run.read_posteriors(len(table)).argmax(axis=1)
    columns: dict[str, Column] = {"rlnClassNumber": labels + 1}
    poses = read_poses(run, labels, job.n_classes)
    if poses is not None:
        rotation, shift = poses
        table = replace(table, rotation=rotation, shift_angstrom=shift)
        columns |= pose_columns(rotation, shift)
    region = FocusMask.from_file(run.focus_mask, table.box, table.pixel_size_angstrom)
    is_focused = request.settings.method.needs_region
    return VarianceInputs(
        table, region, _read_solvent(table, settings), settings, is_focused, columns
    )


def _completed(settings: VarianceSettings, request: ClassifyRequest) -> VarianceSettings:
    """Fill in what a run was told of its images and was not said again."""
    told = {name: getattr(request, name) for name in TableSource.model_fields}
    told["solvent_mask"] = request.solvent_mask
    told["invert"] = request.settings.invert
    told["max_resolution_angstrom"] = request.settings.max_resolution_angstrom
    own = {name: getattr(settings, name) for name in settings.model_fields_set}
    return settings.model_copy(update=told | own)


def _read_particles(path: Path, settings: VarianceSettings) -> ParticleSet:
    """Read a table that holds enough particles for the axes asked for."""
    table = ParticleSet.read(path, datadir=settings.datadir, supplement=settings.supplement)
    _require_enough(table, settings)
    return table


def _require_enough(table: ParticleSet, settings: VarianceSettings) -> None:
    needed = PARTICLES_PER_AXIS * settings.n_dimensions
    if len(table) < needed:
        raise ParticleError(
            f"{table.source.path}: {len(table)} particles, too few to find "
            f"{settings.n_dimensions} axes of variation; expected at least {needed}. Give more "
            "particles or fewer --dimensions."
        )


def _read_solvent(table: ParticleSet, settings: VarianceSettings) -> FocusMask | None:
    if settings.solvent_mask is None:
        return None
    return FocusMask.from_file(settings.solvent_mask, table.box, table.pixel_size_angstrom)
