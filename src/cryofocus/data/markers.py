"""Shapes that somebody placed on a map: ellipsoids, and spheres of ChimeraX's markers (.cmm).

A marker file is XML: ``<marker_set name="..."> <marker id="1" x="" y="" z="" radius=""/>
</marker_set>``, or several sets in ``<marker_sets>``; links between markers mean nothing here.
Lengths are in Å in the frame of the map
(https://www.rbvi.ucsf.edu/chimerax/docs/user/markers.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from cryofocus.data.mask import Point
from cryofocus.errors import FormatError, InputError, RegionError

MAX_BYTES = 10_000_000
Sphere = tuple[float, float, float, float]
"""x, y, z and radius in Å."""


def read_markers(path: Path | str) -> tuple[Sphere, ...]:
    """Read the spheres of a marker file.

    Args:
        path: .cmm file.

    Returns:
        Each (x, y, z, radius) in Å in the map's frame, in file order; at least one.

    Raises:
        InputError: When the file cannot be read.
        FormatError: When it is not a marker file, or holds no marker with numbers.
    """
    path = Path(path)
    try:
        text = path.read_bytes()[: MAX_BYTES + 1]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Check the name.") from error
    # Marker files declare nothing; entities could make a small file a huge one.
    if b"<!" in text.replace(b"<!--", b"") or len(text) > MAX_BYTES:
        raise FormatError(f"{path}: not a marker file; {_EXPECTED}")
    try:
        root = ElementTree.fromstring(text)
        markers = tuple(
            (_number(e, "x"), _number(e, "y"), _number(e, "z"), _number(e, "radius"))
            for e in root.iter("marker")
        )
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise FormatError(f"{path}: not a marker file ({error}); {_EXPECTED}") from error
    if not markers:
        raise FormatError(f"{path}: holds no marker; {_EXPECTED}")
    return markers


_EXPECTED = (
    "expected markers of ChimeraX, each with x, y, z and radius. Place markers on the map and "
    "save them with: save markers.cmm"
)


def _number(element: ElementTree.Element, name: str) -> float:
    value = float(element.attrib[name])
    if not abs(value) < float("inf"):
        raise ValueError(f"{name} is {element.attrib[name]}")
    return value


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid along the axes of a map; a sphere if its radii are equal.

    Attributes:
        centre_angstrom: x, y, z in the map's frame, as ChimeraX shows them.
        radii_angstrom: Along x, y, z.

    Raises:
        RegionError: When a number is not finite or a radius is not positive.
    """

    centre_angstrom: Point
    radii_angstrom: Point

    def __post_init__(self) -> None:
        numbers = (*self.centre_angstrom, *self.radii_angstrom)
        if not np.isfinite(numbers).all() or min(self.radii_angstrom) <= 0:
            raise RegionError(
                f"{self}: expected a centre and three radii larger than 0. Give X,Y,Z,RX,RY,RZ "
                "in Å."
            )

    def __str__(self) -> str:
        shown = ",".join(f"{v:g}" for v in (*self.centre_angstrom, *self.radii_angstrom))
        return f"ellipsoid {shown}"
