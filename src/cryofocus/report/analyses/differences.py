"""The page of `diffmap RUN`: what differs between classes, and how sure that is."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from matplotlib.figure import Figure

from cryofocus.data.atomic import final_name
from cryofocus.data.volume import read_volume
from cryofocus.formatting import format_count
from cryofocus.report.analyses.page import Analysis, Table, list_files, present_pictures
from cryofocus.report.drawing import style
from cryofocus.report.drawing.slices import contour_level
from cryofocus.workflows.diffmap import MERGED, TABLE, DifferenceRow, significance_path
from cryofocus.workflows.run.directory import RunDirectory

FIGURE, MERGED_FIGURE = "differences.png", "merged.png"
DOTS_PER_INCH = 120
ROW_INCHES, MOST_ROWS = 2.6, 8
# Along z, y and x; colours end at this many standard errors.
VIEWS = ((0, "xy, along z"), (1, "xz, along y"), (2, "yz, along x"))
END_OF_SCALE = 15.0
FILES = (
    (TABLE, "the highest peak of every difference, its place and the significant volume"),
    (MERGED, "voxelwise maximum over all differences"),
    ("*_minus_*.mrc", "difference maps, and by how many standard errors each voxel differs"),
)


def write_difference_figure(folder: Path, run: Path) -> Path:
    """Draw by how many standard errors the maps of a run differ, from three sides.

    Args:
        folder: Directory of difference maps.
        run: Directory of the run; its consensus and focus region are outlined.

    Raises:
        FormatError: When a map is missing or damaged.
        OutputError: Disk full, no permission.
    """
    with style.drawing():
        style.write_png(folder / FIGURE, draw_differences(folder, run), DOTS_PER_INCH)
    return folder / FIGURE


def draw_differences(folder: Path, run: Path) -> Figure:
    """Draw the strongest difference along every line of sight, a row a pair of maps."""
    names = [row.map for row in each_pair_once(DifferenceRow.read(folder / TABLE))][:MOST_ROWS]
    directory = RunDirectory.open(run)
    consensus = read_volume(directory.consensus).data
    mask = read_volume(directory.focus_mask).data
    outlines = ((consensus, contour_level(consensus), "-"), (mask, 0.5, "--"))
    figure = style.new_figure(ROW_INCHES * len(names), gap=0.03)
    panels = figure.subplots(len(names), len(VIEWS), squeeze=False)
    image = None
    for name, row in zip(names, panels, strict=True):
        volume = read_volume(significance_path(folder / name)).data
        for panel, (axis, view) in zip(row, VIEWS, strict=True):
            image = panel.imshow(
                strongest(volume, axis),
                cmap="RdBu_r",
                vmin=-END_OF_SCALE,
                vmax=END_OF_SCALE,
                origin="lower",
            )
            for shown, level, line in outlines:
                shadow = shown.max(axis=axis)
                if shadow.min() < level < shadow.max():
                    look: dict[str, Any] = {"colors": style.INK, "linewidths": 0.9}
                    panel.contour(shadow, levels=[level], linestyles=line, **look)
            panel.set(xticks=[], yticks=[])
            panel.grid(visible=False)
            panel.set_title(f"{Path(name).stem.replace('_', ' ')}, {view}", fontsize=9)
    if image is not None:
        figure.colorbar(image, ax=panels, shrink=0.6, label="difference / standard error")
    return figure


def each_pair_once(rows: Sequence[DifferenceRow]) -> list[DifferenceRow]:
    """Leave out the difference of two maps where the other way round has come before."""
    seen: set[frozenset[str]] = set()
    kept = []
    for row in rows:
        pair = frozenset(Path(row.map).stem.split("_minus_"))
        if pair not in seen:
            kept.append(row)
        seen.add(pair)
    return kept


def write_merged_figure(folder: Path, beside: Path | None = None) -> Path:
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
    with style.drawing():
        style.write_png(folder / MERGED_FIGURE, draw_merged(maps), DOTS_PER_INCH)
    return folder / MERGED_FIGURE


def draw_merged(maps: Mapping[str, Path]) -> Figure:
    """Draw the largest difference along every line of sight, a row a map, all on one scale."""
    volumes = {name: read_volume(path).data for name, path in maps.items()}
    end = max(float(volume.max()) for volume in volumes.values()) or 1.0
    figure = style.new_figure(ROW_INCHES * len(volumes), gap=0.03)
    panels = figure.subplots(len(volumes), len(VIEWS), squeeze=False)
    for (name, volume), row in zip(volumes.items(), panels, strict=True):
        for panel, (axis, view) in zip(row, VIEWS, strict=True):
            image = panel.imshow(
                volume.max(axis=axis), cmap="magma", vmin=0.0, vmax=end, origin="lower"
            )
            panel.set(xticks=[], yticks=[])
            panel.grid(visible=False)
            panel.set_title(f"{name}, {view}", fontsize=9)
    figure.colorbar(image, ax=panels, shrink=0.6, label="largest difference of density")
    return figure


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
        "The strongest difference along every line of sight, in standard errors: red, the first "
        "map has more, blue, the second. Outlined, the molecule, and dashed, the region in focus. "
        "Each pair once; the other way round is in its file."
    )
    merged_note = (
        "The largest difference along every line of sight; with --beside, those of another run "
        "below, on the same scale."
    )
    shown = [
        (FIGURE, "Significance of every difference", note),
        (MERGED_FIGURE, "All differences merged", merged_note),
    ]
    return Analysis(
        folder=folder,
        title="Differences of class maps",
        headline=f"{n_sure} of {len(rows)} pairs of maps differ significantly somewhere",
        verdict=_verdict(rows),
        pictures=present_pictures(folder, shown),
        table=_table(rows),
        files=list_files(folder, FILES),
        commands=(_look_at(folder, rows),),
    )


def _look_at(folder: Path, rows: Sequence[DifferenceRow]) -> tuple[str, str]:
    highest = max(rows, key=lambda row: row.peak_significance or 0.0)
    paths = [
        shlex.quote(str(final_name(folder.resolve()) / name)) for name in (highest.map, MERGED)
    ]
    return "Look at the strongest difference, and at all merged", f"chimerax {' '.join(paths)}"


def _verdict(rows: Sequence[DifferenceRow]) -> str:
    highest = max(rows, key=lambda row: row.peak_significance or 0.0)
    return (
        f"The strongest, {highest.peak_significance or 0.0:.0f} standard errors, is at "
        f"{_place(highest)} Å in {highest.map}."
    )


def _table(rows: Sequence[DifferenceRow]) -> Table:
    header = ("Map", "Peak / error", "At x, y, z (Å)", "Significant volume (Å³)")
    return Table(
        header,
        tuple(
            (
                row.map,
                f"{row.peak_significance or 0.0:.1f}",
                _place(row),
                format_count(round(row.volume_cubic_angstrom)),
            )
            for row in rows
        ),
    )


def _place(row: DifferenceRow) -> str:
    return f"{row.peak_x_angstrom:.0f}, {row.peak_y_angstrom:.0f}, {row.peak_z_angstrom:.0f}"
