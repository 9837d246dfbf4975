"""`cryofocus covary`: which regions vary together, over classes, units and particles."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryofocus.version import __version__
from cryofocus.workflows.covary import record as files
from cryofocus.workflows.covary.coupling import warn_of_surroundings
from cryofocus.workflows.covary.inputs import CovarySettings, name_masks, read_covary_inputs
from cryofocus.workflows.covary.levels import compare_classes, compare_units
from cryofocus.workflows.covary.particle_level import compare_particles
from cryofocus.workflows.covary.summary import summarise
from cryofocus.workflows.covary.tables import (
    describe_classes,
    describe_particles,
    describe_unit,
    write_tables,
)
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.progress import Progress, SilentProgress
from cryofocus.workflows.machine.resources import use_process
from cryofocus.workflows.run.log import record_log
from cryofocus.workflows.run.new_directory import leave, new_directory
from cryofocus.workflows.run.stack_watch import StackWatch
from cryofocus.workflows.run.writing import write_text

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CovaryResult:
    """The directory written and what its covary.json holds."""

    directory: Path
    record: files.CovaryRecord

    def summary(self) -> str:
        """Say which regions vary together: over classes, over particles and over units."""
        return summarise(self.record)


def covary(  # noqa: PLR0913  # three paths, what to do with them and by what means
    sources: Sequence[Path | str] | Path | str,
    regions: Mapping[str, Path | str] | Sequence[str] | Path | str,
    output: Path | str,
    settings: CovarySettings | None = None,
    *,
    machine: Machine | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    finish: Callable[[Path], object] = leave,
) -> CovaryResult:
    """Do what `cryofocus.covary` says, but for its page, which `finish` makes."""
    settings, output = settings or CovarySettings(), Path(output)
    progress = progress or SilentProgress()
    resources = use_process(machine)
    files.KIND.require_usable(output, overwrite=overwrite)
    masks = name_masks(regions)
    sources = [sources] if isinstance(sources, str | Path) else sources
    with (
        new_directory(output, files.KIND, overwrite=overwrite) as folder,
        record_log(folder / files.LOG) as warnings,
    ):
        inputs = read_covary_inputs([Path(source) for source in sources], masks, settings)
        classes = compare_classes(inputs, settings, progress) if inputs.runs else None
        units = [
            describe_unit(run.name, number, entry)
            for run, number, entry in compare_units(inputs, settings)
        ]
        stacks = None if inputs.particles is None else StackWatch.begin(inputs.particles)
        particles = compare_particles(inputs, settings, resources, progress)
        if stacks is not None:
            stacks.warn()
        record = files.CovaryRecord(
            version=__version__,
            sources=tuple(str(source) for source in sources),
            regions=tuple(masks),
            region_files=tuple(str(path) for path in masks.values()),
            class_level=None if classes is None else describe_classes(classes, inputs.runs),
            particle_level=None if particles is None else describe_particles(particles),
            unit_level=tuple(units),
        )
        warn_of_surroundings(record)
        record = record.model_copy(update={"warnings": tuple(warnings)})
        write_tables(folder, record, particles)
        record.write(folder / files.RECORD)
        write_text(folder / files.README, files.readme_text())
        finish(folder)
    return CovaryResult(output, record)
