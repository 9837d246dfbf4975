"""`--focus auto` to its end: where the region that was found cuts what differs, a wider one."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cryofocus.data.atomic import explain_write_errors
from cryofocus.data.volume import read_volume
from cryofocus.errors import Interrupted, RegionError, SettingError
from cryofocus.formatting import format_percent
from cryofocus.workflows.classify.groundwork import Groundwork
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.found_region import SEARCH, FoundRegion, find_region
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.files import RunFiles
from cryofocus.workflows.run.job import Finding, FindingCode, JobRecord
from cryofocus.workflows.run.new_directory import DirectoryKind, new_directory
from cryofocus.workflows.variance.result import VarianceResult

logger = logging.getLogger(__name__)

MOST_REGIONS = 3
KIND = DirectoryKind("record of a region that was tried", RunFiles.job.name)
# Of a region that was too narrow, this is kept: what was found in it, and the mask that came next.
KEPT = tuple(
    file.name
    for file in (
        RunFiles.job,
        RunFiles.config,
        RunFiles.classes,
        RunFiles.log,
        RunFiles.focus_mask,
        RunFiles.proposed_region,
    )
)


def classify_where_it_varies(  # noqa: PLR0913  # as `classify`, and what completes `variance`
    request: ClassifyRequest,
    output: Path,
    *,
    overwrite: bool,
    resume: bool,
    command: str,
    progress: Progress | None,
    finish: Callable[[VarianceResult], object],
) -> RunDirectory:
    """Find the region that varies most and classify there; in a wider one where it is too narrow.

    A region that cuts what its classes differ in may hide states. The classification is then
    replaced by one in the region that holds all of it, as long as that grows, in at most
    `MOST_REGIONS` regions. What was found in the narrower ones stays in `regions` of the run
    directory, without maps and rows of particles. Which region is next follows from what lies in
    the run directory, so that a process killed at any moment can be resumed.

    Args:
        request: With `auto` for its focus.
        output: Run directory.
        overwrite: Replace an existing run.
        resume: Finish the run that is there, to the result it would have had uninterrupted.
        command: What the user typed.
        progress: Display.
        finish: Adds to the result of `variance` what `cryofocus.variance` adds.

    Raises:
        CryofocusError: As `find_region` and `classify`.
    """
    found = find_region(
        request, output, overwrite=overwrite, resume=resume, progress=progress, finish=finish
    )
    run, is_first = RunDirectory(output), True
    while True:
        number = _number(found.request, run)
        try:
            classify(
                found.request,
                output,
                overwrite=overwrite or not is_first,
                resume=is_first and not overwrite,
                command=command,
                progress=progress,
                groundwork=_tell(found.groundwork, run, number),
            )
        except (RegionError, SettingError) as error:
            if is_first:
                raise
            # The run in the narrower region is back in its place.
            logger.warning("the wider region cannot be classified: %s", error)
            return run
        except Interrupted as interruption:
            raise Interrupted(
                f"{run.path}: stopped; run the same command with --resume to finish it."
            ) from interruption
        wider = _widen(found, run, number)
        if wider is None:
            _forget(run, number)
            return run
        found, is_first = wider, False


def _number(request: ClassifyRequest, run: RunDirectory) -> int:
    """Count the regions up to that of a request, from 1."""
    if request.mask is None or request.mask.name != RunFiles.proposed_region.name:
        return 1
    folder = request.mask.parent
    is_ours = folder.parent.absolute() == run.regions.absolute() and folder.name.isdecimal()
    return int(folder.name) + 1 if is_ours else 1


def _widen(found: FoundRegion, run: RunDirectory, number: int) -> FoundRegion | None:
    """Propose the next region; None where this one will do, or is the last."""
    cut = _cut(run.read_job())
    was_searched = run.variance.is_dir()
    if cut is None or number == MOST_REGIONS or not was_searched:
        return None
    if not _takes_mask(found.request) or (number > 1 and not _grows(run)):
        return None
    with new_directory(run.regions / str(number), KIND, overwrite=True) as folder:
        for name in KEPT:
            shutil.copyfile(run.path / name, folder / name)
    mask = run.regions / str(number) / RunFiles.proposed_region.name
    logger.info(
        "the region cuts what differs (%s of it lies outside): classifying again in %s",
        *(format_percent(cut.figures["outside_share"]), mask),
    )
    clock = found.groundwork.clock.gathered(SEARCH)
    return FoundRegion(
        found.request.model_copy(update={"focus": None, "map": None, "mask": mask}),
        replace(found.groundwork, clock=clock),
    )


def _takes_mask(request: ClassifyRequest) -> bool:
    """Whether all that was asked for means something with a mask, too."""
    try:
        request.settings.require_region("mask file")
    except SettingError:
        return False
    return True


def _grows(run: RunDirectory) -> bool:
    """Whether the region that a run proposes is larger than its own."""
    own, proposed = (
        read_volume(path).data.sum(dtype=np.float64)
        for path in (run.focus_mask, run.proposed_region)
    )
    return bool(proposed > own)


def _cut(job: JobRecord) -> Finding | None:
    return next((one for one in job.findings if one.code is FindingCode.REGION_CUTS), None)


def _tell(groundwork: Groundwork, run: RunDirectory, number: int) -> Groundwork:
    """Add to how the region was found which narrower ones were tried."""
    tried = [
        JobRecord.read(run.regions / str(earlier) / RunFiles.job.name)
        for earlier in range(1, number)
    ]
    if not tried or not groundwork.findings:
        return groundwork
    first, *others = groundwork.findings
    told = " ".join([first.text, *_say_tried(tried, run)])
    figures = {**first.figures, "n_regions_tried": float(number)}
    first = first.model_copy(update={"text": told, "figures": figures})
    return replace(groundwork, findings=(first, *others))


def _say_tried(tried: Sequence[JobRecord], run: RunDirectory) -> Iterator[str]:
    for number, job in enumerate(tried, start=1):
        cut = _cut(job)
        which, again = ("It cuts", "") if number == 1 else ("That one cuts", ", too")
        share = "" if cut is None else f"{format_percent(cut.figures['outside_share'])} of it"
        mask = run.regions / str(number) / RunFiles.proposed_region.name
        yield (
            f"{which} what differs{again} ({share} lies outside; "
            f"{job.n_effective_classes or job.n_classes} classes there), so the particles were "
            f"classified again in the region that holds all of it, {mask}."
        )


def _forget(run: RunDirectory, number: int) -> None:
    """Delete what an earlier run left of regions that this one did not try."""
    if not run.regions.is_dir():
        return
    with explain_write_errors(run.regions):
        # Beside them lie the locks of names that this command has claimed.
        for folder in filter(Path.is_dir, run.regions.iterdir()):
            if not (folder.name.isdecimal() and int(folder.name) < number):
                shutil.rmtree(folder)
        if not any(run.regions.iterdir()):
            run.regions.rmdir()
