"""Planes through the focus, class by class, and what differs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryofocus.report.drawing.raster import paint
from cryofocus.report.drawing.section import Section
from cryofocus.report.drawing.sheet import Line, Panel, Sheet, Text, legend
from cryofocus.report.drawing.slices import Planes, View
from cryofocus.report.drawing.style import INK, MASK_COLOUR, PAGE_WIDTH
from cryofocus.report.drawing.surfaces import Point
from cryofocus.report.run import tables
from cryofocus.report.run.results import RunResults
from cryofocus.report.run.shown_maps import ShownMaps

IMAGE_BYTES_BUDGET = 3_500_000
MAX_PIXELS, MIN_PIXELS = 380, 110
"""Of the edge of a panel."""
PLANE_NAMES = ("xy", "xz", "zy")
DENSITY_COLOURS, DIFFERENCE_COLOURS = "gray", "RdBu_r"
DENSITY_PERCENTILES = (1.0, 99.8)
DIFFERENCE_PERCENTILE = 99.5
SCALE_BAR_FRACTION = 0.25
GAP, MIDDLE_GAP, TITLE = 5.0, 16.0, 26.0
EDGE = (PAGE_WIDTH - 4 * GAP - MIDDLE_GAP) / 6
HALF_WIDTH = 3 * EDGE + 2 * GAP
"""Of three panels: those of a map stand beside those of its difference, or above them."""


@dataclass(frozen=True)
class MapImages:
    """Encoded pictures of three planes.

    Attributes:
        consensus: Of the map of all particles.
        legend: Of the colours of differences; None without any.
        classes: Of each class that has a map, and of its difference.
    """

    consensus: str
    legend: str | None
    classes: dict[int, tuple[str, str]]

    @property
    def n_bytes(self) -> int:
        """Size in the page."""
        return len(self.consensus) + sum(
            len(one) for pair in self.classes.values() for one in pair
        )


@dataclass(frozen=True)
class MapScale:
    """What all map figures of a page share, so that colours can be compared between classes.

    ``mask`` and ``proposed`` are drawn in outline. ``darkest`` and ``brightest`` bound the grey
    scale; differences run from minus to plus ``largest_difference``, which ``difference_percent``
    gives in percent of ``brightest``.
    """

    voxel_size_angstrom: float
    origin_angstrom: Point
    view: View
    mask: Planes
    proposed: Planes | None
    darkest: float
    brightest: float
    largest_difference: float

    @property
    def difference_percent(self) -> float:
        """Ends of the difference colours in percent of the consensus' strongest density."""
        return 100.0 * self.largest_difference / self.brightest if self.brightest > 0 else 0.0

    @property
    def positions_angstrom(self) -> tuple[float, float, float]:
        """Where the planes xy, xz, zy cut the axes z, y, x, in the map's frame."""
        z, y, x = (
            low + position * self.voxel_size_angstrom
            for low, position in zip(reversed(self.origin_angstrom), self.view.centre, strict=True)
        )
        return z, y, x


def show_planes(results: RunResults, maps: ShownMaps) -> Section:
    """Show the planes of all maps."""
    filled = {entry.class_number for entry in results.classes if entry.weight}
    rows = tables.class_rows(results) if results.job.classes_found else []
    content = {
        "classes": [row for row in rows if row.number in filled],
        "maps": draw_rows(maps),
        "is_cut": maps.proposed is not None,
    }
    return Section("maps", "Slices through the focus region", "Slices", content)


def draw_rows(maps: ShownMaps) -> MapImages:
    """Draw the planes of all maps.

    Resolution is lowered for many classes, so that the page stays small.
    """
    scale = choose_scale(maps)
    n_pixels = MAX_PIXELS
    while True:
        images = _draw_rows(maps, scale, n_pixels)
        if images.n_bytes <= IMAGE_BYTES_BUDGET or n_pixels <= MIN_PIXELS:
            return images
        fitting = 0.95 * n_pixels * (IMAGE_BYTES_BUDGET / images.n_bytes) ** 0.5
        n_pixels = max(int(fitting), MIN_PIXELS)


def _draw_rows(maps: ShownMaps, scale: MapScale, n_pixels: int) -> MapImages:
    classes = {}
    for number, shown in maps.classes.items():
        density, difference = Sheet(EDGE, HALF_WIDTH), Sheet(EDGE, HALF_WIDTH)
        draw_planes(density, shown.planes, _density_look(scale, n_pixels), scale)
        changed = maps.differences[number].planes
        draw_planes(difference, changed, _difference_look(scale, n_pixels), scale)
        for column, name in enumerate(PLANE_NAMES):
            x, y = _left(column) + 5, EDGE - 6
            density.add(Text(name, x, y, colour="white"))
            difference.add(Text(f"{name} difference", x, y))
        classes[number] = (density.address(), difference.address())
    legend_of_rows = draw_legend(scale).address() if maps.differences else None
    return MapImages(draw_consensus(maps, scale, n_pixels).address(), legend_of_rows, classes)


def choose_scale(maps: ShownMaps) -> MapScale:
    """Choose grey and colour ranges once for all rows.

    Returns:
        Ranges by percentile, so that single hot voxels do not wash out the rest; the difference
            range is taken inside the mask, where classes may differ.
    """
    values = np.concatenate([plane.ravel() for plane in maps.consensus.planes])
    darkest, brightest = (float(v) for v in np.percentile(values, DENSITY_PERCENTILES))
    inside = [
        np.abs(plane[outline > 0.5])
        for difference in maps.differences.values()
        for plane, outline in zip(difference.planes, maps.mask.planes, strict=True)
    ]
    magnitudes = np.concatenate([*inside, np.zeros(1)])
    largest = float(np.percentile(magnitudes, DIFFERENCE_PERCENTILE))
    tiny = float(np.finfo(np.float32).tiny)
    return MapScale(
        voxel_size_angstrom=maps.voxel_size_angstrom,
        origin_angstrom=maps.origin_angstrom,
        view=maps.view,
        mask=maps.mask.planes,
        proposed=None if maps.proposed is None else maps.proposed.planes,
        darkest=darkest,
        brightest=max(brightest, darkest + tiny),
        largest_difference=max(largest, tiny),
    )


def draw_consensus(maps: ShownMaps, scale: MapScale, n_pixels: int) -> Sheet:
    """Draw the consensus, with the names of the planes and a scale bar."""
    sheet = Sheet(EDGE + TITLE, HALF_WIDTH)
    look = _density_look(scale, n_pixels)
    draw_planes(sheet, maps.consensus.planes, look, scale, top=TITLE)
    for column, (name, position) in enumerate(
        zip(PLANE_NAMES, scale.positions_angstrom, strict=True)
    ):
        third = ({"x", "y", "z"} - set(name)).pop()
        middle = _left(column) + EDGE / 2
        sheet.add(Text(f"{name},  {third} = {position:.0f} Å", middle, TITLE - 8, anchor="middle"))
    _add_scale_bar(sheet, scale)
    return sheet


@dataclass(frozen=True)
class Look:
    """How planes are drawn.

    Attributes:
        colours: Name of the palette.
        ends: Values of its first and its last colour.
        ink: Colour of outlines.
        n_pixels: Edge of the pictures.
    """

    colours: str
    ends: tuple[float, float]
    ink: str
    n_pixels: int


def _density_look(scale: MapScale, n_pixels: int = MAX_PIXELS) -> Look:
    return Look(DENSITY_COLOURS, (scale.darkest, scale.brightest), MASK_COLOUR, n_pixels)


def _difference_look(scale: MapScale, n_pixels: int = MAX_PIXELS) -> Look:
    limit = scale.largest_difference
    return Look(DIFFERENCE_COLOURS, (-limit, limit), INK, n_pixels)


def draw_planes(
    sheet: Sheet,
    planes: Planes,
    look: Look,
    scale: MapScale,
    *,
    first_column: int = 0,
    top: float = 0.0,
) -> None:
    """Draw three planes side by side, with the outline of the region.

    Args:
        sheet: Where.
        planes: Of a map, or of its difference to the consensus.
        look: Colours and pixels.
        scale: Outlines.
        first_column: Of the panels of the sheet.
        top: Of the row.
    """
    for number, plane in enumerate(planes):
        panel = Panel(_left(first_column + number), top, EDGE, len(plane))
        sheet.add(panel.image(paint(plane, look.colours, look.ends, look.n_pixels)))
        sheet.add(*panel.outline(scale.mask[number], 0.5, look.ink))
        if scale.proposed is not None:
            sheet.add(*panel.outline(scale.proposed[number], 0.5, look.ink, dashed=True))


def draw_gallery(maps: ShownMaps) -> Sheet:
    """Draw three planes of the consensus and of every class, each row with its difference."""
    scale = choose_scale(maps)
    rows: list[tuple[str, Planes, Planes | None]] = [("consensus", maps.consensus.planes, None)]
    rows += [
        (f"class {number}", shown.planes, maps.differences[number].planes)
        for number, shown in maps.classes.items()
    ]
    sheet = Sheet(TITLE + len(rows) * (EDGE + GAP))
    for number, (name, planes, differences) in enumerate(rows):
        top = TITLE + number * (EDGE + GAP)
        draw_planes(sheet, planes, _density_look(scale), scale, top=top)
        if differences is not None:
            look = _difference_look(scale)
            draw_planes(sheet, differences, look, scale, first_column=3, top=top)
        sheet.add(Text(name, 6, top + 18, size=13, colour="white", bold=True))
    for column, name in enumerate(PLANE_NAMES):
        sheet.add(Text(name, _left(column) + EDGE / 2, TITLE - 8, size=13, anchor="middle"))
    if len(rows) > 1:
        middle = _left(4) + EDGE / 2
        sheet.add(Text("class minus consensus", middle, TITLE - 8, size=13, anchor="middle"))
    return sheet


def _left(column: int) -> float:
    """Return where a panel begins: two groups of three."""
    return column * (EDGE + GAP) + (MIDDLE_GAP - GAP) * (column > 2)


def _add_scale_bar(sheet: Sheet, scale: MapScale) -> None:
    """Draw a bar of a round length in the lower left corner."""
    extent = (scale.view.high - scale.view.low) * scale.voxel_size_angstrom
    length = round_length(SCALE_BAR_FRACTION * extent)
    x, y = 0.05 * EDGE, sheet.height - 0.06 * EDGE
    sheet.add(Line(((x, y), (x + length / extent * EDGE, y)), "white", 2.5))
    sheet.add(Text(f"{length:g} Å", x, y - 6, size=12, colour="white"))


def round_length(length: float) -> float:
    """Round a positive length down to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(step for step in (1.0, 2.0, 5.0) if step * power <= length * 1.0001) * power)


def draw_legend(scale: MapScale) -> Sheet:
    """Explain the colours of differences."""
    sheet = Sheet(64.0, HALF_WIDTH)
    width = 1.5 * EDGE
    x, y, percent = (HALF_WIDTH - width) / 2, 26.0, scale.difference_percent
    ticks = ((0.0, f"−{percent:.2g} %"), (0.5, "0"), (1.0, f"+{percent:.2g} %"))
    words = "Class minus consensus, % of its strongest density"
    sheet.add(*legend(DIFFERENCE_COLOURS, (x, y, width), ticks, words))
    sheet.add(Text("less", x - 8, y + 9, anchor="end"), Text("more", x + width + 8, y + 9))
    return sheet
