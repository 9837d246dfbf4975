"""`cryofocus diffmap` and `merge`: what differs between maps, and between all classes of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from cryofocus.arrays import Volume
from cryofocus.calls import checked
from cryofocus.data.grid_map import GridMap
from cryofocus.errors import InputError, SettingError
from cryofocus.formatting import format_table
from cryofocus.maps.difference import (
    Difference,
    DifferencePeak,
    Halves,
    find_peak,
    merge_maxima,
    subtract_map,
)
from cryofocus.maps.regions import find_molecule
from cryofocus.settings import Settings
from cryofocus.workflows.machine.progress import Progress, SilentProgress
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.new_directory import DirectoryKind, leave, new_directory
from cryofocus.workflows.run.new_names import require_new_maps
from cryofocus.workflows.run.record import Row

Point = tuple[float, float, float]

SIGNIFICANCE_SUFFIX = "_significance"
Against = Literal["consensus", "pairs"]
TABLE, MERGED = "differences.csv", "merged.mrc"
KIND = DirectoryKind("set of difference maps", TABLE)


class DiffmapSettings(Settings):
    """How maps are compared.

    Attributes:
        mask: Region in which amplitudes are compared and the peak is sought; by default all
            amplitudes are compared, and peaks are sought where either map has density.
        max_resolution_angstrom: Finest detail compared, in Å.
        threshold: Difference that counts, in standard errors; without half maps, in standard
            deviations of the difference map.
    """

    mask: Path | None = None
    max_resolution_angstrom: float | None = Field(default=None, ge=0.1)
    threshold: float = Field(default=5.0, ge=0)

    def last_shell(self, grid: GridMap) -> float:
        """Last Fourier shell of a grid to use; Nyquist at most."""
        if self.max_resolution_angstrom is None:
            return grid.box / 2
        return min(
            grid.box * grid.voxel_size_angstrom / self.max_resolution_angstrom, grid.box / 2
        )


@dataclass(frozen=True)
class WrittenDifference:
    """A difference map that was written.

    Attributes:
        path: Difference map.
        significance: Map of the difference over its standard error; None without half maps.
        resolution_angstrom: Finest detail that was compared.
        peak: The largest difference.
        peak_angstrom: Its place x, y, z in the map's frame.
    """

    path: Path
    significance: Path | None
    resolution_angstrom: float
    peak: DifferencePeak
    peak_angstrom: Point

    def moved_to(self, folder: Path) -> WrittenDifference:
        """Return the same for files that went to another folder."""
        beside = None if self.significance is None else folder / self.significance.name
        return replace(self, path=folder / self.path.name, significance=beside)


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

    def summary(self) -> str:
        """Say the highest peak of every difference, and where the files are."""
        rows = [
            (
                entry.path.stem.replace("_", " "),
                f"{entry.peak.significance or 0:.1f}",
                ", ".join(f"{value:.0f}" for value in entry.peak_angstrom),
                f"{entry.peak.volume_cubic_angstrom:,.0f} Å³",
            )
            for entry in self.differences
        ]
        header = ("", "peak / error", "at x, y, z (Å)", "significant volume")
        return f"{format_table(header, rows)}\n\nTable    {self.table}\nMerged   {self.merged}"


@checked
def diffmap(
    first: Path | str,
    second: Path | str,
    output: Path | str,
    settings: DiffmapSettings | None = None,
    *,
    halves: Sequence[Path | str] | None = None,
    overwrite: bool = False,
) -> WrittenDifference:
    """Write the first map minus the second, scaled to the first's amplitude shell by shell.

    Args:
        first: Map.
        second: Map on the same grid.
        output: MRC file to write; the significance lies beside it as NAME_significance.mrc.
        settings: Defaults if left out.
        halves: Half maps of the first map, then of the second; with them the significance is
            written, and the band ends where either pair ceases to agree.
        overwrite: Replace existing files.

    Raises:
        InputError: When a map cannot be used or lies on another grid, or there are not four half
            maps.
        OutputError: When an output exists or cannot be written.
    """
    settings = settings or DiffmapSettings()
    output = Path(output)
    names = [output, significance_path(output)]
    require_new_maps(names if halves is not None else names[:1], overwrite=overwrite)
    grid = GridMap.read(first)
    other = grid.read_partner(second)
    mask = None if settings.mask is None else grid.read_mask(settings.mask)
    pairs = None if halves is None else _read_halves(grid, halves)
    difference = subtract_map(
        grid.data, other.data, settings.last_shell(grid), halves=pairs, mask=mask
    )
    where = _where(mask, (grid.data, other.data), difference)
    return write_difference(output, grid, difference, settings.threshold, where)


@checked
def merge(
    maps: Sequence[Path | str],
    output: Path | str,
    *,
    absolute: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write the voxelwise maximum of maps, starting from zero.

    Args:
        maps: At least one, on one grid.
        output: MRC file to write.
        absolute: Take absolute values; otherwise negative density counts as none.
        overwrite: Replace an existing file.

    Raises:
        InputError: When there is no map, or one is a significance map, cannot be used or lies on
            another grid.
        OutputError: When the output exists or cannot be written.
    """
    if len(maps) == 0:
        raise SettingError("merge: found no map, expected at least one. Name difference maps.")
    for path in map(Path, maps):
        if path.stem.endswith(SIGNIFICANCE_SUFFIX):
            raise InputError(
                f"{path}: holds standard errors, not density; expected difference maps. Leave the "
                "significance maps out."
            )
    output = Path(output)
    require_new_maps([output], overwrite=overwrite)
    grid = GridMap.read(maps[0])
    rest = (grid.read_partner(path).data for path in maps[1:])
    grid.write(output, merge_maxima((volume for volume in (grid.data, *rest)), absolute=absolute))
    return output


def merged_beside(run: Path | str, differences: Path | str) -> Path:
    """Return the merged map of other difference maps, to be shown beside those of a run.

    Args:
        run: Run directory of classify.
        differences: What `diffmap` wrote for another run.

    Raises:
        InputError: When these are no difference maps of a run, or lie on another grid.
    """
    folder = Path(differences)
    if not (folder / TABLE).is_file():
        raise InputError(
            f"{folder}: holds no {TABLE}; expected the directory of difference maps that diffmap "
            "wrote for another run. Name it with --beside."
        )
    GridMap.read(RunDirectory.open(Path(run)).consensus).read_partner(folder / MERGED)
    return folder / MERGED


def significance_path(path: Path) -> Path:
    """Name the significance map of a difference map."""
    return path.with_name(f"{path.stem}{SIGNIFICANCE_SUFFIX}.mrc")


def _where(mask: Volume | None, maps: tuple[Volume, Volume], difference: Difference) -> Volume:
    """Say where a peak is sought: in the mask, or where either map has density."""
    if mask is not None:
        return mask
    resolution_voxels = len(difference.data) / difference.last_shell
    return find_molecule(maps, resolution_voxels).astype(np.float32)


def write_difference(
    path: Path, grid: GridMap, difference: Difference, threshold: float, where: Volume
) -> WrittenDifference:
    """Write a difference map, and its significance where it has one, and find its peak there.

    Raises:
        OutputError: Disk full, no permission.
    """
    grid.write(path, difference.data)
    beside = None
    if difference.significance is not None:
        beside = significance_path(path)
        grid.write(beside, difference.significance)
    peak = find_peak(difference, grid.voxel_size_angstrom, threshold, where)
    x, y, z = np.array(peak.index[::-1]) * grid.voxel_size_angstrom + grid.origin_angstrom
    resolution = grid.box * grid.voxel_size_angstrom / difference.last_shell
    return WrittenDifference(path, beside, resolution, peak, (float(x), float(y), float(z)))


def _read_halves(grid: GridMap, paths: Sequence[Path | str]) -> tuple[Halves, Halves]:
    if len(paths) != 4:
        raise SettingError(
            f"halves: found {len(paths)} maps, expected four: two half maps of the first map, "
            "then two of the second."
        )
    a, b, c, d = (grid.read_partner(path).data for path in paths)
    return (a, b), (c, d)


@dataclass(frozen=True, eq=False)
class _Member:
    """A map of the run with its half maps, under the name it has in file names."""

    name: str
    full: Volume
    halves: Halves


def diffmap_run(  # noqa: PLR0913  # as of the command, and what completes it
    run: Path | str,
    output: Path | str,
    *,
    against: Against = "consensus",
    settings: DiffmapSettings | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    finish: Callable[[Path], object] = leave,
) -> RunDifferences:
    """Do what `cryofocus.diffmap_run` says, but for its figure and page, which `finish` makes."""
    settings, output = settings or DiffmapSettings(), Path(output)
    directory = RunDirectory.open(Path(run))
    job = directory.read_job()
    KIND.require_usable(output, overwrite=overwrite)
    grid = GridMap.read(directory.consensus)
    mask = None if settings.mask is None else grid.read_mask(settings.mask)
    posteriors = directory.read_posteriors(job.n_particles).astype(np.float64)
    weights = posteriors[posteriors.any(axis=1)].mean(axis=0)
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
            where = _where(mask, (first.full, second.full), difference)
            written.append(write_difference(path, grid, difference, settings.threshold, where))
            merged = merge_maxima((merged, difference.data))
            advance()
        grid.write(folder / MERGED, merged)
        DifferenceRow.write(folder / TABLE, [_row(entry) for entry in written])
        finish(folder)
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
    numbers = [number for number, weight in enumerate(weights, start=1) if weight]
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
