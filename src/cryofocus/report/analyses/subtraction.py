"""The page of `subtract`: how well the subtraction fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from cryofocus.formatting import format_count
from cryofocus.report.analyses.page import (
    Analysis,
    ChartRow,
    Picture,
    list_files,
    write_page,
)
from cryofocus.report.drawing.chart import Chart, axis, level, line, upright
from cryofocus.report.drawing.raster import paint
from cryofocus.report.drawing.sheet import Circle, Panel, Sheet, Text, legend
from cryofocus.report.drawing.style import CLASS_COLOURS, INK, MASK_COLOUR, PAGE_WIDTH
from cryofocus.workflows.subtract import record as files
from cryofocus.workflows.subtract.record import PowerRecord

STAGES = ("before", "after", "what a perfect subtraction leaves")
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": CLASS_COLOURS[1]},
    {"color": CLASS_COLOURS[0]},
    {"color": INK, "dash": "dot"},
)
FIRST_FILES = (
    ("particles.*", "table and images"),
    ("subtracted_half*.mrc", "the density that was subtracted from each half set"),
)
N_PIXELS, GAP, TITLE, LEGEND = 300, 9.0, 24.0, 54.0
BRIGHT_PERCENTILE, SMALLEST_END = 99.8, 1.05
NOTE = (
    "Power over that of the noise: 1 is noise alone. “After” should follow the dotted line, noise "
    "and the density that is kept. Dashed in the second chart: the radius of the mask."
)
PICTURE_NOTE = (
    "Where in the images the power is, averaged around the middle of the mask; its circle."
)


def write_power_page(folder: Path | str) -> Path:
    """Write report.html into a directory that `subtract` wrote.

    Raises:
        FormatError: When the directory holds no residual power.
        OutputError: Disk full, no permission.
    """
    return write_page(read_subtraction(Path(folder)))


def read_subtraction(folder: Path) -> Analysis:
    """Read the residual power of `subtract` for a page.

    Raises:
        FormatError: When the directory holds none.
    """
    record = PowerRecord.read(folder)
    before, after, perfect = record.outside
    purposes = [(name, purpose) for name, purpose in files.PURPOSES.items() if name.islower()]
    return Analysis(
        folder=folder,
        title="Subtraction",
        headline=f"Power outside the mask is {after:.2f} times that of the noise",
        verdict=(
            f"It was {before:.2f} before; a perfect subtraction would leave {perfect:.2f}. "
            f"Averaged over {format_count(record.n_images)} images."
        ),
        charts=(ChartRow((chart_shells(record), chart_profile(record)), NOTE),),
        pictures=(Picture(draw_pictures(record).address(), "Power in the images", PICTURE_NOTE),),
        files=list_files(folder, (*FIRST_FILES, *purposes)),
    )


def chart_shells(record: PowerRecord) -> Chart:
    """Show the power by spatial frequency."""
    traces = [
        line(record.frequency[1:], values[1:], name, line=look)
        for values, name, look in zip(record.shells, STAGES, LOOKS, strict=True)
    ]
    layout = {
        "xaxis": axis("spatial frequency (1/Å)"),
        "yaxis": axis("power / noise"),
        "shapes": [level(1.0)],
    }
    return Chart("Power by frequency", "power over noise by frequency", (*traces,), layout)


def chart_profile(record: PowerRecord) -> Chart:
    """Show the power by distance from the middle of the mask."""
    traces = [
        line(*radial_profile(picture, record.pixel_size_angstrom), name, line=look)
        for picture, name, look in zip(record.pictures, STAGES, LOOKS, strict=True)
    ]
    layout = {
        "xaxis": axis("distance from the mask’s middle (Å)"),
        "yaxis": axis("power / noise"),
        "shapes": [level(1.0), upright(record.mask_radius_angstrom)],
    }
    return Chart("Power around the mask", "power over noise by distance", (*traces,), layout)


def draw_pictures(record: PowerRecord) -> Sheet:
    """Draw where in the images the power is, before, after, and what should be left."""
    n = len(STAGES)
    edge = (PAGE_WIDTH - (n - 1) * GAP) / n
    sheet = Sheet(edge + TITLE + LEGEND)
    end = max(float(np.percentile(record.pictures[0], BRIGHT_PERCENTILE)), SMALLEST_END)
    box = record.pictures.shape[1]
    for column, (picture, name) in enumerate(zip(record.pictures, STAGES, strict=True)):
        panel = Panel(column * (edge + GAP), TITLE, edge, box)
        sheet.add(Text(name[0].upper() + name[1:], panel.x, TITLE - 8, size=13, bold=True))
        sheet.add(panel.image(paint(picture, "Greys", (1.0, end), N_PIXELS)))
        radius = record.mask_radius_angstrom / record.pixel_size_angstrom * edge / box
        sheet.add(Circle(*panel.place(box // 2, box // 2), radius, MASK_COLOUR))
    ticks = ((0.0, "1"), (1.0, f"{end:.2f}"))
    sheet.add(
        *legend(
            "Greys",
            (0.3 * PAGE_WIDTH, sheet.height - 28, 0.4 * PAGE_WIDTH),
            ticks,
            "power / noise",
        )
    )
    return sheet


def radial_profile(
    picture: Float64[np.ndarray, "box box"], pixel_size_angstrom: float
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Average a picture over rings around its centre.

    Args:
        picture: Centre at `box//2`.
        pixel_size_angstrom: Å per pixel.

    Returns:
        Radii in Å up to the nearest edge, and means.
    """
    box = picture.shape[0]
    axis = np.arange(box) - box // 2
    ring = np.rint(np.hypot(axis[:, None], axis)).astype(np.int64).ravel()
    sums = np.bincount(ring, weights=picture.ravel()) / np.bincount(ring)
    n_rings = (box + 1) // 2
    return np.arange(n_rings) * pixel_size_angstrom, sums[:n_rings]
