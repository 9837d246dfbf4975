"""`cryofocus align search`: the pose of every particle from its image and a map alone."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np

from cryofocus.data.labels import (
    ANGLE_ERROR_LABEL,
    CONFIDENCE_LABEL,
    GAIN_LABEL,
    MARGIN_LABEL,
    SHIFT_ERROR_LABEL,
    pose_columns,
)
from cryofocus.data.stack_paths import note_image_folder
from cryofocus.errors import Interrupted, OutputError
from cryofocus.kernels.contract import SliceKernels
from cryofocus.poses.calibration import Calibration, calibrate, choose_sample, n_searches
from cryofocus.poses.search import FoundPoses, PoseSearch
from cryofocus.workflows.align.search_inputs import (
    AlignSearchSettings,
    SearchInputs,
    read_search_inputs,
)
from cryofocus.workflows.machine.display import shown
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.machine.resources import use_process
from cryofocus.workflows.run.checkpoint import Arrays, Checkpoint, fingerprint_run
from cryofocus.workflows.run.new_names import require_new_table
from cryofocus.workflows.run.stack_watch import StackWatch

logger = logging.getLogger(__name__)

Existing = Literal["refuse", "overwrite", "resume"]
# Particles between two checkpoints: at least so many, and no more than fifty checkpoints.
LEAST_BETWEEN, MOST_CHECKPOINTS = 512, 50
CONFIDENT = 0.9
# Fewer confident poses than this share, and something is wrong with images or reference.
FEW = 0.1


@dataclass(frozen=True)
class SearchedTable:
    """What was written.

    Attributes:
        path: The particle table.
        n_particles: Its rows.
        n_confident: Particles whose pose has a posterior probability of at least 0.9.
        n_orientations: Views, turns and shifts compared with each image at the first level.
        angle_error_degrees: Median error to expect of angles if the right answers were found.
        shift_error_angstrom: The same of shifts.
    """

    path: Path
    n_particles: int
    n_confident: int
    n_orientations: int
    angle_error_degrees: float
    shift_error_angstrom: float


@shown
def align_search(  # noqa: PLR0913  # three paths, what to do with them and by what means
    particles: Path | str,
    reference: Path | str,
    output: Path | str,
    settings: AlignSearchSettings | None = None,
    *,
    machine: Machine | None = None,
    existing: Existing = "refuse",
    progress: Progress | None = None,
) -> SearchedTable:
    """Find the pose of every particle by comparing its image with a map from all sides.

    The poses that the particles have are not looked at, and need not be there. The table keeps
    its own rows; angles and origins are replaced, and five columns say how sure they are:
    `cryofocusPoseConfidence` (posterior probability of this answer among all that were
    followed), `cryofocusPoseMargin` (log-likelihood over the next best), `cryofocusPoseGain` (over
    an image of nothing but noise), and the errors to expect if the answer is right,
    `cryofocusPoseAngleError` (degrees) and `cryofocusPoseShiftError` (Å).

    Args:
        particles: Particle table.
        reference: Map on the particles' grid, protein positive, in any grey scale.
        output: Table to write, in the format of the one that is read.
        settings: Defaults if left out.
        machine: What computes; the processors of this process if left out.
        existing: "overwrite" replaces an existing table, "resume" continues a search that was
            interrupted, to the same result.
        progress: Display; by default bars or lines, as `classify` chooses them.

    Raises:
        InputError: When particles, images, map or settings cannot be used.
        OutputError: When the table exists (unless overwritten) or cannot be written.
        Interrupted: When the user stops it; `existing="resume"` continues.
    """
    settings, output = settings or AlignSearchSettings(), Path(output)
    assert progress is not None  # shown gives one
    kept_in = output.with_name(f".{output.name}.search.npz")
    if existing == "resume" and output.exists() and not kept_in.exists():
        raise OutputError(
            f"{output}: exists, and no unfinished search lies beside it, so that nothing is left "
            "to resume. Replace it with --overwrite, or choose another name with -o."
        )
    # A search that was stopped may have begun by replacing a table, or have written its own.
    may_replace = existing == "overwrite" or (existing == "resume" and kept_in.exists())
    require_new_table(output, Path(particles), overwrite=may_replace)
    resources = use_process(machine)
    inputs = read_search_inputs(
        Path(particles), Path(reference), output, settings, resources.threads
    )
    stacks = StackWatch.begin(inputs.particles)
    checkpoint = Checkpoint(
        kept_in,
        fingerprint_run(settings.deciding(), inputs.files, stacks.states),
    )
    kept = _resume(checkpoint) if existing == "resume" else None
    try:
        search, found = _search(inputs, resources.kernels, checkpoint, kept, progress)
    except KeyboardInterrupt as interruption:
        raise Interrupted(
            "Interrupted. The same command with --resume continues from the last of the particles "
            "that were kept."
        ) from interruption
    inputs.particles.write(output, _columns(found))
    note_image_folder(output, inputs.particles.source, datadir=settings.datadir)
    checkpoint.remove()
    stacks.warn()
    return _summarise(output, search, found)


@dataclass(frozen=True, eq=False)
class _UnderWay:
    """A search of which some particles, from the first on, are done."""

    calibration: Calibration
    found: FoundPoses
    n_done: int


def _pack(state: _UnderWay) -> Arrays:
    arrays = {field.name: getattr(state.found, field.name) for field in fields(FoundPoses)}
    return state.calibration.as_arrays() | arrays | {"n_done": np.array(state.n_done)}


def _resume(checkpoint: Checkpoint) -> _UnderWay | None:
    """Return what an interrupted search left; None if it left nothing."""
    arrays = checkpoint.load()
    if arrays is None:
        logger.info("no unfinished search beside the output; starting with the first particle")
        return None
    found = FoundPoses(*(arrays[field.name] for field in fields(FoundPoses)))
    return _UnderWay(Calibration.from_arrays(arrays), found, int(arrays["n_done"]))


def _search(
    inputs: SearchInputs,
    kernels: SliceKernels,
    checkpoint: Checkpoint,
    kept: _UnderWay | None,
    progress: Progress,
) -> tuple[PoseSearch, FoundPoses]:
    """Calibrate and search, or go on where an interrupted search stopped."""
    n = len(inputs.images)
    if kept is None:
        n_steps = n_searches(inputs.images) * len(choose_sample(n))
        with progress.task("contrast and noise", n_steps) as advance:
            calibration = calibrate(
                inputs.images, inputs.volume, inputs.scope, kernels, advance=advance
            )
        kept = _UnderWay(calibration, FoundPoses.empty(n), 0)
    calibration, found = kept.calibration, kept.found
    logger.info(
        "protein is %s in the images; grey scale of the reference %.4g; mean log-likelihood of a "
        "sampled image over noise %.1f",
        *("bright" if calibration.sign > 0 else "dark", calibration.grey_scale, calibration.gain),
    )
    images = calibration.treat(inputs.images)
    search = calibration.prepare(images, inputs.volume, inputs.scope, kernels)
    _log_levels(search)
    step = max(LEAST_BETWEEN, -(-n // MOST_CHECKPOINTS))
    with progress.task("global search", n) as advance:
        advance(kept.n_done)
        for first in range(kept.n_done, n, step):
            rows = np.arange(first, min(first + step, n))
            found.put(rows, search.find(images, kernels, rows, advance=advance))
            checkpoint.save(_pack(_UnderWay(calibration, found, int(rows[-1]) + 1)))
    return search, found


def _log_levels(search: PoseSearch) -> None:
    coarse, (first, *finer) = search.coarse, search.scope.levels
    logger.info(
        "first level: %d views %.1f degrees apart, %d turns, %d shifts of up to %.0f Å, to %.0f Å",
        *(len(coarse.views), first.degrees, coarse.polar.n_turns, len(coarse.shift_angstrom)),
        *(search.scope.max_shift_angstrom, first.resolution_angstrom),
    )
    for level in finer:
        logger.info(
            "around the best: %.2f degrees, to %.0f Å, %d poses kept",
            *(level.degrees, level.resolution_angstrom, level.n_candidates),
        )


def _columns(found: FoundPoses) -> dict[str, np.ndarray]:
    return pose_columns(found.rotation, found.shift_angstrom) | {
        CONFIDENCE_LABEL: found.confidence,
        MARGIN_LABEL: found.margin,
        ANGLE_ERROR_LABEL: found.angle_error_degrees,
        SHIFT_ERROR_LABEL: found.shift_error_angstrom,
        GAIN_LABEL: found.log_likelihood_gain,
    }


def _summarise(output: Path, search: PoseSearch, found: FoundPoses) -> SearchedTable:
    n_confident = int((found.confidence >= CONFIDENT).sum())
    if n_confident < FEW * len(found):
        logger.warning(
            "only %d of %d poses have a probability of %.1f or more: the images may be noise, or "
            "show something other than the reference",
            *(n_confident, len(found), CONFIDENT),
        )
    return SearchedTable(
        output,
        len(found),
        n_confident,
        search.coarse.n_orientations,
        float(np.median(found.angle_error_degrees)),
        float(np.median(found.shift_error_angstrom)),
    )
