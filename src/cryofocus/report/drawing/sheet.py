"""Pictures of several maps on one sheet, with outlines and words: described once, set as SVG."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from contourpy import contour_generator
from jaxtyping import Float
from markupsafe import Markup, escape

from cryofocus.data.atomic import atomic_file
from cryofocus.report.drawing.raster import Raster, ramp
from cryofocus.report.drawing.style import INK, PAGE_WIDTH

Points = tuple[tuple[float, float], ...]
FONT = "'DejaVu Sans', Verdana, sans-serif"


@dataclass(frozen=True)
class Image:
    """A picture in a rectangle; x and y of its upper left corner."""

    raster: Raster
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """A line through points, or an area that it surrounds."""

    points: Points
    colour: str
    width: float = 1.1
    dashed: bool = False
    filled: bool = False


@dataclass(frozen=True)
class Circle:
    """A circle, not filled."""

    x: float
    y: float
    radius: float
    colour: str
    width: float = 1.5


@dataclass(frozen=True)
class Text:
    """Words; y of their base line. ``anchor`` is start, middle or end."""

    words: str
    x: float
    y: float
    size: float = 11.0
    colour: str = INK
    anchor: str = "start"
    bold: bool = False


Mark = Image | Line | Circle | Text


@dataclass
class Sheet:
    """A sheet of pictures; lengths in pixels of a page, y downwards.

    Attributes:
        height: Of the sheet.
        width: Of the sheet.
        marks: What is on it, the lowest first.
    """

    height: float
    width: float = PAGE_WIDTH
    marks: list[Mark] = field(default_factory=list)

    def add(self, *marks: Mark) -> None:
        """Lay marks over those that are there."""
        self.marks.extend(marks)

    def svg(self) -> str:
        """Set the sheet as SVG: one file that needs no other."""
        size = f'width="{self.width:g}" height="{self.height:g}"'
        box = f'viewBox="0 0 {self.width:g} {self.height:g}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} font-family="{FONT}">'
        ground = '<rect width="100%" height="100%" fill="white"/>'
        return "\n".join([head, ground, *map(_set, self.marks), "</svg>", ""])

    def address(self) -> str:
        """Give the sheet as a data address."""
        return data_address("image/svg+xml", self.svg().encode())

    def write(self, path: Path) -> None:
        """Write an SVG file, the same bytes for the same sheet, atomically.

        Raises:
            OutputError: Disk full, no permission.
        """
        with atomic_file(path) as handle:
            handle.write(self.svg().encode())


def data_address(media_type: str, content: bytes) -> str:
    """Give a file as the address of itself."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


@dataclass(frozen=True)
class Panel:
    """A square on a sheet that shows `n` voxels along each edge; row 0 is the lowest."""

    x: float
    y: float
    edge: float
    n: int

    def place(self, column: float, row: float) -> tuple[float, float]:
        """Find the middle of a voxel on the sheet; its indices may be fractions."""
        scale = self.edge / self.n
        return self.x + (column + 0.5) * scale, self.y + self.edge - (row + 0.5) * scale

    def image(self, raster: Raster) -> Image:
        """Fill the square with a picture."""
        return Image(raster, self.x, self.y, self.edge, self.edge)

    def outline(
        self, values: Float[np.ndarray, "n n"], level: float, colour: str, *, dashed: bool = False
    ) -> Iterator[Line]:
        """Outline where values pass a level."""
        for points in contour_lines(values, level):
            line = tuple(self.place(float(column), float(row)) for column, row in points)
            yield Line(line, colour, dashed=dashed)


def contour_lines(
    values: Float[np.ndarray, "rows columns"], level: float
) -> Iterable[Float[np.ndarray, "n 2"]]:
    """Follow the lines on which values pass a level; column and row of their points."""
    found = contour_generator(z=np.asarray(values, np.float64)).lines(level)
    return (np.asarray(points, np.float64) for points in found)


def legend(
    colours: str, place: tuple[float, float, float], ticks: Iterable[tuple[float, str]], words: str
) -> Iterator[Mark]:
    """Explain colours by a bar from left to right.

    Args:
        colours: Name of the palette.
        place: x, y and width of the bar.
        ticks: Shares of its width, and what stands there.
        words: What the colours say.
    """
    x, y, width = place
    yield Image(ramp(colours), x, y, width, 10.0)
    yield Text(words, x + width / 2, y - 7, anchor="middle")
    for share, text in ticks:
        yield Text(text, x + share * width, y + 24, size=10.0, anchor="middle")


def _set(mark: Mark) -> str:
    """Set a mark as an element of SVG."""
    match mark:
        case Image():
            address = data_address("image/png", mark.raster.png())
            where = f'x="{mark.x:.2f}" y="{mark.y:.2f}"'
            size = f'width="{mark.width:.2f}" height="{mark.height:.2f}"'
            return f'<image {where} {size} preserveAspectRatio="none" href="{address}"/>'
        case Line():
            points = " ".join(f"{x:.2f},{y:.2f}" for x, y in mark.points)
            fill = mark.colour if mark.filled else "none"
            dash = ' stroke-dasharray="5 3"' if mark.dashed else ""
            look = f'fill="{fill}" stroke="{mark.colour}" stroke-width="{mark.width:g}"{dash}'
            return f'<polyline points="{points}" {look}/>'
        case Circle():
            where = f'cx="{mark.x:.2f}" cy="{mark.y:.2f}" r="{mark.radius:.2f}"'
            look = f'fill="none" stroke="{mark.colour}" stroke-width="{mark.width:g}"'
            return f"<circle {where} {look}/>"
        case Text():
            where = f'x="{mark.x:.2f}" y="{mark.y:.2f}" font-size="{mark.size:g}"'
            look = f'fill="{mark.colour}" text-anchor="{mark.anchor}"'
            look += ' font-weight="bold"' if mark.bold else ""
            return str(
                Markup("<text {} {}>{}</text>").format(
                    Markup(where),
                    Markup(look),
                    escape(mark.words),  # both are our own numbers
                )
            )
