"""Sheets hold what was laid on them, in its place, as SVG and as figures."""

from __future__ import annotations

import base64
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from cryofocus.report.drawing.raster import paint
from cryofocus.report.drawing.sheet import Circle, Line, Panel, Sheet, Text, contour_lines, legend
from cryofocus.report.figures.sheets import as_figure

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def sheet() -> Sheet:
    """One of everything."""
    made = Sheet(100.0, 200.0)
    panel = Panel(10.0, 20.0, 80.0, 8)
    made.add(panel.image(paint(np.eye(8), "gray", (0.0, 1.0))))
    made.add(*panel.outline(disc(), 0.5, "#123456", dashed=True), Circle(50, 60, 9, "red"))
    made.add(Line(((1, 1), (2, 2), (1, 3)), "blue", filled=True))
    made.add(Text("<b>&", 5.0, 15.0), *legend("magma", (110, 50, 80), [(0.0, "0")], "words"))
    return made


def disc() -> np.ndarray:
    """A disc about column 3, row 5, of radius 2."""
    row, column = np.indices((8, 8))
    return np.clip(2.5 - np.hypot(column - 3, row - 5), 0, 1)


def test_svg(sheet: Sheet, tmp_path: Path) -> None:
    """It is well-formed, texts are escaped, pictures are inside, and it is the same each time."""
    sheet.write(tmp_path / "a.svg")
    root = ElementTree.fromstring((tmp_path / "a.svg").read_text(encoding="utf-8"))  # our own
    texts = [one.text for one in root.iter(f"{SVG}text")]
    assert texts == ["<b>&", "words", "0"]
    pictures = [one.attrib["href"] for one in root.iter(f"{SVG}image")]
    assert all(one.startswith("data:image/png;base64,") for one in pictures)
    assert root.attrib["viewBox"] == "0 0 200 100"
    encoded = sheet.address().partition(",")[2]
    assert base64.b64decode(encoded) == (tmp_path / "a.svg").read_bytes()


def test_outlines_pass_where_values_do(sheet: Sheet) -> None:
    """The outline of a disc lies about its middle, with its radius, rows upwards."""
    (points,) = contour_lines(disc(), 0.5)
    np.testing.assert_allclose(np.hypot(*(points - (3, 5)).T), 2.0, atol=0.25)
    outline = next(one for one in sheet.marks if isinstance(one, Line))
    middle = np.mean(outline.points[:-1], axis=0)
    np.testing.assert_allclose(middle, (10 + 35, 20 + 80 - 55), atol=0.5)


def test_figures_show_the_same(sheet: Sheet) -> None:
    """As a figure it has as many pictures, lines, patches and texts, at the same places."""
    (panel,) = as_figure(sheet).axes
    assert [len(panel.get_images()), len(panel.lines), len(panel.patches)] == [2, 1, 2]
    assert [one.get_text() for one in panel.texts] == ["<b>&", "words", "0"]
    assert panel.get_images()[0].get_extent() == [10, 90, 100, 20]
    assert panel.get_ylim() == (100, 0)
