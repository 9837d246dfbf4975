"""Two levels of `covary`: class maps, and the units of expanded sets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from cryofocus.arrays import Volume
from cryofocus.covariance.classes import (
    FEWEST_STATES,
    ClassCorrelation,
    correlate_classes,
    match_states,
    merge_copies,
    separate_states,
)
from cryofocus.covariance.cooccurrence import Cooccurrence, find_relations, measure_cooccurrence
from cryofocus.covariance.regions import (
    RunMasses,
    pooled_errors,
    region_masses,
    require_density,
    solvent_contour,
)
from cryofocus.covariance.whole_map import match_whole_map
from cryofocus.data.grid_map import GridMap
from cryofocus.errors import RegionError
from cryofocus.logs import get_logger
from cryofocus.workflows.covary.inputs import CovaryInputs, CovarySettings, Run
from cryofocus.workflows.machine.progress import Progress

logger = get_logger(__name__)


@dataclass(frozen=True, eq=False)
class ClassLevel:
    """Masses of all runs, as fractions of the unit's, and their correlation."""

    masses: tuple[RunMasses, ...]
    correlation: ClassCorrelation
    unit: str


def compare_classes(
    inputs: CovaryInputs, settings: CovarySettings, progress: Progress
) -> ClassLevel:
    """Measure the regions in every class map and correlate them over classes and runs.

    Raises:
        InputError: When a map is missing, damaged or on another grid.
        RegionError: When a region holds no density.
    """
    runs, regions = inputs.runs, inputs.regions
    grid = GridMap.read(runs[0].directory.consensus)
    with progress.task("class maps", 2 * sum(run.job.n_classes for run in runs)) as advance:
        dense = np.zeros(grid.data.shape, bool)
        for run in runs:
            consensus = grid.read_partner(run.directory.consensus).data
            contour = settings.contour
            contour = solvent_contour(consensus) if contour is None else contour
            logger.info("%s: contour at %.4g", run.name, contour)
            dense |= consensus > contour
            for number in range(1, run.job.n_classes + 1):
                path = run.directory.class_map(number)
                dense |= grid.read_partner(path).data > contour
                advance()
        require_density(regions, dense)
        masses = []
        for run in runs:
            masses.append(_measure_run(run, grid, inputs, dense, settings.perfect))
            advance(run.job.n_classes)
    pairs = [
        merge_copies(own, run.posteriors)
        for own, run in zip(masses, runs, strict=True)
        if run.counts
    ]
    merged, posteriors = zip(*pairs, strict=True)
    if inputs.shares_particles:
        states = match_states(posteriors)
    else:
        states = separate_states([one.shape[1] for one in posteriors])
    generator = np.random.default_rng([settings.seed, 0xC1A55])
    unit = "the consensus" if settings.perfect is None else str(settings.perfect)
    found = correlate_classes(merged, states, generator)
    _say_how_many(found.n_states, sum(run.job.n_classes for run in runs if run.counts))
    return ClassLevel(tuple(masses), found, unit)


def _say_how_many(n_states: int, n_classes: int) -> None:
    """Log what the classes come to, and where they are too few."""
    if n_states >= FEWEST_STATES:
        logger.info("%d classes are %d different ones", n_classes, n_states)
        return
    logger.warning(
        "%d classes are %d different ones, fewer than %d: no correlation over classes is drawn. "
        "Classify with more --classes and --start random, or go by the particles.",
        n_classes,
        n_states,
        FEWEST_STATES,
    )


def compare_units(
    inputs: CovaryInputs, settings: CovarySettings
) -> Iterator[tuple[Run, int, Cooccurrence]]:
    """Yield, for every run on an expanded set, how the units of a particle choose classes."""
    for run in inputs.runs:
        expansion = None if run.particles is None else run.particles.expansion
        if run.particles is None or expansion is None:
            continue
        rows = expansion.complete_parents()
        if rows.shape[0] < 2:
            logger.warning(
                "%s: no particles have all of their copies, so that units cannot be compared. "
                "Classify the whole expanded set.",
                run.name,
            )
            continue
        relations = find_relations(rows.shape[1], run.particles.derive_operators())
        generator = np.random.default_rng([settings.seed, 0xB1])
        found = measure_cooccurrence(run.posteriors[rows], relations, generator)
        for number, entry in enumerate(found, start=1):
            yield run, number, entry


def _measure_run(
    run: Run,
    grid: GridMap,
    inputs: CovaryInputs,
    dense: Bool[np.ndarray, "box box box"],
    perfect: Path | None,
) -> RunMasses:
    """Measure all class maps of a run and their half maps."""

    def measure(volume: Volume) -> Float64[np.ndarray, " region"]:
        return region_masses(volume, inputs.regions, dense, grid.voxel_size_angstrom)

    masses, differences = [], []
    for number in range(1, run.job.n_classes + 1):
        masses.append(measure(grid.read_partner(run.directory.class_map(number)).data))
        halves = [
            measure(grid.read_partner(run.directory.half_map(number, half)).data)
            for half in (1, 2)
        ]
        differences.append(halves[0] - halves[1])
    errors = pooled_errors(np.stack(differences), run.posteriors.mean(axis=0))
    consensus = grid.read_partner(run.directory.consensus).data
    if perfect is None:
        whole, name = measure(consensus), str(run.directory.consensus)
    else:
        full = grid.read_partner(perfect).data
        whole = measure(match_whole_map(full, consensus, inputs.regions, dense))
        name = str(perfect)
    for region, mass in zip(inputs.regions, whole, strict=True):
        if mass <= 0:
            raise RegionError(
                f"region {region.name}: {name} has no density there; expected a region of the "
                "particle. Check that mask and map lie in one frame, and give --perfect a map in "
                "which the region is fully occupied."
            )
    return RunMasses(np.stack(masses), errors).divided_by(whole)
