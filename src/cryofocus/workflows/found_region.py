"""A region in focus that nobody knew: where the particles vary most."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryofocus.data.table_source import TableSource
from cryofocus.errors import FormatError, InputError, Interrupted, RegionError, SettingError
from cryofocus.formatting import format_angstrom, format_count, format_percent
from cryofocus.workflows.classify.groundwork import Groundwork, ReadParticles
from cryofocus.workflows.classify.inputs import read_inputs
from cryofocus.workflows.classify.monitor import RunMonitor
from cryofocus.workflows.classify.proposed_region import format_sphere
from cryofocus.workflows.classify.request import OF_FILES, ClassifyRequest, read_config
from cryofocus.workflows.machine.hardware import StageClock
from cryofocus.workflows.machine.progress import Progress, SilentProgress
from cryofocus.workflows.run.checkpoint import Checkpoint, Fingerprint, fingerprint_run
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import Finding, FindingCode, Severity
from cryofocus.workflows.run.stack_watch import StackWatch
from cryofocus.workflows.variance.inputs import PARTICLES_PER_AXIS, VarianceSettings
from cryofocus.workflows.variance.result import REGIONS, RegionRow, VarianceResult
from cryofocus.workflows.variance.run import variance

logger = logging.getLogger(__name__)

SEARCH = "region search"
"""The stage of a run in which its region is found."""


@dataclass(frozen=True, eq=False)
class FoundRegion:
    """A request whose region was found, and what was read and found on the way."""

    request: ClassifyRequest
    groundwork: Groundwork


def find_region(
    request: ClassifyRequest,
    output: Path,
    *,
    overwrite: bool,
    resume: bool,
    progress: Progress | None,
    finish: Callable[[VarianceResult], object],
) -> FoundRegion:
    """Put the region that varies most in place of `auto`.

    The variance stays in the run directory, and until then what the search has found so far. A
    run that is resumed keeps its region, and goes on with a search that was interrupted; so does
    one that overwrites, if that search was the same.

    Args:
        request: With `auto` for its focus.
        output: Run directory.
        overwrite: Whether the run that is there will be replaced.
        resume: Whether the run that is there will be finished.
        progress: Display.
        finish: Adds to the result of `variance` what `cryofocus.variance` adds.

    Raises:
        RegionError: When nothing varies; nothing is left behind then.
        InputError: As `classify`.
        OutputError: As `classify`.
        Interrupted: On Ctrl-C, after what the search has found was saved.
    """
    RunDirectory.require_usable(output, overwrite=overwrite, resume=resume)
    run, clock = RunDirectory(output), StageClock()
    with clock.stage("reading"):
        table = ReadParticles.read(request)
        n_particles = len(read_inputs(request, Groundwork(table=table)).particles)
    if resume and run.config.is_file():
        before = read_config(run.config)
        if before.mask is not None or isinstance(before.focus, tuple):
            said = {name: getattr(before, name) for name in ("focus", "mask", "map")}
            placed = request.model_copy(update=said)
            return FoundRegion(placed, Groundwork(_findings(run), clock, table, was_searched=True))

    asked = _ask(request, n_particles)
    state = Checkpoint(run.search, _fingerprint(request, asked, table))
    monitor = RunMonitor(state, progress or SilentProgress(), clock)
    _begin(monitor, state, may_differ=overwrite)

    def complete(found: VarianceResult) -> None:
        monitor.flush()
        if not found.proposals:
            state.remove()
            raise RegionError(_say_nothing_varies(request.particles, found, n_particles))
        finish(found)

    is_new = not overwrite and not run.config.is_file()
    RunDirectory.create(output, overwrite=overwrite, resume=resume)
    logger.info("looking for the region that varies most, to look for classes in it")
    with (
        run.forgotten_when_refused(is_new=is_new, refusals=(InputError,)),
        _stopped(run, overwrite=overwrite),
        monitor.keeping(output),
    ):
        found = variance(
            table.particles,
            run.variance,
            asked,
            machine=request.machine.here,
            overwrite=overwrite or resume,
            monitor=monitor,
            finish=complete,
        )
    clock = clock.gathered(SEARCH)
    sphere = {"focus": found.proposals[0].sphere, "map": request.solvent_mask}
    findings = _findings(run)
    logger.info("%s", findings[0].text)
    return FoundRegion(
        request.model_copy(update=sphere),
        Groundwork(findings, clock, table.renewed(request), was_searched=True),
    )


def _fingerprint(
    request: ClassifyRequest, asked: VarianceSettings, table: ReadParticles
) -> Fingerprint:
    """Collect what must be the same when a search is resumed."""
    settings = asked.model_dump(mode="json", exclude=OF_FILES)
    solvent = () if request.solvent_mask is None else (request.solvent_mask,)
    files = (request.particles, *solvent, *request.passthrough)
    return fingerprint_run(settings, files, StackWatch.begin(table.particles).states)


def _begin(monitor: RunMonitor, state: Checkpoint, *, may_differ: bool) -> None:
    """Look at what an interrupted search has left; forget what is of another, if it may be."""
    try:
        monitor.begin()
    except (SettingError, FormatError):
        if not may_differ:
            raise
        state.remove()
    if state.path.is_file():
        logger.info("%s: going on with the search that was stopped", state.path.parent)


@contextmanager
def _stopped(run: RunDirectory, *, overwrite: bool) -> Iterator[None]:
    """Say how to go on where the run that is to be replaced is still there."""
    try:
        yield
    except Interrupted as interruption:
        if not overwrite:
            raise
        raise Interrupted(
            f"{run.path}: stopped while its region was looked for; what was there is as it was. "
            "The same command, again with --overwrite, goes on."
        ) from interruption


def _ask(request: ClassifyRequest, n_particles: int) -> VarianceSettings:
    """Ask for the variance of the same particles; of few, along fewer axes."""
    told = {name: getattr(request, name) for name in TableSource.model_fields}
    most = VarianceSettings.model_fields["n_dimensions"].default
    return VarianceSettings(
        **told,
        solvent_mask=request.solvent_mask,
        n_dimensions=max(1, min(most, n_particles // PARTICLES_PER_AXIS)),
        invert=request.settings.invert,
        seed=request.settings.seed,
    )


def _findings(run: RunDirectory) -> tuple[Finding, ...]:
    table = run.variance / REGIONS
    rows = RegionRow.read(table) if table.is_file() else []
    return tuple(_tell(rows[0], len(rows)) for _ in rows[:1])


def _tell(row: RegionRow, n_regions: int) -> Finding:
    """Say which region was taken, why, and what else there is."""
    sphere = (row.x_angstrom, row.y_angstrom, row.z_angstrom, row.radius_angstrom)
    others = n_regions - 1
    listed = f"{RunDirectory.variance.name}/{REGIONS} lists all with their commands"
    more = f"{others} other{'s' if others > 1 else ''} vary" if others > 1 else "one other varies"
    return Finding(
        code=FindingCode.REGION_FOUND,
        severity=Severity.NOTE,
        text=(
            f"The region was found in these particles: the sphere {format_sphere(sphere)} holds "
            f"{format_percent(row.variance_share)} of the variance that both half sets confirm"
            f"{', more than any other' if others else ''} (states: {row.states_text})"
            + (f"; {more}, {listed}." if others else ".")
        ),
        figures={"variance_share": row.variance_share, "n_regions": float(n_regions)},
    )


def _say_nothing_varies(table: Path, found: VarianceResult, n_particles: int) -> str:
    looked = (
        f"{format_count(n_particles)} particles at {format_angstrom(found.resolution_angstrom)}"
    )
    return (
        f"{table}: found no region that varies: of {looked}, the half sets confirm "
        f"{found.n_axes} axes of variation, expected at least one inside the box. Give "
        "--focus X,Y,Z,R if you know where to look, since classify compares finer detail than "
        "this search; or more particles. cryofocus variance shows what it saw."
    )
