"""Charts of the analyses: what they show is what was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis_pages import NAMES, make_covary, make_fsc, make_variance
from cryofocus.data.volume import write_volume
from cryofocus.maths.masks import sphere_mask
from cryofocus.report.analyses.covary_charts import chart_masses, chart_matrices, chart_units
from cryofocus.report.analyses.fsc import read_resolution
from cryofocus.report.analyses.fsc_charts import EDGE
from cryofocus.report.analyses.latent_charts import BINS, MOST_AXES
from cryofocus.report.analyses.local_resolution import PICTURE, draw_local, write_local_picture
from cryofocus.report.analyses.variance import read_variance
from cryofocus.report.drawing.chart import TRACE_TYPES, correlation_axis, matrix
from cryofocus.report.drawing.sheet import Image, Text
from cryofocus.workflows import fsc
from cryofocus.workflows.covary.record import RECORD, CovaryRecord


def test_curves_and_directions(tmp_path: Path) -> None:
    """Every curve is there; points mark where the corrected one crosses, which the legend
    says in Å; directions fill a disc, and their spread encloses their mean."""
    folder = make_fsc(tmp_path).page.parent
    first, second, third = read_resolution(folder).charts
    (curves,), (disc, cones) = first.charts, second.charts
    assert third.picture is not None
    assert third.picture.alternative == "Local resolution on three planes"
    names = [trace["name"] for trace in curves.traces]
    assert names[:4] == ["unmasked", "masked", "phases random", "corrected for the mask"]
    for mark in curves.traces[4:]:
        assert mark["name"] == f"{1 / mark['x'][0]:.2f} Å at {mark['y'][0]:g}"
        assert mark["mode"] == "markers"
    assert len({mark["marker"]["symbol"] for mark in curves.traces[4:]}) == len(curves.traces[4:])
    (points,) = disc.traces
    assert len(points["x"]) == 500
    assert np.hypot(points["x"], points["y"]).max() <= EDGE * 1.001
    curve = {trace["name"]: np.array(trace["y"]) for trace in cones.traces if trace["name"]}
    assert (curve["mean"] <= curve["all directions"] + 1e-4).all()


def test_local_resolution_inside_the_molecule_or_the_mask(tmp_path: Path) -> None:
    """Planes pass through the middle, whose place titles say in Å in the frame of the map; what is
    worse is darker, what is outside is blank."""
    ball = sphere_mask(16, 4.0, (8.0, 0.0, -4.0), 12.0, 4.0)
    frame = 4.0, (10.0, 20.0, 30.0)
    write_volume(tmp_path / fsc.FILTERED, ball, *frame)
    along_x = np.broadcast_to(np.linspace(8, 38, 16, dtype=np.float32), ball.shape)
    write_volume(tmp_path / fsc.LOCAL, np.ascontiguousarray(along_x), *frame)
    sheet = draw_local(tmp_path, None)
    assert sheet is not None
    words = [mark.words for mark in sheet.marks if isinstance(mark, Text)]
    assert words[:3] == ["xy at z = 58 Å", "xz at y = 52 Å", "zy at x = 50 Å"]
    xy = next(mark for mark in sheet.marks if isinstance(mark, Image)).raster.colours()
    middle = xy[len(xy) // 2].sum(axis=1, dtype=int)
    inside = np.flatnonzero(middle < 3 * 255)
    assert (inside[0], len(middle) - inside[-1]) > (10, 10)
    assert middle[inside[0]] > middle[inside[-1]]
    whole = tmp_path / "whole.mrc"
    write_volume(whole, np.ones_like(ball), *frame)
    sheet = draw_local(tmp_path, whole)
    assert sheet is not None
    xy = next(mark for mark in sheet.marks if isinstance(mark, Image)).raster.colours()
    assert (xy.sum(axis=2, dtype=int) < 3 * 255).all()


def test_no_picture_where_nothing_stands_out(tmp_path: Path) -> None:
    """A flat map has no molecule whose resolution could be shown."""
    for name in (fsc.FILTERED, fsc.LOCAL):
        write_volume(tmp_path / name, np.ones((16,) * 3, np.float32), 4.0)
    write_local_picture(tmp_path, None)
    assert not (tmp_path / PICTURE).exists()


@pytest.mark.parametrize(("lowest", "end"), [(0.2, -0.1), (-0.3, -0.33), (-4.0, -0.55)])
def test_curves_below_zero_stay_whole(lowest: float, end: float) -> None:
    """The axis reaches down to the lowest correlation, unless that is far beyond any meaning."""
    curves = [{"y": [1.0, lowest]}, {"y": [1.0, 0.5]}]
    assert correlation_axis(curves)["range"][0] == pytest.approx(end)


def test_coordinates_of_all_particles(tmp_path: Path) -> None:
    """Histograms and the map over two axes count every particle once."""
    make_variance(tmp_path)
    (row,) = read_variance(tmp_path).charts
    pair, *axes = row.charts
    assert len(axes) == 2 <= MOST_AXES
    assert np.nansum(np.array(pair.traces[0]["z"], float)) == 300
    for chart in axes:
        assert sum(chart.traces[0]["y"]) == 300
        assert len(chart.traces[0]["x"]) == BINS
        assert [note["text"] for note in chart.layout["annotations"]] == list("12345")


def test_matrices_masses_and_units(tmp_path: Path) -> None:
    """Values are those of the record; what is undetermined is marked; runs differ in shape."""
    make_covary(tmp_path)
    record = CovaryRecord.read(tmp_path / RECORD)
    assert record.class_level is not None
    for chart in chart_matrices(record):
        assert chart.traces[0]["z"][0] == [1.0, 0.9, None]
        assert len(chart.layout["annotations"]) == 4
    traces = chart_masses(NAMES, record.class_level).traces
    assert [len(trace["y"]) for trace in traces] == [6, 6]
    assert len({trace["marker"]["symbol"] for trace in traces}) == 2
    (units,) = chart_units(record.unit_level)
    assert units.traces[0]["z"][0] == pytest.approx([0.15, -0.15])
    assert units.traces[0]["text"][0] == ["0.15", "−0.15"]
    # A line of a narrow window, which does not break titles.
    assert len(units.title) < 40


def test_large_matrices_hold_no_values() -> None:
    """Fields too small for numbers stay empty; all charts are of the types that pages draw."""
    small, large = (matrix("", [str(k) for k in range(n)], np.eye(n), 1.0) for n in (3, 40))
    assert "texttemplate" in small.traces[0]
    assert "texttemplate" not in large.traces[0]
    assert large.traces[0]["type"] in TRACE_TYPES
