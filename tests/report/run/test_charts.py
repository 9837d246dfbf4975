"""Charts: what they show is what the run says, in what a small bundle of plotly can draw."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cryofocus.data.volume import read_volume, write_volume
from cryofocus.formatting import format_percent
from cryofocus.report.drawing.chart import TRACE_TYPES, Chart, flow, log_axis
from cryofocus.report.drawing.style import CLASS_COLOURS
from cryofocus.report.run import certainty, charts
from cryofocus.report.run.masked_fsc import measure_in_focus
from cryofocus.report.run.results import RunResults, read_results
from cryofocus.workflows.run.directory import RunDirectory

Build = Callable[..., RunDirectory]


@pytest.fixture(scope="module")
def results(build_shared_run: Build) -> RunResults:
    """Three classes, three runs."""
    return read_results(build_shared_run(n_classes=3, certainty=2.0))


def test_fsc_shows_threshold_and_all_classes(results: RunResults) -> None:
    """Every class has its curve in its colour, of the whole map and of the focus, and the 0.143
    line is there; the axis runs to Nyquist and is labelled in Å."""
    whole, inside = charts.chart_fsc(results, measure_in_focus(results))
    for chart in (whole, inside):
        assert [trace["line"]["color"] for trace in chart.traces] == list(CLASS_COLOURS[:3])
        assert chart.layout["shapes"][0]["y0"] == 0.143
        assert chart.layout["xaxis"]["range"] == [0, 0.125]
        assert chart.layout["xaxis"]["ticktext"][-1] == "8.0"
    np.testing.assert_allclose(whole.traces[1]["y"], results.fsc[1].fsc, atol=1e-4)
    assert whole.traces[1]["name"] == "class 2: 10.2 Å"
    assert whole.layout["yaxis"] == inside.layout["yaxis"]


def test_focus_has_its_own_resolution(results: RunResults) -> None:
    """Inside the focus, half maps of the arm agree well at low and not at high resolution."""
    curves = measure_in_focus(results)
    assert sorted(curves) == [1, 2, 3]
    for curve in curves.values():
        assert curve.fsc[2] > 0.7
        assert abs(curve.fsc[-3:].mean()) < 0.3
        assert curve.frequency[-1] == pytest.approx(0.125)
        assert curve.resolution_text.endswith(" Å")


def test_a_region_of_noise_has_no_resolution(build_run: Build) -> None:
    """Half maps that share nothing inside the region are said to resolve nothing of it."""
    directory, generator = build_run(), np.random.default_rng(2)
    for half in (1, 2):
        path = directory.half_map(1, half)
        density = read_volume(path)
        noise = generator.normal(size=density.data.shape).astype(np.float32)
        write_volume(path, noise, density.voxel_size_angstrom)
    curves = measure_in_focus(read_results(directory))
    assert curves[1].resolution_text == "nothing resolved"
    assert curves[2].resolution_text.endswith(" Å")


def test_certainty_counts_every_particle(results: RunResults) -> None:
    """The stacked bars add up to all particles, in colours and in hatches."""
    bars = charts.chart_certainty(results)[0].traces
    assert sum(sum(trace["y"]) for trace in bars) == pytest.approx(100.0, abs=0.1)
    assert len({trace["marker"]["pattern"]["shape"] for trace in bars}) == 3


def test_kept_fraction_is_that_of_select(results: RunResults) -> None:
    """The curve at a threshold is the fraction of the class at or above it."""
    thresholds, kept = certainty.kept_fractions(results)
    own = results.max_posterior[results.class_index == 0]
    assert kept[0, 60] == pytest.approx(float((own >= thresholds[60]).mean()), abs=1e-6)


def test_agreement_bars_add_up(results: RunResults) -> None:
    """The bars over numbers of agreeing runs add up to all particles; each pair is written."""
    matrix, bars = (chart.traces[0] for chart in charts.chart_agreement(results))
    assert sum(bars["y"]) == pytest.approx(100.0)
    assert matrix["z"][0] == [None, pytest.approx(0.96), pytest.approx(0.95)]
    assert matrix["text"][0] == ["", "96.0 %", "95.0 %"]
    assert bars["text"] == [format_percent(share / 100, 1) for share in bars["y"]]
    for trace in (matrix, bars):
        assert trace["texttemplate"] == "%{text}"


def test_objective_ends_at_the_best(results: RunResults) -> None:
    """The best run ends near zero, the others below, all counted per particle."""
    chart = charts.chart_objective(results)
    assert chart.title.startswith("Log-posterior")
    ends = [trace["y"][-1] for trace in chart.traces]
    assert ends[0] == pytest.approx(0.0, abs=0.01)
    assert ends[2] - ends[0] == pytest.approx(-80 / 600, abs=1e-4)


def test_objectives_that_are_the_same_look_the_same(results: RunResults) -> None:
    """Differences of rounding are not blown up over the whole chart."""
    still = tuple(
        replace(trace, objective=np.full(15, results.best_run.objective) + 1e-7 * trace.run)
        for trace in results.traces
    )
    low, high = charts.chart_objective(replace(results, traces=still)).layout["yaxis"]["range"]
    assert high - low >= charts.SMALLEST_SPAN


def test_populations_are_those_of_the_best_run(results: RunResults) -> None:
    """One line per class, whose shares add up to one in every cycle, apart without colour."""
    lines = charts.chart_populations(results).traces
    np.testing.assert_allclose(np.sum([trace["y"] for trace in lines], axis=0), 100, atol=1e-2)
    assert len({trace["line"]["dash"] for trace in lines}) == 3


def test_moves_end_where_hardly_any_particle_moves(results: RunResults) -> None:
    """Columns follow the cycles until less than one in a hundred moves; all particles flow; where
    none ever moves, there is nothing to show."""
    chart = charts.chart_moves(results)
    assert chart is not None
    link = chart.traces[0]["link"]
    assert len(chart.traces[0]["node"]["label"]) == 3 * 5
    from_start = [v for s, v in zip(link["source"], link["value"], strict=True) if s < 3]
    assert sum(from_start) == results.job.n_particles
    assert charts.chart_moves(replace(results, moves=())) is None
    merged = [
        row.model_copy(update={"to": (0, 0, 0)}) if row.cycle > 2 and row.from_class == 3 else row
        for row in results.moves
    ]
    before = charts.moves_before_merging(replace(results, moves=tuple(merged)))
    assert [cycle for cycle, _ in before] == [1, 2]
    still = tuple(
        row.model_copy(update={"to": tuple(99 * (k == row.from_class - 1) for k in range(3))})
        for row in results.moves
    )
    assert charts.chart_moves(replace(results, moves=still)) is None


def test_classes_of_other_runs_flow_into_the_reported_ones(results: RunResults) -> None:
    """Each run that differs has its chart, which carries every particle once."""
    flows = charts.chart_run_classes(results)
    for run, chart in zip((2, 3), flows, strict=True):
        link = chart.traces[0]["link"]
        assert sum(link["value"]) == results.job.n_particles
        ends = zip(link["source"], link["target"], link["value"], strict=True)
        share = 100 * sum(n for a, b, n in ends if b - a == 3) / results.job.n_particles
        assert chart.title.startswith(f"Run {run}: {share:.1f} % in the reported")
    own = {n: {"reported": tuple(9 * (k == n - 1) for k in range(3))} for n in (1, 2, 3)}
    same = [
        row.model_copy(update=own[row.class_number] if row.run == 2 else {})
        for row in results.run_classes
    ]
    left = charts.chart_run_classes(replace(results, run_classes=tuple(same)))
    assert [chart.title for chart in left] == [flows[1].title]


def test_classes_without_particles_are_no_share_of_any(results: RunResults) -> None:
    """Of a class that holds no particle no threshold keeps all, and it has no bars."""
    posteriors = np.zeros_like(results.posteriors)
    posteriors[:, [0, 2]] = (0.8, 0.2)
    posteriors[::2, [0, 2]] = (0.2, 0.8)
    bars, kept, *_ = charts.chart_certainty(replace(results, posteriors=posteriors))
    for chart in (bars, kept):
        assert [trace["name"] for trace in chart.traces] == ["class 1", "class 3"]


def test_chance_is_that_of_the_classes_left(results: RunResults) -> None:
    """Of three classes, one merged into another, a guess is right for a half, not a third."""
    posteriors = np.zeros_like(results.posteriors)
    posteriors[:, [0, 2]] = (0.8, 0.2)
    merged = replace(results, posteriors=posteriors)
    assert (results.n_filled, merged.n_filled) == (3, 2)
    for run, chance in ((results, 1 / 3), (merged, 1 / 2)):
        bars, kept, *_ = charts.chart_certainty(run)
        assert bars.layout["xaxis"]["range"][0] == pytest.approx(chance)
        assert kept.traces[0]["x"][0] == pytest.approx(chance, abs=1e-4)
        for chart in (bars, kept):
            assert chart.layout["yaxis"]["ticksuffix"] == " %"


def test_maps_that_are_no_classes_are_not_called_so(build_run: Build) -> None:
    """Where there are no classes, the legend of the resolution names none."""
    results = read_results(build_run(classes_found=False))
    whole, *_ = charts.chart_fsc(results, {})
    assert [trace["name"].partition(":")[0] for trace in whole.traces][:2] == ["map 1", "map 2"]


def test_legend_says_no_resolution_where_there_is_none(results: RunResults) -> None:
    """A class whose half maps never agree is named alone, without a dash for its resolution."""
    first, *rest = results.classes
    noise = first.model_copy(update={"resolution_angstrom": np.inf})
    whole, *_ = charts.chart_fsc(replace(results, classes=(noise, *rest)), {})
    assert whole.traces[0]["name"] == "class 1"
    assert whole.traces[1]["name"].startswith("class 2: ")


def test_classes_without_particles_have_no_place_in_a_flow() -> None:
    """Plotly leaves out what carries nothing, and then takes the places of others for it."""
    names = ["class 1", "class 2", "class 3"]
    counts = [[[5, 0, 1], [0, 0, 0], [0, 0, 4]], [[5, 0, 0], [0, 0, 0], [0, 0, 5]]]
    trace = flow([names] * 3, counts, "Moves").traces[0]
    node, link = trace["node"], trace["link"]
    assert node["label"] == ["class 1", "class 3"] * 3
    assert [round(x, 1) for x in node["x"]] == [0, 0, 0.5, 0.5, 1, 1]
    assert len(node["y"]) == len(node["color"]) == 6
    ends = [
        (node["label"][a], node["label"][b], n)
        for a, b, n in zip(link["source"], link["target"], link["value"], strict=True)
    ]
    assert ends[:3] == [
        ("class 1", "class 1", 5),
        ("class 1", "class 3", 1),
        ("class 3", "class 3", 4),
    ]


def test_legend_names_runs_that_look_alike_once(results: RunResults) -> None:
    """The best run has its name, all others, drawn alike, have one together."""
    traces = charts.chart_objective(results).traces
    named = [trace["name"] for trace in traces if trace["showlegend"]]
    assert named == ["run 1 (best)", "run 2, 3"]


@pytest.mark.parametrize(("low", "step"), [(1e-5, 1), (1e-14, 3)])
def test_labels_of_logarithms_do_not_touch(low: float, step: int) -> None:
    """Never more than a few powers are written."""
    assert log_axis("change", [1.0, 0.0, low])["dtick"] == step


def test_numbers_between_two_powers_are_written_whole() -> None:
    """A digit alone would not tell its power."""
    ticks = log_axis("change", [2e-5, 7e-5])
    assert ticks["ticktext"][1:3] == ["2×10<sup>-5</sup>", "5×10<sup>-5</sup>"]
    assert np.isclose(ticks["tickvals"][1], 2e-5)


def test_charts_need_few_kinds_of_traces_and_escape_texts(results: RunResults) -> None:
    """Every trace is of a listed kind, and no text leaves the element that holds the numbers."""
    shown = (
        *charts.chart_certainty(results),
        *charts.chart_agreement(results),
        *charts.chart_run_classes(results),
        *charts.chart_fsc(results, {}),
        charts.chart_change(results),
    )
    assert {trace["type"] for chart in shown for trace in chart.traces} <= set(TRACE_TYPES)
    hostile = Chart('</script><b>"', "x", ({"type": "bar", "name": "</script>"},), {})
    assert hostile.html.count("<") == 4
    found = re.search(r"json\">(.*)</script>", hostile.html)
    assert found is not None
    assert json.loads(found[1])["layout"]["title"]["text"] == '</script><b>"'
