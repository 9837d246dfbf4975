"""How well a subtraction fits is shown from the numbers in the directory."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from cryofocus.errors import FormatError
from cryofocus.report.analyses.subtraction import radial_profile, read_subtraction
from cryofocus.report.figures.power import draw_power
from cryofocus.workflows.subtract.record import POWER, PowerRecord


def make_record(box: int = 16) -> PowerRecord:
    """Power that falls to that of noise outside a mask."""
    levels = np.array([3.0, 1.2, 1.1])
    return PowerRecord(
        frequency=np.arange(8) / 80.0,
        shells=1 + levels[:, None] * np.exp(-np.arange(8.0)),
        pictures=np.broadcast_to(levels[:, None, None], (3, box, box)).copy(),
        inside=levels,
        outside=levels / 2,
        pixel_size_angstrom=5.0,
        mask_radius_angstrom=20.0,
        n_images=10,
    )


def test_picture_is_written_from_the_file(tmp_path: Path) -> None:
    """What the workflow wrote is read back unchanged and becomes two charts, three pictures."""
    record = make_record()
    record.write(tmp_path)
    again = PowerRecord.read(tmp_path)
    np.testing.assert_array_equal(again.pictures, record.pictures)
    assert again.n_images == 10
    shown = read_subtraction(tmp_path)
    assert [len(chart.traces) for chart in shown.charts[0].charts] == [3, 3]
    picture = base64.b64decode(shown.pictures[0].source.partition(",")[2]).decode()
    assert picture.count("<image") == 3 + 1  # and the legend
    assert shown.headline == "Power outside the mask is 0.60 times that of the noise"


def test_figure_shows_every_stage() -> None:
    """Two charts with three curves each, and three pictures on one scale."""
    figure = draw_power(make_record())
    shells, profile, *pictures = figure.axes[:5]
    assert len(shells.get_lines()) == len(profile.get_lines()) == 4
    assert len({picture.images[0].get_clim() for picture in pictures}) == 1
    assert shells.get_legend().get_texts()[1].get_text() == "after"


def test_profile_of_a_ring() -> None:
    """Pixels at one distance are averaged together, up to the nearest edge."""
    axis = np.arange(9) - 4
    radius = np.rint(np.hypot(axis[:, None], axis))
    distance, mean = radial_profile(radius.astype(float), 2.0)
    np.testing.assert_allclose(distance, [0, 2, 4, 6, 8])
    np.testing.assert_allclose(mean, [0, 1, 2, 3, 4])


def test_damaged_numbers_are_explained(tmp_path: Path) -> None:
    """A directory without the numbers, or with other ones, is refused by name."""
    with pytest.raises(FormatError, match=f"{POWER}: missing or damaged"):
        read_subtraction(tmp_path)
    (tmp_path / POWER).write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(FormatError, match="missing or damaged"):
        read_subtraction(tmp_path)
