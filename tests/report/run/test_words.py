"""The words of the report: what is claimed, and when a doubt is raised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cryofocus.report.run import tables, words
from cryofocus.report.run.results import RunResults, read_results
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import PoseSummary

Build = Callable[..., RunDirectory]


def findings(results: RunResults) -> str:
    """Join all doubts."""
    return " | ".join(f"{doubt.finding} {doubt.action}" for doubt in words.advice(results))


def test_clear_result_raises_no_doubt(build_run: Build) -> None:
    """Three agreeing converged runs with certain particles need no advice."""
    results = read_results(build_run())
    assert words.headline(results) == "2 classes found"
    assert words.advice(results) == []
    assert "Independent random starts led to the same classes." in words.sentences(results)
    tones = [figure.tone for figure in words.key_figures(results)]
    assert tones == ["good", "good", "plain", "plain", "plain"]


def test_no_classes_claims_nothing(build_run: Build) -> None:
    """Without classes nothing is called good or bad, and the advice says what to try."""
    results = read_results(build_run(classes_found=False, certainty=0.0))
    assert words.headline(results) == "No classes were found"
    assert {figure.tone for figure in words.key_figures(results)} == {"plain"}
    assert "do not describe different structures" in words.sentences(results)[0]
    assert findings(results).startswith("No classes were found in this region. Check in view.cxc")
    assert "true class" not in " ".join(words.sentences(results))


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


def test_single_run_is_a_doubt(build_run: Build) -> None:
    """One run alone cannot tell whether another start would agree."""
    results = read_results(build_run(n_runs=1))
    assert "With a single run nobody knows" in findings(results)
    assert words.key_figures(results)[1].value == "–"
    assert words.sentences(results)[1].startswith("The run ended after 15 cycles")


def test_unconverged_run_is_a_doubt(build_run: Build) -> None:
    """A run that was stopped by the number of cycles asks for more."""
    assert "Give more with --cycles." in findings(read_results(build_run(converged=False)))


def test_disagreeing_runs_are_a_doubt(build_run: Build) -> None:
    """Runs that disagree are said to be one of several divisions."""
    results = read_results(build_run(agreement=0.55))
    assert "The runs put only 55% of the particles alike." in findings(results)
    assert "different classes" in words.sentences(results)[-1]


def test_uncertain_particles_are_a_doubt(build_run: Build) -> None:
    """Low posteriors warn against taking single assignments for facts."""
    results = read_results(build_run(n_classes=3, certainty=0.5))
    assert "Most particles are uncertain (mean highest posterior 0." in findings(results)


def test_tiny_class_is_a_doubt(build_run: Build) -> None:
    """A class of less than one percent is named."""
    directory = build_run()
    table = directory.classes.read_text().splitlines()
    cells = table[2].split(",")
    cells[2] = "0.004"
    directory.classes.write_text("\n".join([*table[:2], ",".join(cells)]) + "\n")
    assert "Class 2 holds 0.4% of the particles." in findings(read_results(directory))


def test_population_bars_fit_their_column(build_run: Build) -> None:
    """The longest bar with its spread is exactly as wide as the column."""
    rows = tables.class_rows(read_results(build_run(n_classes=3)))
    assert max(row.bar_percent + row.spread_percent for row in rows) == pytest.approx(100.0)
    assert [row.map_name for row in rows] == ["class001.mrc", "class002.mrc", "class003.mrc"]
    assert all(row.spread == "1.2" for row in rows)


def test_single_run_shows_no_spread(build_run: Build) -> None:
    """Without a second run the spread is a dash, not a zero."""
    rows = tables.class_rows(read_results(build_run(n_runs=1)))
    assert [row.spread for row in rows] == ["–", "–"]


def test_other_runs_are_measured_from_the_best(build_run: Build) -> None:
    """Log-likelihoods of other runs appear as their distance to the best."""
    rows = tables.run_rows(read_results(build_run()))
    assert [row.log_likelihood for row in rows] == ["-5,040.0", "-40.0", "-80.0"]
    assert [row.is_best for row in rows] == [True, False, False]


def test_commands_are_quoted_for_the_shell(build_run: Build) -> None:
    """A run directory with spaces and quotes in its name gives commands that can be pasted."""
    results = read_results(build_run(hostile=" it's; rm -rf ~"))
    for _, command in tables.next_steps(results):
        assert """RUN it'"'"'s; rm -rf ~""" in command
        assert "; rm" not in command.replace("""'"'"'s; rm""", "")
