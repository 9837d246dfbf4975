"""Shapes that somebody placed on a map: ellipsoids, and spheres of ChimeraX's markers (.cmm).

A marker file is XML: ``<marker_set name="..."> <marker id="1" x="" y="" z="" radius=""/>
</marker_set>``, or several sets in ``<marker_sets>``; links between markers mean nothing here.
Lengths are in Å in the frame of the map
(https://www.rbvi.ucsf.edu/chimerax/docs/user/markers.html).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from cryofocus.calls import require_kinds
from cryofocus.complaints import cut, say_unreadable
from cryofocus.data.mask import Point
from cryofocus.errors import FormatError, InputError, RegionError

MAX_BYTES = 10_000_000
COLOUR = {"r": "0.9", "g": "0.62", "b": "0.1"}
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
        with path.open("rb") as handle:
            raw = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(say_unreadable(path, error)) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: no text in UTF-8; {_EXPECTED}") from error
    # Marker files declare nothing; entities could make a small file a huge one.
    if "<!" in text.replace("<!--", "") or len(raw) > MAX_BYTES:
        raise FormatError(f"{path}: not a marker file; {_EXPECTED}")
    # A text, not bytes: whatever encoding the file claims to have is not asked.
    markers = _Markers()
    parser = ElementTree.XMLParser(target=markers)
    try:
        parser.feed(text)
        parser.close()
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise FormatError(f"{path}: not a marker file ({cut(str(error))}); {_EXPECTED}") from error
    if not markers.found:
        raise FormatError(f"{path}: holds no marker; {_EXPECTED}")
    return tuple(markers.found)


def markers_text(name: str, spheres: Sequence[Sphere]) -> str:
    """Compose a marker file of spheres in Å in the map's frame.

    Args:
        name: Of the set, as ChimeraX shows it.
        spheres: Each (x, y, z, radius).
    """
    markers = ElementTree.Element("marker_set", name=name)
    for number, sphere in enumerate(spheres, start=1):
        values = zip(("x", "y", "z", "radius"), sphere, strict=True)
        words = {"id": str(number), **{key: f"{value:.3f}" for key, value in values}, **COLOUR}
        ElementTree.SubElement(markers, "marker", words)
    ElementTree.indent(markers)
    return ElementTree.tostring(markers, encoding="unicode") + "\n"


class _Markers:
    """Takes the markers of a file while it is parsed, and keeps nothing else of it."""

    def __init__(self) -> None:
        self.found: list[Sphere] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Look at an element."""
        if tag == "marker":
            x, y, z, radius = (_number(attributes, name) for name in ("x", "y", "z", "radius"))
            self.found.append((x, y, z, radius))


_EXPECTED = (
    "expected markers of ChimeraX, each with x, y, z and radius. Place markers on the map and "
    "save them with: save markers.cmm"
)


def _number(attributes: Mapping[str, str], name: str) -> float:
    value = float(attributes[name])
    if not abs(value) < float("inf") or "_" in attributes[name]:
        raise ValueError(f"{name} is {attributes[name]}")
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
        require_kinds(self)
        numbers = (*self.centre_angstrom, *self.radii_angstrom)
        if not np.isfinite(numbers).all() or min(self.radii_angstrom) <= 0:
            raise RegionError(
                f"{self}: expected a centre and three radii larger than 0. Give X,Y,Z,RX,RY,RZ "
                "in Å."
            )

    def __str__(self) -> str:
        shown = ",".join(f"{v:g}" for v in (*self.centre_angstrom, *self.radii_angstrom))
        return f"ellipsoid {shown}"
