"""Charts of the analyses: what they show is what was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis_pages import NAMES, make_covary, make_fsc, make_variance
from cryofocus.report.analyses.covary_charts import chart_masses, chart_matrices, chart_units
from cryofocus.report.analyses.fsc import read_resolution
from cryofocus.report.analyses.fsc_charts import EDGE
from cryofocus.report.analyses.latent_charts import BINS, MOST_AXES
from cryofocus.report.analyses.variance import read_variance
from cryofocus.report.drawing.chart import TRACE_TYPES, correlation_axis, matrix
from cryofocus.workflows.covary.record import RECORD, CovaryRecord


def test_curves_and_directions(tmp_path: Path) -> None:
    """Every curve is there; points mark where the corrected one crosses; directions fill a disc,
    and their spread encloses their mean."""
    folder = make_fsc(tmp_path).page.parent
    (curves,), (disc, cones) = (row.charts for row in read_resolution(folder).charts)
    names = [trace["name"] for trace in curves.traces]
    assert names[:4] == ["unmasked", "masked", "phases random", "corrected for the mask"]
    for mark in curves.traces[4:]:
        assert mark["text"] == [f"{1 / mark['x'][0]:.2f} Å"]
    (points,) = disc.traces
    assert len(points["x"]) == 500
    assert np.hypot(points["x"], points["y"]).max() <= EDGE * 1.001
    curve = {trace["name"]: np.array(trace["y"]) for trace in cones.traces if trace["name"]}
    assert (curve["mean"] <= curve["all directions"] + 1e-4).all()


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


def test_large_matrices_hold_no_values() -> None:
    """Fields too small for numbers stay empty; all charts are of the types that pages draw."""
    small, large = (matrix("", [str(k) for k in range(n)], np.eye(n), 1.0) for n in (3, 40))
    assert "texttemplate" in small.traces[0]
    assert "texttemplate" not in large.traces[0]
    assert large.traces[0]["type"] in TRACE_TYPES
