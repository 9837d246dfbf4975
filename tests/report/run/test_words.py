"""The words of the report: what is claimed, and when a doubt is raised."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cryofocus.report.run import tables, words
from cryofocus.report.run.results import read_results
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import Finding, FindingCode, PoseSummary, Severity

Build = Callable[..., RunDirectory]


def finding(code: FindingCode, severity: Severity, text: str = "So it is.") -> Finding:
    """A judgement of a run."""
    return Finding(code=code, severity=severity, text=text)


def test_clear_result_raises_no_doubt(build_run: Build) -> None:
    """What a run noted in its own favour is told, and makes its figures good."""
    found = (
        finding(FindingCode.CERTAIN_POSTERIORS, Severity.NOTE, "Sure."),
        finding(FindingCode.RUNS_AGREE, Severity.NOTE, "The same classes."),
    )
    results = read_results(build_run(findings=found))
    assert words.headline(results.job) == "2 classes found in this region"
    assert words.doubts(results.job) == []
    assert words.sentences(results)[:2] == ["Sure.", "The same classes."]
    tones = [figure.tone for figure in words.key_figures(results)]
    assert tones == ["good", "good", "plain", "plain", "plain"]


def test_severity_decides_the_tone(build_run: Build) -> None:
    """Advice makes a figure fair and a warning poor; both are listed in the run's own words."""
    found = (
        finding(FindingCode.UNCERTAIN_POSTERIORS, Severity.ADVICE, "Use weights."),
        finding(FindingCode.RUNS_DISAGREE, Severity.WARNING, "Raise --runs."),
    )
    results = read_results(build_run(findings=found, warnings=("The disk is slow.",)))
    assert [figure.tone for figure in words.key_figures(results)][:2] == ["fair", "poor"]
    assert [text for _, text in words.doubts(results.job)] == [
        "Use weights.",
        "Raise --runs.",
        "The disk is slow.",
    ]


def test_no_classes_claims_nothing(build_run: Build) -> None:
    """Without classes nothing is called good or bad."""
    found = (finding(FindingCode.NO_CLASSES, Severity.WARNING, "Check the poses."),)
    results = read_results(build_run(classes_found=False, certainty=0.0, findings=found))
    change = {"n_effective_classes": 1, "p_value_no_classes": 1.0}
    results = replace(results, job=results.job.model_copy(update=change))
    figures = words.key_figures(results)
    assert [figure.value for figure in figures] == ["p = 1", "600", "45 s"]
    assert words.headline(results.job) == "No classes were found"
    assert {figure.tone for figure in words.key_figures(results)} == {"plain"}
    assert "they describe noise" in words.sentences(results)[0]
    assert words.doubts(results.job) == [(Severity.WARNING, "Check the poses.")]


def test_runs_of_earlier_versions_are_shown_without_judgement(build_run: Build) -> None:
    """A job.json without findings still opens; its figures are neither good nor bad."""
    directory = build_run()
    content = json.loads(directory.job.read_text())
    del content["findings"]
    directory.job.write_text(json.dumps(content))
    results = read_results(directory)
    assert results.job.findings == ()
    assert {figure.tone for figure in words.key_figures(results)} == {"plain"}


def test_unsettled_runs_give_no_verdict(build_run: Build) -> None:
    """A run that stopped too early has found neither classes nor that there are none."""
    results = read_results(build_run(classes_found=False, converged=False))
    assert words.headline(results.job) == "No verdict"


def test_a_region_that_cuts_may_hide_classes(build_run: Build) -> None:
    """Then the number of classes is a lower bound."""
    cut = Finding(code=FindingCode.REGION_CUTS, severity=Severity.WARNING, text="It cuts.")
    job = read_results(build_run(findings=(cut,))).job
    assert words.headline(job) == "At least 2 classes found in this region"


def test_a_ball_is_told_in_the_headline(build_run: Build) -> None:
    """Classes of particles whose views look alike are believed only if the particle is a ball."""
    ball = Finding(code=FindingCode.VIEWS_ALIKE, severity=Severity.WARNING, text="A ball.")
    job = read_results(build_run(findings=(ball,))).job
    assert words.headline(job) == "2 classes found in this region, if the particle is a ball"


@pytest.mark.parametrize(
    ("n_regions", "ending"), [(1, ""), (2, "; one other region varies"), (4, "; 3 others vary")]
)
def test_other_regions_that_vary_are_told_in_the_headline(
    build_run: Build, n_regions: int, ending: str
) -> None:
    """A run that looked for its region knows where else particles differ."""
    found = finding(FindingCode.REGION_FOUND, Severity.NOTE)
    found = found.model_copy(update={"figures": {"n_regions": float(n_regions)}})
    job = read_results(build_run(findings=(found,))).job
    assert words.headline(job) == f"2 classes found in this region{ending}"


def test_whole_particles_are_no_region(build_run: Build) -> None:
    """Without a region in focus the classes are those of the whole particle."""
    job = read_results(build_run()).job
    whole = job.model_copy(update={"focus": job.focus.model_copy(update={"kind": "whole"})})
    assert words.headline(whole) == "2 classes found"


def test_verdict_does_not_repeat_the_headline(build_run: Build) -> None:
    """What the headline says already is left out below it; other verdicts stay."""
    job = read_results(build_run(classes_found=False)).job
    assert words.verdict(job) == job.verdict
    job = job.model_copy(update={"verdict": "No classes were found: all is noise."})
    assert words.verdict(job) == "All is noise."
    found = "Found 2 classes in this region: 51 % and 49 % of the particles; one run: no more."
    job = job.model_copy(update={"verdict": found})
    assert words.verdict(job) == "51 % and 49 % of the particles; one run: no more."


@pytest.mark.parametrize(
    ("n_processes", "cycles", "said"),
    [
        (1, 0, "in total"),
        (2, 0, "in total, resumed once"),
        (3, 17, "in total, resumed twice after 17 cycles"),
        (5, 17, "in total, resumed 4 times after 17 cycles"),
    ],
)
def test_time_says_that_a_run_was_resumed(
    build_run: Build, n_processes: int, cycles: int, said: str
) -> None:
    """The time is that of all processes, so the page says what was there before the last."""
    results = read_results(build_run())
    update = {"n_processes": n_processes, "cycles_before": cycles}
    resumed = replace(results, job=results.job.model_copy(update=update))
    assert words.key_figures(resumed)[-1].name == said


def test_copies_are_not_called_particles(build_run: Build) -> None:
    """An expanded table has more rows than there are particles; both numbers are told."""
    results = read_results(build_run())
    job = results.job.model_copy(update={"n_parents": 300})
    expanded = replace(results, job=job)
    assert (words.key_figures(expanded)[3].value, words.key_figures(expanded)[3].name) == (
        "600",
        "copies of 300 particles",
    )
    assert dict(tables.facts(expanded))["Particles"].startswith("600 copies of 300 particles, box")
    assert dict(tables.facts(results))["Particles"].startswith("600, box")


def test_accuracy_counts_copies_once(build_run: Build) -> None:
    """Between copies of a class nobody can choose; both estimates are shares of the particles."""
    results = read_results(build_run(n_classes=3, certainty=1.0))
    apart = results.mean_accuracy
    assert apart == pytest.approx(float(results.max_posterior.mean()))
    numbers = (1, 1, 3)
    copies = tuple(
        entry.model_copy(update={"effective_class": n})
        for entry, n in zip(results.classes, numbers, strict=True)
    )
    job = results.job.model_copy(update={"expected_accuracy": 0.961, "n_effective_classes": 2})
    merged = replace(results, classes=copies, job=job)
    assert merged.mean_accuracy > apart
    assert merged.own_classes == [1, 3]
    first, other = tables.merged_rows(merged)
    assert (first.name, other.name) == ("Class 1 + 2", "Class 3")
    percents = [float(row.percent) for row in (first, other)]
    assert sum(percents) == pytest.approx(100, abs=0.11)
    assert (first.error, other.error) == ("–", tables.class_rows(merged)[2].error)
    counts = [int(row.n_particles.replace(",", "")) for row in (first, other)]
    assert sum(counts) == merged.job.n_particles
    assert words.key_figures(merged)[0].remark == (
        "estimated from the probabilities; from maps and noise 96 %; "
        f"calling all the largest class {max(percents):.0f} %"
    )


def test_a_class_without_particles_is_not_unsure_of_them(build_run: Build) -> None:
    """Nothing is said of how sure the particles of an empty class are."""
    results = read_results(build_run())
    none = {"n_particles": 0, "mean_posterior": 0.0}
    merged = (results.classes[0], results.classes[1].model_copy(update=none))
    full, empty = tables.class_rows(replace(results, classes=merged))
    assert (full.mean_posterior[:2], empty.mean_posterior) == ("0.", "–")


def test_resolution_of_the_box_is_none(build_run: Build) -> None:
    """Half maps that agree on the first shells alone have no resolution."""
    results = read_results(build_run())
    rough = results.classes[0].model_copy(update={"resolution_angstrom": 64.0})
    changed = replace(results, classes=(rough, results.classes[1]))
    assert [row.resolution for row in tables.class_rows(changed)] == ["–", "10.2 Å"]
    assert words.key_figures(changed)[2].value == "10.2 Å"


def test_the_limit_of_the_pixels_is_no_part_of_the_figure(build_run: Build) -> None:
    """A resolution that ends at Nyquist says so below the figure, which has little room."""
    results = read_results(build_run())
    job = results.job
    finest = 2 * job.pixel_size_angstrom
    sharp = [one.model_copy(update={"resolution_angstrom": finest}) for one in results.classes]
    figure = words.key_figures(replace(results, classes=tuple(sharp)))[2]
    assert figure.value == f"{finest:.1f} Å"
    assert "(Nyquist)" in figure.remark


def test_single_run_has_no_agreement(build_run: Build) -> None:
    """The agreement of one run is a dash, and the run is not called the best."""
    results = read_results(build_run(n_runs=1))
    assert words.key_figures(results)[1].value == "–"
    assert words.sentences(results)[0].startswith("The run ended after 15 cycles")


def test_poses_that_moved_are_told_of(build_run: Build) -> None:
    """How far given poses were off comes first; nothing is said of poses that were kept."""
    results = read_results(build_run())
    moved = PoseSummary(
        rounds=3,
        given_angle_sd_degrees=1.94,
        given_shift_sd_angstrom=5.2,
        angle_error_degrees=0.76,
        shift_error_angstrom=0.7,
    )
    job = results.job.model_copy(update={"poses": moved})
    first = words.sentences(replace(results, job=job))[0]
    assert first.startswith("Poses were refined over 3 rounds")
    assert "1.94° and 5.2 Å" in first
    assert not any("oses were refined" in text for text in words.sentences(results))
    still = moved.model_copy(update={"angle_error_degrees": 0.0})
    job = results.job.model_copy(update={"poses": still})
    assert "scaffold over 3 rounds" in words.sentences(replace(results, job=job))[0]


def test_population_bars_fit_their_column(build_run: Build) -> None:
    """The longest bar with its error is exactly as wide as the column."""
    rows = tables.class_rows(read_results(build_run(n_classes=3)))
    assert max(row.bar_percent + row.error_percent for row in rows) == pytest.approx(100.0)
    assert [row.map_name for row in rows] == ["class001.mrc", "class002.mrc", "class003.mrc"]
    assert all(row.error == "1.5" for row in rows)


def test_an_error_that_is_not_known_is_a_dash(build_run: Build) -> None:
    """Runs of older versions, and of strategies that cannot say, show no zero."""
    results = read_results(build_run())
    silent = tuple(one.model_copy(update={"share_error": None}) for one in results.classes)
    assert [row.error for row in tables.class_rows(replace(results, classes=silent))] == ["–", "–"]


def test_effective_sizes_are_no_more_than_the_particles(build_run: Build) -> None:
    """What uncertain particles tell is divided between their classes, and partly lost."""
    results = read_results(build_run(n_classes=3))
    sizes = [int(row.effective.replace(",", "")) for row in tables.class_rows(results)]
    assert 0 < sum(sizes) <= results.job.n_particles
    certain = replace(results, posteriors=np.eye(3, dtype=np.float32)[results.class_index])
    counts = [row.n_particles for row in tables.class_rows(results)]
    assert [row.effective for row in tables.class_rows(certain)] == counts


def test_other_runs_are_measured_from_the_best(build_run: Build) -> None:
    """The objective of other runs appears as their distance to the best, 0.0 if there is none."""
    results = read_results(build_run())
    rows = tables.run_rows(results)
    assert [row.objective for row in rows] == ["−5,040.0", "−40.0", "−80.0"]
    assert [row.is_best for row in rows] == [True, False, False]
    best, second, third = results.job.runs
    near = second.model_copy(update={"objective": best.objective - 0.01})
    job = results.job.model_copy(update={"runs": (best, near, third)})
    assert tables.run_rows(replace(results, job=job))[1].objective == "0.0"


def test_commands_are_quoted_for_the_shell(build_run: Build) -> None:
    """A run directory with spaces and quotes in its name gives commands that can be pasted."""
    results = read_results(build_run(hostile=" it's; rm -rf ~"))
    for _, command in tables.next_steps(results):
        assert """RUN it'"'"'s; rm -rf ~""" in command
        assert "; rm" not in command.replace("""'"'"'s; rm""", "")
