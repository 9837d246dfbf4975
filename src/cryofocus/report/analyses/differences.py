"""The page of `diffmap RUN`: what differs between classes, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from matplotlib.figure import Figure

from cryofocus.data.volume import read_volume
from cryofocus.formatting import format_count
from cryofocus.report.analyses.page import Analysis, Table, present_files, present_pictures
from cryofocus.report.drawing import style
from cryofocus.workflows.diffmap import MERGED, TABLE, DifferenceRow, significance_path

FIGURE = "differences.png"
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


def write_difference_figure(folder: Path) -> Path:
    """Draw by how many standard errors the maps of a run differ, from three sides.

    Raises:
        FormatError: When a map is missing or damaged.
        OutputError: Disk full, no permission.
    """
    with style.drawing():
        style.write_png(folder / FIGURE, draw_differences(folder), DOTS_PER_INCH)
    return folder / FIGURE


def draw_differences(folder: Path) -> Figure:
    """Draw the strongest difference along every line of sight, a row a difference map."""
    names = [row.map for row in DifferenceRow.read(folder / TABLE)][:MOST_ROWS]
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
            panel.set(xticks=[], yticks=[])
            panel.grid(visible=False)
            panel.set_title(f"{Path(name).stem.replace('_', ' ')}, {view}", fontsize=9)
    if image is not None:
        figure.colorbar(image, ax=panels, shrink=0.6, label="difference / standard error")
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
    rows = DifferenceRow.read(folder / TABLE)
    n_sure = sum(row.volume_cubic_angstrom > 0 for row in rows)
    note = "The strongest difference along every line of sight, in standard errors."
    return Analysis(
        folder=folder,
        title="Differences of class maps",
        headline=f"{n_sure} of {len(rows)} difference maps are significant somewhere",
        verdict=_verdict(rows),
        pictures=present_pictures(folder, [(FIGURE, "Significance of every difference", note)]),
        table=_table(rows),
        files=present_files(folder, FILES),
    )


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
