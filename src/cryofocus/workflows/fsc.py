"""`cryofocus fsc`: resolution of two half maps, overall, by direction and from place to place."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator

from cryofocus.arrays import Volume
from cryofocus.data.grid_map import GridMap
from cryofocus.data.star.document import StarDocument, write_star
from cryofocus.errors import InputError, SettingError
from cryofocus.maps.local_resolution import (
    MIN_WINDOW,
    choose_window,
    count_windows,
    filter_locally,
    local_frequency,
)
from cryofocus.maps.resolution import (
    DirectionalFsc,
    FscCurves,
    directional_fsc,
    measure_fsc,
    sphericity,
)
from cryofocus.maths.sampling import hemisphere_directions
from cryofocus.maths.shells import (
    FSC_HALF,
    FSC_LIMIT,
    crossing_shell,
    first_shell_below,
    is_resolved,
    resolved_shell,
    shell_resolution_angstrom,
)
from cryofocus.settings import Settings
from cryofocus.workflows.fsc_directions import MEASURE_AGAIN, write_directions
from cryofocus.workflows.fsc_table import RESOLUTION, shell_columns
from cryofocus.workflows.fsc_xml import write_fsc_xml
from cryofocus.workflows.machine.progress import Progress, SilentProgress
from cryofocus.workflows.run.new_directory import DirectoryKind, leave, new_directory
from cryofocus.workflows.run.reading import explain_damage

logger = logging.getLogger(__name__)

N_DIRECTIONS = 500
CURVES, XML = "fsc.star", "fsc.xml"
# As RELION and cryofocus name maps of classes.
CLASS_NUMBER = re.compile(r"class_?(\d+)")
FINAL_RESOLUTION = "rlnFinalResolution"
CORRECTED = "rlnFourierShellCorrelationCorrected"
UNMASKED = "rlnFourierShellCorrelationUnmaskedMaps"
MASKED = "rlnFourierShellCorrelationMaskedMaps"
RANDOMISED = "rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps"
KIND = DirectoryKind("result of cryofocus fsc", CURVES)
LOCAL, FILTERED = "local_resolution.mrc", "locally_filtered.mrc"


class FscSettings(Settings):
    """What to measure.

    Attributes:
        mask: Soft mask, 0 to 1; its effect on the FSC is corrected for.
        directional: Also measure the resolution by direction, and its anisotropy.
        local: Also measure the local resolution, and filter the map by it.
        window_angstrom: Width of the window for the local resolution, in Å. Default: six times
            the resolution.
        seed: Random seed.

    Raises:
        SettingError: When a window is given without local resolution.
    """

    mask: Path | None = None
    directional: bool = False
    local: bool = False
    window_angstrom: float | None = None
    seed: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _no_idle_window(self) -> FscSettings:
        if self.window_angstrom is not None and not self.local:
            raise SettingError("window: belongs to --local. Add --local, or leave it out.")
        return self


@dataclass(frozen=True)
class Anisotropy:
    """How resolution (Å, FSC 0.143) depends on the direction; 1 is the sphericity of a sphere."""

    best_angstrom: float
    worst_angstrom: float
    sphericity: float


@dataclass(frozen=True, eq=False)
class FscResult:
    """What was measured and written.

    Attributes:
        folder: Directory with fsc.star and what else was asked for.
        box: Edge of the maps in voxels.
        voxel_size_angstrom: Å per voxel of the maps.
        curves: Fourier shell correlations.
        resolution_angstrom: Resolution at 0.143, mask corrected; that of the last shell where the
            curve does not fall so far, the edge of the box where it is noise (see `crosses`).
        resolution_half_angstrom: Resolution at 0.5, mask corrected.
        directional: None unless asked for.
        anisotropy: None unless asked for.
        local_range_angstrom: 5th, 50th and 95th percentile of the local resolution inside the
            mask; None unless asked for.
    """

    folder: Path
    box: int
    voxel_size_angstrom: float
    curves: FscCurves
    resolution_angstrom: float
    resolution_half_angstrom: float
    directional: DirectionalFsc | None = None
    anisotropy: Anisotropy | None = None
    local_range_angstrom: tuple[float, float, float] | None = None

    def crosses(self, level: float) -> bool:
        """Whether the corrected curve starts above a level and falls below it to stay."""
        return _crosses(self.curves.corrected, level)

    def say_resolution(self, level: float) -> str:
        """Say where the corrected curve falls below a level, or that it does not."""
        return _say_crossing(self.curves.corrected, self.box * self.voxel_size_angstrom, level)

    def summary(self) -> str:
        """Say the resolution, by direction and from place to place where that was asked for."""
        masked = ", mask corrected" if self.curves.masked is not None else ""
        if self.crosses(FSC_LIMIT) and self.crosses(FSC_HALF):
            lines = [
                f"Resolution    {self.resolution_angstrom:.2f} Å at FSC 0.143, "
                f"{self.resolution_half_angstrom:.2f} Å at 0.5{masked}"
            ]
        else:
            levels = (FSC_LIMIT, FSC_HALF) if is_resolved(self.curves.corrected) else (FSC_LIMIT,)
            lines = [f"Resolution    {self.say_resolution(level)}{masked}" for level in levels]
        if self.anisotropy is not None:
            best, worst = self.anisotropy.best_angstrom, self.anisotropy.worst_angstrom
            lines.append(
                f"Directions    {best:.2f} to {worst:.2f} Å, sphericity "
                f"{self.anisotropy.sphericity:.2f} (1: the same in all directions)"
            )
        if self.local_range_angstrom is not None:
            low, median, high = self.local_range_angstrom
            lines.append(
                f"Local         {low:.1f} to {high:.1f} Å, median {median:.1f} Å, at FSC 0.5"
            )
        return "\n".join(lines)


def _crosses(curve: Float[np.ndarray, " n"], level: float) -> bool:
    return is_resolved(curve) and 1 < first_shell_below(curve, level) < len(curve)


def _say_crossing(curve: Float[np.ndarray, " n"], extent_angstrom: float, level: float) -> str:
    if _crosses(curve, level):
        return f"{extent_angstrom / crossing_shell(curve, level):.2f} Å at FSC {level:g}"
    if not is_resolved(curve):
        return f"none at FSC {level:g}: half maps agree no better than noise, nothing is resolved"
    if first_shell_below(curve, level) <= 1:
        return f"none at FSC {level:g}: the curve is below it from the first shell on"
    return (
        f"none at FSC {level:g}: the curve stays above it to the last shell "
        f"({extent_angstrom / (len(curve) - 1):.2f} Å). The pixel limits the map, or the half "
        "maps are not independent"
    )


def fsc(  # noqa: PLR0913  # as of the command, and what completes it
    first: Path | str,
    second: Path | str,
    output: Path | str,
    settings: FscSettings | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    finish: Callable[[FscResult], object] = leave,
) -> FscResult:
    """Do what `cryofocus.fsc` says, but for its figures and page, which `finish` makes."""
    settings, output = settings or FscSettings(), Path(output)
    KIND.require_usable(output, overwrite=overwrite)
    maps = _HalfMaps.read(first, second, settings.mask)
    grid, other = maps.first, maps.second
    curves = measure_fsc(grid.data, other.data, maps.mask, seed=settings.seed)
    if curves.are_identical:
        raise InputError(
            f"{grid.path} and {other.path}: the FSC is 1 in every shell, so they are the same "
            "map; expected two half maps from different particles. Name one of each half."
        )
    if (numbers := class_numbers(grid.path, other.path)) is not None:
        logger.warning(
            "%s and %s are named as maps of classes %d and %d: their FSC says how alike the "
            "classes are, not to which resolution one of them is known; expected the two half "
            "maps of one class",
            grid.path,
            other.path,
            *numbers,
        )
    result = FscResult(
        output,
        grid.box,
        grid.voxel_size_angstrom,
        curves,
        maps.resolution(resolved_shell(curves.corrected)),
        maps.resolution(crossing_shell(curves.corrected, FSC_HALF)),
    )
    with new_directory(output, KIND, overwrite=overwrite) as folder:
        write_star(folder / CURVES, _star_blocks(result, maps))
        what = "unmasked" if maps.mask is None else "masked, corrected for the mask"
        extent = grid.box * grid.voxel_size_angstrom
        write_fsc_xml(folder / XML, f"FSC of half maps, {what}", curves.corrected, extent)
        result = _measure_more(result, maps, folder, settings, progress or SilentProgress())
        finish(replace(result, folder=folder))
    return result


def class_numbers(first: Path, second: Path) -> tuple[int, int] | None:
    """Tell maps of two classes of one run by their names; None if they may be half maps.

    RELION and cryofocus number class maps in the same words.
    """
    found = [CLASS_NUMBER.search(path.name) for path in (first, second)]
    if first.resolve().parent != second.resolve().parent or not all(found):
        return None
    one, other = (int(match[1]) for match in found if match is not None)
    return (one, other) if one != other else None


@dataclass(frozen=True, eq=False)
class StoredCurves:
    """The curves of a directory that `fsc` wrote.

    Attributes:
        extent_angstrom: Edge of the box.
        curves: Fourier shell correlations.
    """

    extent_angstrom: float
    curves: FscCurves

    @property
    def frequency(self) -> Float[np.ndarray, " n_shells"]:
        """1/Å of each shell."""
        return np.arange(len(self.curves.unmasked)) / self.extent_angstrom

    @classmethod
    def read(cls, folder: Path) -> StoredCurves:
        """Read fsc.star.

        Raises:
            FormatError: When it is missing or damaged.
        """
        path = folder / CURVES
        with explain_damage(path, MEASURE_AGAIN):
            document = StarDocument.read(path)
            block = document.block("fsc")
            wanted = (RESOLUTION, CORRECTED, UNMASKED)
            both = (MASKED, RANDOMISED) if MASKED in block.labels else ()
            columns = document.numbers(block, (*wanted, *both))
        masked, randomised = (columns[name] for name in both) if both else (None, None)
        found = FscCurves(columns[UNMASKED], masked, randomised, columns[CORRECTED], None)
        return cls(float(columns[RESOLUTION][1]), found)

    def crossing_angstrom(self, level: float) -> float | None:
        """Resolution at which the corrected curve falls below a level; None where it does not."""
        if not _crosses(self.curves.corrected, level):
            return None
        return self.extent_angstrom / crossing_shell(self.curves.corrected, level)

    def say_resolution(self, level: float) -> str:
        """Say where the corrected curve falls below a level, or that it does not."""
        return _say_crossing(self.curves.corrected, self.extent_angstrom, level)


@dataclass(frozen=True, eq=False)
class _HalfMaps:
    """Two half maps and the mask, on one grid."""

    first: GridMap
    second: GridMap
    mask: Volume | None

    @classmethod
    def read(cls, first: Path | str, second: Path | str, mask: Path | None) -> _HalfMaps:
        grid = GridMap.read(first)
        other = grid.read_partner(second)
        return cls(grid, other, None if mask is None else grid.read_mask(mask))

    @property
    def masked(self) -> tuple[Volume, Volume]:
        """Both maps, masked if there is a mask."""
        data = (self.first.data, self.second.data)
        return data if self.mask is None else (data[0] * self.mask, data[1] * self.mask)

    def resolution(self, shell: float) -> float:
        """Resolution in Å of a shell, which need not be whole."""
        return shell_resolution_angstrom(shell, self.first.box, self.first.voxel_size_angstrom)


def _measure_more(
    result: FscResult, maps: _HalfMaps, folder: Path, settings: FscSettings, progress: Progress
) -> FscResult:
    """Measure and write what was asked for beyond the curves."""
    if settings.directional:
        directional, anisotropy = _write_directions(folder, maps, progress)
        result = replace(result, directional=directional, anisotropy=anisotropy)
    if settings.local:
        window = _window(result, settings.window_angstrom)
        local_range = _write_local(folder, maps, window, progress)
        result = replace(result, local_range_angstrom=local_range)
    return result


def _write_directions(
    folder: Path, maps: _HalfMaps, progress: Progress
) -> tuple[DirectionalFsc, Anisotropy]:
    """Measure by direction, and write it as a table."""
    directions = hemisphere_directions(N_DIRECTIONS)
    with progress.task("directions", len(directions)) as advance:
        measured = directional_fsc(*maps.masked, directions, advance=advance)
    write_directions(folder, measured, maps.first.box * maps.first.voxel_size_angstrom)
    shells = measured.averaged().crossings(FSC_LIMIT)
    best, worst = maps.resolution(float(shells.max())), maps.resolution(float(shells.min()))
    return measured, Anisotropy(best, worst, sphericity(measured.direction, shells))


def _window(result: FscResult, window_angstrom: float | None) -> int:
    """Choose the edge of the window for local resolution in voxels, even, within the box."""
    if window_angstrom is None:
        resolution_voxels = result.resolution_half_angstrom / result.voxel_size_angstrom
        return choose_window(result.box, resolution_voxels)
    wanted = 2 * round(window_angstrom / result.voxel_size_angstrom / 2)
    largest = result.box - result.box % 2
    if not MIN_WINDOW <= wanted <= largest:
        low, high = (edge * result.voxel_size_angstrom for edge in (MIN_WINDOW, largest))
        raise SettingError(
            f"window: found {window_angstrom:g} Å, expected {low:.0f} to {high:.0f} Å for these "
            "maps. Give another --window, or none."
        )
    return wanted


def _write_local(
    folder: Path, maps: _HalfMaps, window: int, progress: Progress
) -> tuple[float, float, float]:
    """Write local resolution and filtered map; return percentiles inside the mask."""
    first, second = maps.first.data, maps.second.data
    n_windows = count_windows(maps.first.box, window, maps.mask)
    with progress.task("windows", n_windows) as advance:
        frequency = local_frequency(first, second, window, maps.mask, advance=advance)
    resolution = np.float32(maps.first.voxel_size_angstrom) / frequency
    maps.first.write(folder / LOCAL, resolution)
    maps.first.write(folder / FILTERED, filter_locally((first + second) / 2, frequency))
    inside = resolution if maps.mask is None else resolution[maps.mask > 0.5]
    finest, median, coarsest = (float(value) for value in np.percentile(inside, (5, 50, 95)))
    return finest, median, coarsest


def _star_blocks(
    result: FscResult, maps: _HalfMaps
) -> dict[str, dict[str, np.ndarray | list[str] | list[float]]]:
    """Return the tables of fsc.star, named as in RELION's postprocess.star."""
    curves = result.curves
    table = {
        **shell_columns(len(curves.unmasked), result.box, result.voxel_size_angstrom),
        CORRECTED: curves.corrected,
        UNMASKED: curves.unmasked,
    }
    if curves.masked is not None and curves.randomised is not None:
        table[MASKED] = curves.masked
        table[RANDOMISED] = curves.randomised
    general: dict[str, np.ndarray | list[str] | list[float]] = {
        FINAL_RESOLUTION: [result.resolution_angstrom],
        "rlnUnfilteredMapHalf1": [str(maps.first.path)],
        "rlnUnfilteredMapHalf2": [str(maps.second.path)],
    }
    return {"general": general, "fsc": {**table}}
