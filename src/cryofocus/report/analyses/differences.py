"""The page of `diffmap RUN`: what differs between classes, and how sure that is."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from scipy.ndimage import label, maximum_position

from cryofocus.data.atomic import final_name
from cryofocus.data.volume import read_volume
from cryofocus.formatting import format_count
from cryofocus.report.analyses.page import Analysis, Table, list_files, present_pictures
from cryofocus.report.drawing.raster import paint
from cryofocus.report.drawing.sheet import Mark, Panel, Sheet, Text, legend
from cryofocus.report.drawing.slices import contour_level
from cryofocus.report.drawing.style import INK, PAGE_WIDTH
from cryofocus.workflows.diffmap import MERGED, TABLE, DifferenceRow, significance_path
from cryofocus.workflows.run.directory import RunDirectory

PICTURES, MERGED_PICTURE = "differences*.svg", "merged.svg"
N_PIXELS, GAP, TITLE, LEGEND, MOST_ROWS = 300, 9.0, 24.0, 54.0, 8
ROWS_OF_A_PICTURE = 3
"""So many fill a printed page, on which the words of more could not be read."""
EDGE = (PAGE_WIDTH - 2 * GAP) / 3
# Along z, y and x; colours end at this many standard errors.
VIEWS = ((0, "xy, along z"), (1, "xz, along y"), (2, "yz, along x"))
END_OF_SCALE = 15.0
# No sign stands on differences of fewer; colours of so many are dark.
SIGNED_FROM, DARK_FROM, MOST_SIGNS = 5.0, 10.0, 4
FILES = (
    (TABLE, "the highest peak of every difference, its place and the significant volume"),
    (MERGED, "voxelwise maximum over all differences"),
    (PICTURES, "by how many standard errors maps differ, from three sides"),
    (MERGED_PICTURE, "the merged map from three sides"),
    ("*_minus_*.mrc", "difference maps, and by how many standard errors each voxel differs"),
)


def write_difference_pictures(folder: Path, run: Path) -> None:
    """Draw by how many standard errors the maps of a run differ, from three sides.

    The pictures are differences.svg and, where there are many pairs, differences_2.svg and so on.

    Args:
        folder: Directory of difference maps.
        run: Directory of the run; its consensus and focus region are outlined.

    Raises:
        FormatError: When a map is missing or damaged.
        OutputError: Disk full, no permission.
    """
    for number, first in enumerate(range(0, len(_shown(folder)), ROWS_OF_A_PICTURE), start=1):
        rows = slice(first, first + ROWS_OF_A_PICTURE)
        name = PICTURES.replace("*", "" if number == 1 else f"_{number}")
        draw_differences(folder, run, rows).write(folder / name)


def _shown(folder: Path) -> list[str]:
    return [row.map for row in each_pair_once(DifferenceRow.read(folder / TABLE))][:MOST_ROWS]


def draw_differences(folder: Path, run: Path, rows: slice = slice(None)) -> Sheet:
    """Draw the strongest difference along every line of sight, a row a pair of maps."""
    names = _shown(folder)[rows]
    directory = RunDirectory.open(run)
    consensus = read_volume(directory.consensus).data
    mask = read_volume(directory.focus_mask).data
    outlines = ((consensus, contour_level(consensus), False), (mask, 0.5, True))
    sheet = _new_sheet(len(names))
    for row, name in enumerate(names):
        volume = read_volume(significance_path(folder / name)).data
        for column, (axis, view) in enumerate(VIEWS):
            title = f"{Path(name).stem.replace('_', ' ')}, {view}"
            panel = _add_panel(sheet, (row, column), title, len(volume))
            ends = (-END_OF_SCALE, END_OF_SCALE)
            sheet.add(panel.image(paint(strongest(volume, axis), "RdBu_r", ends, N_PIXELS)))
            for shown, level, dashed in outlines:
                sheet.add(*panel.outline(shown.max(axis=axis), level, INK, dashed=dashed))
            sheet.add(*sign_peaks(panel, strongest(volume, axis)))
    ticks = [
        (0.0, f"−{END_OF_SCALE:.0f}: second map has more"),
        (0.5, "0"),
        (1.0, f"+{END_OF_SCALE:.0f}: first map has more"),
    ]
    sheet.add(*_legend(sheet, "RdBu_r", ticks, "difference / standard error"))
    return sheet


def sign_peaks(panel: Panel, values: Float32[np.ndarray, "rows columns"]) -> Iterator[Mark]:
    """Mark the strongest differences with their signs, for those who do not see the colours."""
    lowest = max(SIGNED_FROM, min(float(np.abs(values).max()), END_OF_SCALE) / 2)
    for sign, text in ((1, "+"), (-1, "−")):
        found, n = label(sign * values > lowest)
        peaks = np.array(maximum_position(sign * values, found, range(1, n + 1))).reshape(-1, 2)
        highest = sorted(peaks.tolist(), key=lambda peak: -sign * values[*peak])
        for row, column in highest[:MOST_SIGNS]:
            x, y = panel.place(column, row)
            ink = "white" if abs(values[row, column]) > DARK_FROM else INK
            yield Text(text, x, y + 5, 16, ink, anchor="middle", bold=True)


def _new_sheet(n_rows: int) -> Sheet:
    return Sheet(n_rows * (EDGE + TITLE) + LEGEND)


def _add_panel(sheet: Sheet, place: tuple[int, int], title: str, n: int) -> Panel:
    row, column = place
    panel = Panel(column * (EDGE + GAP), row * (EDGE + TITLE) + TITLE, EDGE, n)
    sheet.add(Text(title, panel.x, panel.y - 8, size=12))
    return panel


def _legend(
    sheet: Sheet, colours: str, ticks: Sequence[tuple[float, str]], words: str
) -> Iterator[Mark]:
    """Explain the colours below all rows."""
    width = 0.4 * PAGE_WIDTH
    return legend(colours, ((PAGE_WIDTH - width) / 2, sheet.height - 28, width), ticks, words)


def each_pair_once(rows: Sequence[DifferenceRow]) -> list[DifferenceRow]:
    """Keep, of the two ways round that a pair of maps is subtracted, the one with more to show.

    A difference map has the peaks of one sign; what the other map has more of is in the other way
    round.
    """
    ways: dict[frozenset[str], list[DifferenceRow]] = {}
    for row in rows:
        ways.setdefault(frozenset(Path(row.map).stem.split("_minus_")), []).append(row)
    return [max(pair, key=_peak) for pair in ways.values()]


def _peak(row: DifferenceRow) -> float:
    return row.peak_significance or 0.0


def write_merged_picture(folder: Path, beside: Path | None = None) -> Path:
    """Draw the merged differences of a run from three sides, above those of another run.

    Args:
        folder: Directory of difference maps.
        beside: Merged map of others, on the same grid; shown on the same scale.

    Raises:
        FormatError: When a map is missing or damaged.
        OutputError: Disk full, no permission.
    """
    maps = {"These classes": folder / MERGED}
    if beside is not None:
        maps[str(beside.parent)] = beside
    draw_merged(maps).write(folder / MERGED_PICTURE)
    return folder / MERGED_PICTURE


def draw_merged(maps: Mapping[str, Path]) -> Sheet:
    """Draw the largest difference along every line of sight, a row a map, all on one scale."""
    volumes = {name: read_volume(path).data for name, path in maps.items()}
    end = max(float(volume.max()) for volume in volumes.values()) or 1.0
    sheet = _new_sheet(len(volumes))
    for row, (name, volume) in enumerate(volumes.items()):
        for column, (axis, view) in enumerate(VIEWS):
            panel = _add_panel(sheet, (row, column), f"{name}, {view}", len(volume))
            sheet.add(panel.image(paint(volume.max(axis=axis), "magma", (0.0, end), N_PIXELS)))
    ticks = [(share, f"{share * end:.2g}") for share in (0.0, 0.5, 1.0)]
    sheet.add(*_legend(sheet, "magma", ticks, "largest difference of density"))
    return sheet


def strongest(
    volume: Float32[np.ndarray, "z y x"], axis: int
) -> Float32[np.ndarray, "rows columns"]:
    """Take the value farthest from zero along an axis."""
    high, low = volume.max(axis=axis), volume.min(axis=axis)
    return np.asarray(np.where(high > -low, high, low), np.float32)


def read_differences(folder: Path) -> Analysis:
    """Read the difference maps of a run for a page.

    Raises:
        FormatError: When a file is missing or damaged.
    """
    rows = each_pair_once(DifferenceRow.read(folder / TABLE))
    n_sure = sum(row.volume_cubic_angstrom > 0 for row in rows)
    note = (
        "The strongest difference along every line of sight, in standard errors: to the right of "
        "the scale (+) the first map has more, to the left (−) the second. Outlined, the "
        "molecule, and dashed, the region in focus. Each pair once, the way round with the higher "
        "peak; the other is in its file."
    )
    merged_note = "The largest difference along every line of sight, all on one scale."
    *others, last = sorted(path.name for path in folder.glob(PICTURES)) or [""]
    shown = [
        *((name, "Significance of every difference", "") for name in others),
        (last, "Significance of every difference", note),
        (MERGED_PICTURE, "All differences merged", merged_note),
    ]
    return Analysis(
        folder=folder,
        title="Differences of class maps",
        headline=f"{n_sure} of {len(rows)} pairs of maps differ significantly somewhere"
        if len(rows) > 1
        else f"The maps {'differ' if n_sure else 'do not differ'} significantly",
        verdict=_verdict(rows),
        pictures=present_pictures(folder, shown),
        table=_table(rows),
        files=list_files(folder, FILES),
        commands=(_look_at(folder, rows),),
    )


def _look_at(folder: Path, rows: Sequence[DifferenceRow]) -> tuple[str, str]:
    highest = max(rows, key=_peak)
    paths = [
        shlex.quote(str(final_name(folder.resolve()) / name)) for name in (highest.map, MERGED)
    ]
    return "Look at the strongest difference, and at all merged", f"chimerax {' '.join(paths)}"


def _verdict(rows: Sequence[DifferenceRow]) -> str:
    highest = max(rows, key=_peak)
    return (
        f"The strongest, {_peak(highest):.0f} standard errors, is at "
        f"{_place(highest)} Å in {highest.map}."
    )


def _table(rows: Sequence[DifferenceRow]) -> Table:
    header = ("Map", "Peak / error", "At x, y, z (Å)", "Significant volume (Å³)")
    return Table(
        header,
        tuple(
            (
                row.map,
                f"{_peak(row):.1f}",
                _place(row),
                format_count(round(row.volume_cubic_angstrom)),
            )
            for row in rows
        ),
    )


def _place(row: DifferenceRow) -> str:
    return f"{row.peak_x_angstrom:.0f}, {row.peak_y_angstrom:.0f}, {row.peak_z_angstrom:.0f}"
