"""The picture of `fsc --local`: the local resolution on three planes through the molecule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from cryofocus.data.grid_map import GridMap
from cryofocus.report.drawing.raster import enlarge, paint
from cryofocus.report.drawing.sheet import Panel, Sheet, Text, legend
from cryofocus.report.drawing.slices import choose_view, contour_level, cut
from cryofocus.report.drawing.style import INK, PAGE_WIDTH
from cryofocus.workflows import fsc

PICTURE = "local_resolution.svg"
N_PIXELS, GAP, TITLE, LEGEND = 300, 9.0, 24.0, 60.0
EDGE = (PAGE_WIDTH - 2 * GAP) / 3
COLOURS = "viridis"
PLANES = (("xy", "z", 2), ("xz", "y", 1), ("zy", "x", 0))
"""What a plane is called, the axis that it cuts, and which of an origin's numbers that is."""
PERCENTILES = (5.0, 95.0)
"""Of the local resolution that is shown, where colours end."""


def write_local_picture(folder: Path, mask: Path | None) -> None:
    """Draw the local resolution that `fsc` wrote; nothing where no density stands out.

    Raises:
        InputError: When a map is damaged.
        OutputError: Disk full, no permission.
    """
    sheet = draw_local(folder, mask)
    if sheet is not None:
        sheet.write(folder / PICTURE)


def draw_local(folder: Path, mask: Path | None) -> Sheet | None:
    """Draw planes through the middle of the mask, or of the molecule, and nothing outside of it.

    Returns:
        None where there is no mask and no density stands out.
    """
    filtered = GridMap.read(folder / fsc.FILTERED)
    local = filtered.read_partner(folder / fsc.LOCAL)
    limit = contour_level(filtered.data)
    region, edge = filtered.data, limit
    if mask is not None:
        region, edge = filtered.read_mask(mask), 0.5
    if not (region > edge).any():
        return None
    low, high = map(float, np.percentile(local.data[region > edge], PERCENTILES))
    # Light where it is good, as by direction.
    ends = (-max(high, 1.001 * low), -low)
    view = choose_view(filtered.data, (region > edge).astype(np.float32))
    sheet = Sheet(TITLE + EDGE + LEGEND)
    shown = zip(*(cut(data, view) for data in (local.data, region, filtered.data)), strict=True)
    for column, (values, inside, density) in enumerate(shown):
        name, axis, number = PLANES[column]
        step = view.centre[2 - number] * local.voxel_size_angstrom
        panel = Panel(column * (EDGE + GAP), TITLE, EDGE, len(values))
        sheet.add(
            Text(
                f"{name} at {axis} = {local.origin_angstrom[number] + step:.0f} Å",
                *(panel.x, panel.y - 8),
                size=13,
            ),
            panel.image(paint(_without(-values, inside, edge), COLOURS, ends)),
            *panel.outline(density, limit, INK),
        )
    _explain(sheet, low, high)
    return sheet


def _without(
    values: Float[np.ndarray, "rows columns"],
    region: Float[np.ndarray, "rows columns"],
    edge: float,
) -> Float[np.ndarray, "more_rows more_columns"]:
    """Interpolate between voxels, and forget what is outside."""
    fine = enlarge(values, N_PIXELS)
    return np.where(enlarge(region, N_PIXELS) > edge, fine, np.nan)


def _explain(sheet: Sheet, low: float, high: float) -> None:
    width = 0.4 * PAGE_WIDTH
    x, y = (PAGE_WIDTH - width) / 2, sheet.height - 28
    sheet.add(*legend(COLOURS, (x, y, width), (), "local resolution, FSC 0.5"))
    for place, anchor, text in (
        (x, "start", f"{high:.1f} Å or worse"),
        (x + width, "end", f"{low:.1f} Å or better"),
    ):
        sheet.add(Text(text, place, y + 25, size=13, anchor=anchor))
