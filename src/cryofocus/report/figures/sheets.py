"""Sheets of pictures as figures of matplotlib."""

from __future__ import annotations

from matplotlib import patches
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryofocus.report.drawing.sheet import Circle, Image, Line, Mark, Sheet, Text

PIXELS_PER_INCH = 100.0
POINTS_PER_PIXEL = 72.0 / PIXELS_PER_INCH
SIDES = {"start": "left", "middle": "center", "end": "right"}


def as_figure(sheet: Sheet) -> Figure:
    """Draw all marks of a sheet, in its size and order."""
    figure = Figure(figsize=(sheet.width / PIXELS_PER_INCH, sheet.height / PIXELS_PER_INCH))
    panel = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    panel.set_axis_off()
    for order, mark in enumerate(sheet.marks):
        _draw(panel, mark, order)
    panel.set(xlim=(0, sheet.width), ylim=(sheet.height, 0), aspect="auto")
    return figure


def _draw(panel: Axes, mark: Mark, order: int) -> None:
    match mark:
        case Image():
            extent = (mark.x, mark.x + mark.width, mark.y + mark.height, mark.y)
            panel.imshow(mark.raster.colours(), extent=extent, zorder=order, aspect="auto")
        case Line() if mark.filled:
            panel.add_patch(patches.Polygon(mark.points, color=mark.colour, zorder=order))
        case Line():
            x, y = zip(*mark.points, strict=True)
            style = "--" if mark.dashed else "-"
            panel.plot(x, y, style, color=mark.colour, lw=mark.width, zorder=order)
        case Circle():
            outline = patches.Circle((mark.x, mark.y), mark.radius, fill=False, zorder=order)
            outline.set(edgecolor=mark.colour, linewidth=mark.width)
            panel.add_patch(outline)
        case Text():
            written = panel.text(mark.x, mark.y, mark.words, zorder=order, color=mark.colour)
            written.set(fontsize=mark.size * POINTS_PER_PIXEL, ha=SIDES[mark.anchor])
            written.set_fontweight("bold" if mark.bold else "normal")
