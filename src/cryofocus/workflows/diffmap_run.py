"""`cryofocus diffmap RUN`: difference maps of all classes of a classification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from cryofocus.arrays import Volume
from cryofocus.data.grid_map import GridMap
from cryofocus.maps.difference import Halves, merge_maxima, subtract_map
from cryofocus.workflows.diffmap import DiffmapSettings, WrittenDifference, write_difference
from cryofocus.workflows.machine.progress import Progress, SilentProgress
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.new_directory import DirectoryKind, new_directory
from cryofocus.workflows.run.tables import Row

Against = Literal["consensus", "pairs"]
TABLE, MERGED = "differences.csv", "merged.mrc"
KIND = DirectoryKind("set of difference maps", TABLE)


class DifferenceRow(Row):
    """One difference map of a run: a row of differences.csv.

    Attributes:
        map: Its file.
        resolution_angstrom: Of the difference.
        peak_density: At its highest peak.
        peak_significance: The same in standard errors; None without half maps.
        peak_x_angstrom: Place of the peak in the map's frame, with y and z.
        volume_cubic_angstrom: Of what is significant.
    """

    remedy = "Make them again with cryofocus diffmap."

    map: str
    resolution_angstrom: float
    peak_density: float
    peak_significance: float | None
    peak_x_angstrom: float
    peak_y_angstrom: float
    peak_z_angstrom: float
    volume_cubic_angstrom: float


@dataclass(frozen=True)
class RunDifferences:
    """Files written: a difference map a pair, their table, and their voxelwise maximum."""

    differences: tuple[WrittenDifference, ...]
    table: Path
    merged: Path


@dataclass(frozen=True, eq=False)
class _Member:
    """A map of the run with its half maps, under the name it has in file names."""

    name: str
    full: Volume
    halves: Halves


def diffmap_run(
    run: Path | str,
    output: Path | str,
    *,
    against: Against = "consensus",
    settings: DiffmapSettings | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> RunDifferences:
    """Do what `cryofocus.diffmap_run` says, but for its figure and page."""
    settings, output = settings or DiffmapSettings(), Path(output)
    directory = RunDirectory.open(Path(run))
    job = directory.read_job()
    KIND.require_usable(output, overwrite=overwrite)
    grid = GridMap.read(directory.consensus)
    mask = None if settings.mask is None else grid.read_mask(settings.mask)
    weights = directory.read_posteriors(job.n_particles).astype(np.float64).mean(axis=0)
    pairs = _pairs(directory, grid, against, weights)
    n_pairs = job.n_classes * (1 if against == "consensus" else job.n_classes - 1)
    written, merged = [], np.zeros_like(grid.data)
    with (
        new_directory(output, KIND, overwrite=overwrite) as folder,
        (progress or SilentProgress()).task("difference maps", n_pairs) as advance,
    ):
        for first, second in pairs:
            halves = (first.halves, second.halves)
            difference = subtract_map(
                first.full, second.full, settings.last_shell(grid), halves=halves, mask=mask
            )
            path = folder / f"{first.name}_minus_{second.name}.mrc"
            written.append(write_difference(path, grid, difference, settings.threshold, mask))
            merged = merge_maxima((merged, difference.data))
            advance()
        grid.write(folder / MERGED, merged)
        DifferenceRow.write(folder / TABLE, [_row(entry) for entry in written])
    return RunDifferences(
        tuple(entry.moved_to(output) for entry in written), output / TABLE, output / MERGED
    )


def _row(entry: WrittenDifference) -> DifferenceRow:
    x, y, z = entry.peak_angstrom
    return DifferenceRow(
        map=entry.path.name,
        resolution_angstrom=entry.resolution_angstrom,
        peak_density=entry.peak.density,
        peak_significance=entry.peak.significance,
        peak_x_angstrom=x,
        peak_y_angstrom=y,
        peak_z_angstrom=z,
        volume_cubic_angstrom=entry.peak.volume_cubic_angstrom,
    )


def _pairs(
    directory: RunDirectory, grid: GridMap, against: Against, weights: Float[np.ndarray, " k"]
) -> Iterator[tuple[_Member, _Member]]:
    """Yield what is subtracted from what, holding few maps in memory."""
    numbers = range(1, len(weights) + 1)
    if against == "consensus":
        consensus = _consensus(directory, grid, weights)
        for number in numbers:
            yield _read_class(directory, grid, number), consensus
        return
    for a, b in permutations(numbers, 2):
        yield _read_class(directory, grid, a), _read_class(directory, grid, b)


def _read_class(directory: RunDirectory, grid: GridMap, number: int) -> _Member:
    paths = [
        directory.class_map(number),
        directory.half_map(number, 1),
        directory.half_map(number, 2),
    ]
    full, first, second = (grid.read_partner(path).data for path in paths)
    return _Member(paths[0].stem, full, (first, second))


def _consensus(
    directory: RunDirectory, grid: GridMap, weights: Float[np.ndarray, " k"]
) -> _Member:
    """Read the consensus; its half maps are the mean of the classes', which make it up.

    So the noise that a class shares with the consensus is in both, and drops out of the
    difference of half maps as it does out of the difference itself.
    """
    first, second = np.zeros_like(grid.data), np.zeros_like(grid.data)
    for number, weight in enumerate(weights, start=1):
        halves = _read_class(directory, grid, number).halves
        first += np.float32(weight) * halves[0]
        second += np.float32(weight) * halves[1]
    return _Member(directory.consensus.stem, grid.data, (first, second))
