"""covary, variance, diffmap and fsc as commands: what they print, their pages, the run's page."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cryofocus.cli.evaluate import hint_at_groups
from cryofocus.cli.main import app
from cryofocus.data.volume import read_volume
from cryofocus.errors import FormatError
from cryofocus.report.analyses.differences import draw_merged
from cryofocus.report.drawing.section import environment, plotly_script, set_section
from cryofocus.report.drawing.sheet import Image, Text
from cryofocus.report.run.analyses import find_analyses, show_analyses
from cryofocus.report.run.results import read_results
from cryofocus.workflows import evaluate as workflow
from cryofocus.workflows.run.directory import RunDirectory

Invoke = Callable[..., Any]


def regions(folder: Path, *names: str) -> list[str]:
    """Regions as the command takes them, each with its own option."""
    pairs = [f"{name}={folder / 'masks' / name}.mrc" for name in names]
    return [word for pair in pairs for word in ("--regions", pair)]


def run(*arguments: str | Path) -> str:
    """Run a command that has to succeed, and return what it printed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return str(result.output)


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory, pristine_set: Path, focus: str) -> Path:
    """A run with the results of every other command in its directory; tests must not change it."""
    table, out = pristine_set / "particles.star", tmp_path_factory.mktemp("runs") / "RUN"
    settings = ("--classes", "2", "--runs", "1", "--cycles", "3")
    run("classify", table, f"--focus={focus}", *settings, "-o", out)
    named = regions(pristine_set, "near_arm", "far_arm", "near_foot")
    run("covary", out, *named, "--max-resolution", "80", "-o", out / "together")
    run("diffmap", out, "-o", out / "differences")
    beside = ("--against", "pairs", "--beside", out / "differences")
    run("diffmap", out, *beside, "-o", out.parent / "pairs")
    halves = [out / f"class001_half{half}.mrc" for half in (1, 2)]
    run("fsc", *halves, "--directional", "-o", out / "resolution")
    coarse = ("--dimensions", "1", "--max-resolution", "80")
    run("variance", table, *coarse, "-o", out / "variability")
    return out


def test_covary_prints_matrices(cryofocus: Invoke, pristine_set: Path, tmp_path: Path) -> None:
    """Over particles alone: a matrix with the regions' names, and where the page is."""
    named = regions(pristine_set, "near_arm", "far_arm")
    table = pristine_set / "particles.star"
    arguments = ("covary", table, *named, "--max-resolution", "80", "-o", tmp_path / "DIR")
    result = cryofocus(*arguments)
    assert result.exit_code == 0, result.output
    assert "Over 60 particles, noise removed" in result.output
    assert result.output.count("near_arm") >= 2
    assert f"Report   {tmp_path / 'DIR' / 'report.html'}" in result.output
    again = cryofocus(*arguments)
    assert again.exit_code == 2
    assert "already exists" in again.output


def test_covary_takes_what_is_given(cryofocus: Invoke, pristine_set: Path, tmp_path: Path) -> None:
    """Several conditions may be given; one that is no region is refused before images are read."""
    named = regions(pristine_set, "near_arm", "far_arm")
    table, place = pristine_set / "particles.star", ("-o", tmp_path / "DIR")
    given = ("--given", "near_arm=absent", "--given", "hand")
    result = cryofocus("covary", table, *named, *given, *place)
    assert result.exit_code == 2
    message = " ".join(result.output.split())
    assert "given: found 'hand', expected the name of a region (near_arm, far_arm)" in message
    assert not (tmp_path / "DIR").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("near_arm", "found 'near_arm', expected a name and a mask file such as hand=hand.mrc"),
        ("9,9,9,3", "Of a sphere: cryofocus mask sphere 9,9,9,3 --like MAP.mrc -o NAME.mrc"),
        ("arm=9,9,9,3", "found '9,9,9,3' for arm, expected a mask file. Of a sphere:"),
        ("=mask.mrc", "found '=mask.mrc', expected a name and a mask file"),
    ],
)
def test_a_region_needs_a_name_and_a_file(
    cryofocus: Invoke, pristine_set: Path, tmp_path: Path, given: str, message: str
) -> None:
    """What is no NAME=MASK is refused before anything is read."""
    table = pristine_set / "particles.star"
    result = cryofocus("covary", table, "--regions", given, "-o", tmp_path / "DIR")
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_a_single_region_is_refused(cryofocus: Invoke, pristine_set: Path, tmp_path: Path) -> None:
    """One region has nothing to vary with: one message, exit code 2, nothing written."""
    named = regions(pristine_set, "near_arm")
    result = cryofocus("covary", pristine_set / "particles.star", *named, "-o", tmp_path / "DIR")
    assert result.exit_code == 2
    assert "regions: found 1, expected at least two" in result.output
    assert not (tmp_path / "DIR").exists()


def test_every_analysis_has_a_page(analysed: Path) -> None:
    """Each directory has one page that holds its figures and needs no network."""
    for name, heading in (
        ("together", "Which regions vary together"),
        ("differences", "Differences of class maps"),
        ("resolution", "at FSC 0.143"),
        ("variability", "Where particles differ"),
    ):
        page = (analysed / name / "report.html").read_text(encoding="utf-8")
        page = page.replace(plotly_script(), "")
        assert heading in page
        assert "data:image/" in page or '<div class="chart"' in page
        assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_runs_page_shows_what_lies_in_its_directory(analysed: Path, tmp_path: Path) -> None:
    """The run's page has a section with every result, linked to its page; without them, none."""
    copied = Path(shutil.copytree(analysed, tmp_path / "RUN"))
    results = read_results(RunDirectory.open(copied))
    (section,) = show_analyses(results)
    page = set_section(environment(), section).html
    for name in ("together", "differences", "resolution", "variability"):
        assert f'<a href="{name}/report.html">{name}</a>' in page
        shutil.rmtree(copied / name)
    assert show_analyses(results) == ()


def test_a_damaged_analysis_is_named(analysed: Path, tmp_path: Path) -> None:
    """The message names the directory and the command that makes it again."""
    copied = Path(shutil.copytree(analysed, tmp_path / "RUN"))
    (copied / "variability" / "regions.csv").unlink()
    message = r"variability/.*: missing or damaged .* Measure it again with cryofocus variance"
    with pytest.raises(FormatError, match=message):
        list(find_analyses(copied))


def test_merged_differences_above_those_of_another_run(analysed: Path) -> None:
    """One row of views for a run, two with others beside it, all on the scale of the largest."""
    merged = analysed / "differences/merged.mrc"
    largest = float(read_volume(merged).data.max())
    one = draw_merged({"These classes": merged})
    two = draw_merged({"These classes": analysed.parent / "pairs/merged.mrc", "Others": merged})
    for sheet, n_rows in ((one, 1), (two, 2)):
        assert len([mark for mark in sheet.marks if isinstance(mark, Image)]) == 3 * n_rows + 1
        words = [mark.words for mark in sheet.marks if isinstance(mark, Text)]
        assert float(words[-1]) >= 0.95 * largest
    assert (analysed.parent / "pairs/merged.svg").stat().st_size > 5_000


def test_many_true_states_are_to_be_grouped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The columns of the table beside the truth are named; few states need no word."""
    (tmp_path / "states.csv").write_text("class,map,share,ef_g,trna\n1,a.mrc,0.5,0,1\n")
    six = {"confusion": [[n, 9 - n, 0, 0, 0, 0] for n in range(6)]}
    hint_at_groups(six, tmp_path / "truth.star")
    said = capsys.readouterr().out
    assert "6 states, many of which no region tells apart" in said
    assert f"--group {tmp_path}/states.csv:ef_g (or trna)" in said
    for few in ({"confusion": [[5, 1], [1, 5]]}, six | {"groups": ["0", "1"]}):
        hint_at_groups(few, tmp_path / "truth.star")
    assert capsys.readouterr().out == ""


def test_evaluate_says_that_it_counts_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an expanded set, so many copies of so many particles; else particles."""
    scores = {"kappa": 1.0, "fraction_correct": 1.0, "particles": 8, "n_classes": 2, "mates": 4}
    scores |= {"confusion": [[4, 0], [0, 4]], "matching": [1, 2], "cohen_kappa": 1.0}
    for more, said in (({"copies_of": 4}, "copies of 4 particles"), ({}, "particles")):
        result = scores | more
        monkeypatch.setattr(workflow, "evaluate", lambda *_, result=result, **__: result)
        shown = run("evaluate", tmp_path / "particles.star", tmp_path / "truth.star")
        assert f"of 8 {said} assigned" in shown
        unit = said.split()[0]
        assert f"4 {unit} scored" in shown
        assert f"{unit.capitalize()} by true class" in shown


def test_evaluate_does_not_praise_what_found_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nearly all are in one class, so many right ones may be none of the others."""
    scores = {"kappa": 0.94, "cohen_kappa": 0.0, "fraction_correct": 0.97, "particles": 100}
    scores |= {"confusion": [[97, 0], [3, 0]], "matching": [1, 2], "n_classes": 2, "mates": 0}
    scores["classes_found"] = False
    monkeypatch.setattr(workflow, "evaluate", lambda *_, **__: scores)
    shown = run("evaluate", tmp_path / "particles.star", tmp_path / "truth.star")
    assert shown.startswith("This run found no classes")
    assert "Cohen's kappa 0.000: its chance" in shown
    scores |= {"cohen_kappa": 0.93, "classes_found": True}
    shown = run("evaluate", tmp_path / "particles.star", tmp_path / "truth.star")
    assert shown.startswith("kappa 0.940\n97.0")
