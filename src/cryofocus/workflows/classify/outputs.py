"""Tables, arrays and maps of a finished classification."""

from __future__ import annotations

import logging

import numpy as np
from jaxtyping import Float, Float64

from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.data.atomic import atomic_file
from cryofocus.data.particles import ParticleSet
from cryofocus.data.star.document import write_star
from cryofocus.data.volume import write_volume
from cryofocus.execution.monitor import Advance
from cryofocus.inference.classifier import ClassificationResult
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.maths.shells import FSC_LIMIT, first_shell_below, shell_resolution_angstrom
from cryofocus.workflows.classify.inputs import Inputs
from cryofocus.workflows.classify.rounds import Round
from cryofocus.workflows.fsc_table import shell_columns
from cryofocus.workflows.image_note import note_image_folder
from cryofocus.workflows.run.directory import RunDirectory

logger = logging.getLogger(__name__)

# A row of particles.star with the columns added, and the rest of the directory, generously.
BYTES_PER_PARTICLE = 1000
BYTES_FOR_TEXTS = 10_000_000


def result_bytes(particles: ParticleSet, settings: ClassifierSettings) -> int:
    """Estimate the disk space of a run directory."""
    n_maps = 2 + settings.n_classes * (4 if settings.control_maps else 3)
    states = 8 * settings.n_classes * settings.n_runs
    rows = len(particles) * (BYTES_PER_PARTICLE + states)
    return 4 * n_maps * particles.box**3 + rows + BYTES_FOR_TEXTS


def write_results(
    directory: RunDirectory, inputs: Inputs, result: ClassificationResult, advance: Advance
) -> None:
    """Write everything but the job record.

    Args:
        directory: Where to.
        inputs: Particles and mask.
        result: Of the classifier.
        advance: Called after each class.

    Raises:
        OutputError: Disk full, no permission.
    """
    directory.write_array(directory.posteriors, result.posteriors.astype(np.float32))
    directory.write_array(directory.agreement, result.comparison.agreement)
    _write_particles(directory, inputs.particles, result)
    directory.write_table(directory.classes, class_table(inputs.particles, result))
    directory.write_table(directory.convergence, convergence_table(result))
    _write_maps(directory, inputs, result, advance)


def write_poses(directory: RunDirectory, last: Round) -> None:
    """Keep the poses of the last round; the table of particles keeps those it was given.

    Raises:
        OutputError: Disk full, no permission.
    """
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
    lost = particles.write(path, particle_columns(result))
    if lost:
        logger.info("%s: the format has no place for %s", path, ", ".join(lost))
    note_image_folder(path, particles.source)


def _write_maps(
    directory: RunDirectory, inputs: Inputs, result: ClassificationResult, advance: Advance
) -> None:
    """Write all maps in the frame of the user's map or mask, so that they overlay."""
    grid = (inputs.particles.box, inputs.particles.pixel_size_angstrom)
    place = (inputs.particles.pixel_size_angstrom, inputs.mask.origin_angstrom)
    write_volume(directory.focus_mask, inputs.mask.data, *place)
    write_volume(directory.consensus, result.consensus.map.full, *place)
    for number, estimate in enumerate(result.maps, start=1):
        write_volume(directory.class_map(number), estimate.full, *place)
        for half, data in enumerate(estimate.halves, start=1):
            write_volume(directory.half_map(number, half), data, *place)
        advance()
    for number, control in enumerate(result.controls, start=1):
        write_volume(directory.control_map(number), control.full, *place)
    curves = {
        f"class_{number:03d}": fsc_columns(estimate.fsc, *grid)
        for number, estimate in enumerate(result.maps, start=1)
    }
    write_star(directory.fsc, curves)


def particle_columns(result: ClassificationResult) -> dict[str, np.ndarray]:
    """Return the columns a classification adds to the particle table."""
    return {
        "rlnClassNumber": result.labels + 1,
        "rlnMaxValueProbDistribution": result.posteriors.max(axis=1),
        "rlnLogLikeliContribution": result.log_evidence,
        "cryofocusClassPosterior": result.posteriors,
    }


def fsc_columns(
    fsc: Float[np.ndarray, " n_shells"], box: int, pixel_size_angstrom: float
) -> dict[str, np.ndarray]:
    """Return the columns of one FSC curve as RELION names them."""
    columns = shell_columns(len(fsc), box, pixel_size_angstrom)
    return {**columns, "rlnFourierShellCorrelation": np.asarray(fsc, np.float64)}


def map_resolution_angstrom(estimate: MapEstimate, pixel_size_angstrom: float) -> float:
    """Return where the half maps' FSC falls below 0.143, at best Nyquist."""
    box = len(estimate.full)
    shell = min(first_shell_below(estimate.fsc, FSC_LIMIT), box // 2)
    return shell_resolution_angstrom(shell, box, pixel_size_angstrom)


def class_table(
    particles: ParticleSet, result: ClassificationResult
) -> dict[str, np.ndarray | list[float] | list[str]]:
    """Return the columns of classes.csv."""
    labels, highest = result.labels, result.posteriors.max(axis=1)
    n_classes = result.posteriors.shape[1]
    counts = np.bincount(labels, minlength=n_classes)
    sums = np.bincount(labels, weights=highest, minlength=n_classes)
    pixel = particles.pixel_size_angstrom
    return {
        "class": np.arange(1, n_classes + 1),
        "particles": counts,
        "weight": result.class_weights,
        "resolution_angstrom": [map_resolution_angstrom(m, pixel) for m in result.maps],
        # A class that holds no particle is the most probable one of none.
        "mean_posterior": sums / np.maximum(counts, 1),
        "fraction_of_run_spread": _run_spread(result),
    }


def _run_spread(result: ClassificationResult) -> Float64[np.ndarray, " n_classes"] | list[str]:
    """Return the standard deviation of each class's weight over the runs; empty for one run."""
    weights = np.stack([run.posteriors.mean(axis=0) for run in result.runs])
    if len(weights) == 1:
        return [""] * weights.shape[1]
    return np.asarray(weights.std(axis=0, ddof=1))


def convergence_table(result: ClassificationResult) -> dict[str, list[float] | list[int]]:
    """Return the columns of convergence.csv, one row a cycle of each run.

    Classes are numbered as in the best run at its end.
    """
    rows = [
        (run, cycle, record)
        for run, outcome in enumerate(result.runs, start=1)
        for cycle, record in enumerate(outcome.history, start=1)
    ]
    table: dict[str, list[float] | list[int]] = {
        "run": [run for run, _, _ in rows],
        "cycle": [cycle for _, cycle, _ in rows],
        "log_likelihood": [record.log_posterior for _, _, record in rows],
        "posterior_change": [record.posterior_change for _, _, record in rows],
    }
    for k in range(result.posteriors.shape[1]):
        table[f"weight_{k + 1}"] = [record.class_weights[k] for _, _, record in rows]
    return table
