"""Tables, arrays and maps of a finished classification."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cryofocus.arrays import Volume
from cryofocus.consensus.sampling import sample_fsc, sample_map
from cryofocus.data.atomic import atomic_file
from cryofocus.data.labels import OUTLIER_LABEL
from cryofocus.data.particles import ParticleSet
from cryofocus.data.stack_paths import note_image_folder
from cryofocus.data.volume import write_volume
from cryofocus.execution.monitor import Advance
from cryofocus.inference.cycles import count_moves
from cryofocus.inference.result import ClassificationResult
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.workflows.classify.inputs import Inputs
from cryofocus.workflows.classify.proposed_region import ProposedRegion
from cryofocus.workflows.classify.rounds import Round
from cryofocus.workflows.classify.tables import (
    ClassSummary,
    CycleRow,
    MoveRow,
    RunClassRow,
    fsc_block,
)
from cryofocus.workflows.fsc_table import fsc_resolution_angstrom, write_fsc
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.writing import require_free_space, write_array

# A row of particles.star with the columns added, and the rest of the directory, generously.
BYTES_PER_PARTICLE = 1000
BYTES_FOR_TEXTS = 10_000_000


def require_room(output: Path, particles: ParticleSet, settings: ClassifierSettings) -> None:
    """Refuse before any work a result that would not fit on the disk.

    Raises:
        OutputError: When less is free than a run directory takes, estimated generously.
    """
    existing = next(folder for folder in (output, *output.absolute().parents) if folder.is_dir())
    n_maps = 3 + settings.most_classes * (4 if settings.control_maps else 3)
    states = 8 * settings.most_classes * settings.n_runs
    rows = len(particles) * (BYTES_PER_PARTICLE + states)
    require_free_space(existing, 4 * n_maps * particles.box**3 + rows + BYTES_FOR_TEXTS)


def write_results(
    directory: RunDirectory,
    inputs: Inputs,
    result: ClassificationResult,
    last: Round,
    proposed: ProposedRegion | None,
    advance: Advance,
) -> None:
    """Write everything but the job record; `advance` is called after each class.

    Raises:
        OutputError: Disk full, no permission.
    """
    told = np.where(result.counted[:, None], result.posteriors, 0)
    write_array(directory.posteriors, told.astype(np.float32))
    write_array(directory.agreement, result.comparison.agreement)
    if result.outlier is not None:
        write_array(directory.outliers, result.outlier.astype(np.float32))
    if not last.is_only:
        _write_poses(directory, last)
    _write_particles(directory, inputs.particles, result)
    ClassSummary.write(directory.classes, class_rows(inputs.particles, result))
    CycleRow.write(directory.convergence, cycle_rows(result))
    MoveRow.write(directory.moves, move_rows(result))
    RunClassRow.write(directory.run_classes, run_class_rows(result))
    box = inputs.particles.box
    curves = {
        fsc_block(number): sample_fsc(estimate.fsc, box)
        for number, estimate in enumerate(result.maps, start=1)
    }
    write_fsc(directory.fsc, curves, box, inputs.particles.pixel_size_angstrom)
    _write_maps(directory, inputs, result, advance)
    if proposed is not None:
        voxel, origin = inputs.particles.pixel_size_angstrom, inputs.mask.origin_angstrom
        write_volume(directory.proposed_region, proposed.mask(box), voxel, origin)


def _write_poses(directory: RunDirectory, last: Round) -> None:
    """Keep the poses of the last round; the table of particles keeps those it was given."""
    arrays = {
        "rotation": last.rotation,
        "shift_angstrom": last.shift_angstrom,
        "angle_error_degrees": last.errors[:, 0],
        "shift_error_angstrom": last.errors[:, 1],
    }
    with atomic_file(directory.poses) as handle:
        np.savez(handle, allow_pickle=False, **arrays)


def _write_particles(
    directory: RunDirectory, particles: ParticleSet, result: ClassificationResult
) -> None:
    """Write the user's own rows with the classes, in the user's own format."""
    path = directory.particles_as(particles.source.suffix)
    particles.write(path, particle_columns(result))
    note_image_folder(path, particles.source)


def _write_maps(
    directory: RunDirectory, inputs: Inputs, result: ClassificationResult, advance: Advance
) -> None:
    """Write all maps in the frame of the user's map or mask, so that they overlay.

    They are brought to the box of the images, one at a time.
    """
    box = inputs.particles.box
    place = (inputs.particles.pixel_size_angstrom, inputs.mask.origin_angstrom)

    def write(path: Path, volume: Volume) -> None:
        write_volume(path, sample_map(volume, box), *place)

    write_volume(directory.focus_mask, inputs.mask.data, *place)
    write(directory.consensus, result.consensus.map.full)
    for number, estimate in enumerate(result.maps, start=1):
        write(directory.class_map(number), estimate.full)
        for half, data in enumerate(estimate.halves, start=1):
            write(directory.half_map(number, half), data)
        advance()
    for number, control in enumerate(result.controls, start=1):
        write(directory.control_map(number), control.full)


def particle_columns(result: ClassificationResult) -> dict[str, np.ndarray]:
    """Return the columns a classification adds to the particle table."""
    columns = {
        "rlnClassNumber": result.labels + 1,
        "rlnMaxValueProbDistribution": result.posteriors.max(axis=1),
        "rlnLogLikeliContribution": result.log_evidence,
        "cryofocusClassPosterior": result.posteriors,
    }
    if result.outlier is not None:
        columns[OUTLIER_LABEL] = result.outlier
    return columns


def class_rows(particles: ParticleSet, result: ClassificationResult) -> list[ClassSummary]:
    """Return the rows of classes.csv."""
    posteriors, counted = result.counted_posteriors, result.counted
    labels, highest = posteriors.argmax(axis=1), posteriors.max(axis=1)
    effective = result.effective_classes
    n_classes = posteriors.shape[1]
    counts = np.bincount(labels, minlength=n_classes)
    sums = np.bincount(labels, weights=highest, minlength=n_classes)
    by_run = np.stack([run.posteriors[counted].mean(axis=0) for run in result.runs])
    grid = (particles.box, particles.pixel_size_angstrom)
    is_single = len(by_run) == 1
    spread = [None] * n_classes if is_single else by_run.std(axis=0, ddof=1).tolist()
    return [
        ClassSummary(
            class_number=k + 1,
            n_particles=counts[k],
            weight=result.class_weights[k],
            resolution_angstrom=fsc_resolution_angstrom(
                sample_fsc(estimate.fsc, particles.box), *grid
            ),
            # A class that holds no particle is the most probable one of none.
            mean_posterior=sums[k] / max(counts[k], 1),
            run_spread=spread[k],
            share_error=_share_error(result, k, spread[k]),
            effective_class=None if (group := effective.of_class(k)) is None else group + 1,
        )
        for k, estimate in enumerate(result.maps)
    ]


def _share_error(result: ClassificationResult, k: int, spread: float | None) -> float | None:
    """Return the standard error of a class's share: at least what runs differ by.

    Nothing is known of a class that holds nobody, or where the strategy cannot say.
    """
    if result.share_errors is None or not result.class_weights[k]:
        return None
    return max(float(result.share_errors[k]), spread or 0.0)


def cycle_rows(result: ClassificationResult) -> list[CycleRow]:
    """Return the rows of convergence.csv."""
    return [
        CycleRow(
            run=run,
            cycle=cycle,
            objective=record.objective,
            posterior_change=record.posterior_change,
            weight=record.class_weights,
        )
        for run, outcome in enumerate(result.runs, start=1)
        for cycle, record in enumerate(outcome.history, start=1)
    ]


def move_rows(result: ClassificationResult) -> list[MoveRow]:
    """Return the rows of moves.csv."""
    return [
        MoveRow(run=run, cycle=cycle, from_class=number, to=counts)
        for run, outcome in enumerate(result.runs, start=1)
        for cycle, record in enumerate(outcome.history, start=1)
        for number, counts in enumerate(record.moves, start=1)
    ]


def run_class_rows(result: ClassificationResult) -> list[RunClassRow]:
    """Return the rows of run_classes.csv."""
    posteriors = [run.posteriors[result.counted] for run in result.runs]
    best = posteriors[result.comparison.best]
    return [
        RunClassRow(run=run, class_number=number, reported=counts)
        for run, ended_with in enumerate(posteriors, start=1)
        for number, counts in enumerate(count_moves(ended_with, best), start=1)
    ]
