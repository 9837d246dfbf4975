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

IMAGE_BYTES_BUDGET = 4_500_000
MAX_PIXELS, MIN_PIXELS = 380, 110
"""Of the edge of a panel."""
PLANE_NAMES = ("xy", "xz", "zy")
DENSITY_COLOURS, DIFFERENCE_COLOURS = "gray", "RdBu_r"
DENSITY_PERCENTILES = (1.0, 99.8)
DIFFERENCE_PERCENTILE = 99.5
SCALE_BAR_FRACTION = 0.25
GAP, MIDDLE_GAP, TITLE = 5.0, 16.0, 26.0
EDGE = (PAGE_WIDTH - 4 * GAP - MIDDLE_GAP) / 6


@dataclass(frozen=True)
class MapImages:
    """Encoded rows of maps: the consensus, and each class that has a map."""

    consensus: str
    classes: dict[int, str]


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
    content = {
        "classes": tables.class_rows(results) if results.job.classes_found else [],
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
        n_bytes = len(images.consensus) + sum(map(len, images.classes.values()))
        if n_bytes <= IMAGE_BYTES_BUDGET or n_pixels <= MIN_PIXELS:
            return images
        fitting = 0.95 * n_pixels * (IMAGE_BYTES_BUDGET / n_bytes) ** 0.5
        n_pixels = max(int(fitting), MIN_PIXELS)


def _draw_rows(maps: ShownMaps, scale: MapScale, n_pixels: int) -> MapImages:
    classes = {}
    for number, shown in maps.classes.items():
        sheet = Sheet(EDGE)
        differences = maps.differences[number].planes
        draw_row(sheet, (shown.planes, differences), scale, n_pixels=n_pixels)
        _name_panels(sheet)
        classes[number] = sheet.address()
    return MapImages(draw_consensus_row(maps, scale, n_pixels).address(), classes)


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


def draw_consensus_row(maps: ShownMaps, scale: MapScale, n_pixels: int) -> Sheet:
    """Draw the consensus and, beside it, the legend of all rows."""
    sheet = Sheet(EDGE + TITLE)
    draw_row(sheet, (maps.consensus.planes, None), scale, top=TITLE, n_pixels=n_pixels)
    for column, (name, position) in enumerate(
        zip(PLANE_NAMES, scale.positions_angstrom, strict=True)
    ):
        third = ({"x", "y", "z"} - set(name)).pop()
        middle = _left(column) + EDGE / 2
        sheet.add(Text(f"{name},  {third} = {position:.0f} Å", middle, TITLE - 8, anchor="middle"))
    _add_scale_bar(sheet, scale)
    if maps.differences:
        _add_legend(sheet, scale, TITLE + 0.5 * EDGE)
    return sheet


def draw_row(
    sheet: Sheet,
    planes: tuple[Planes, Planes | None],
    scale: MapScale,
    *,
    top: float = 0.0,
    n_pixels: int = MAX_PIXELS,
) -> None:
    """Draw three planes of a map, then of its difference to the consensus.

    Args:
        sheet: Where.
        planes: Of the map, and of the difference if there is one.
        scale: Colours and outlines.
        top: Of the row.
        n_pixels: Edge of the pictures.
    """
    limit = scale.largest_difference
    looks = (
        (DENSITY_COLOURS, (scale.darkest, scale.brightest), MASK_COLOUR),
        (DIFFERENCE_COLOURS, (-limit, limit), INK),
    )
    for half, (shown, (colours, ends, ink)) in enumerate(zip(planes, looks, strict=True)):
        for number, plane in enumerate(shown or ()):
            panel = Panel(_left(3 * half + number), top, EDGE, len(plane))
            sheet.add(panel.image(paint(plane, colours, ends, n_pixels)))
            sheet.add(*panel.outline(scale.mask[number], 0.5, ink))
            if scale.proposed is not None:
                sheet.add(*panel.outline(scale.proposed[number], 0.5, ink, dashed=True))


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
        draw_row(sheet, (planes, differences), scale, top=top)
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


def _name_panels(sheet: Sheet) -> None:
    """Write into the lower left corners what the panels of a class show."""
    for column, name in enumerate(PLANE_NAMES):
        sheet.add(Text(name, _left(column) + 5, sheet.height - 6, colour="white"))
        sheet.add(Text(f"{name} difference", _left(column + 3) + 5, sheet.height - 6))


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


def _add_legend(sheet: Sheet, scale: MapScale, y: float) -> None:
    """Explain colours where the consensus row has room."""
    x, width = _left(4) - 0.25 * EDGE, 1.5 * EDGE
    percent = scale.difference_percent
    ticks = ((0.0, f"−{percent:.2g} %"), (0.5, "0"), (1.0, f"+{percent:.2g} %"))
    words = "Class minus consensus, % of its strongest density"
    sheet.add(*legend(DIFFERENCE_COLOURS, (x, y, width), ticks, words))
    sheet.add(Text("less", x - 8, y + 9, anchor="end"), Text("more", x + width + 8, y + 9))
