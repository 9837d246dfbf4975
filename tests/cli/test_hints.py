"""Wrong turns cost one message, which names what was meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cryofocus.cli.hints import explain_choice, find_example

Invoke = Callable[..., Any]
RUN = "classify run_data.star --focus 1,2,3,4 -o x"
TWO = f"{RUN} --classes 2"
MEANT = "Did you mean"
TURNS = (
    (f"{RUN} --K 2", f"No such option: --K. {MEANT} --classes? "),
    (f"{RUN} --n_classes 2", f"{MEANT} --classes? "),
    (f"{RUN} --classes 1", "found 1, expected a number of classes, at least 2, or auto. One map"),
    (f"{TWO} --device gpu", f"'gpu' is not one of 'cpu', 'cuda'. {MEANT} cuda?"),
    (f"{TWO} --invert true", f"{MEANT} yes?"),
    (f"{TWO} --strategy residuals", f"{MEANT} residual?"),
    (f"{TWO} --j 8", f"{MEANT} --threads? "),
    (f"{TWO} --gpu", f"{MEANT} --device? "),
    (f"{TWO} --radius 30", f"{MEANT} --focus? "),
    (f"{TWO} --iter 25", f"{MEANT} --cycles? "),
    (f"{TWO} --continue", f"{MEANT} --resume? "),
    (f"{TWO} --ini_high 8", f"{MEANT} --max-resolution? "),
    (f"{TWO} --threads 0", "expected 1 or more"),
    (f"{TWO} --sed 3", f"{MEANT} --seed? Random seed."),
    (
        "classify t.star m.mrc -o x",
        "m.mrc: a map, given without its option. Did you mean --mask, ",
    ),
    (
        "classify t.star --focus 1 2 3 4.5 -o x",
        "2 3 4.5: numbers on their own. Join those of --focus by commas: X,Y,Z,R.",
    ),
    ("classify", "For example: cryofocus classify run_data.star --focus 142,118,97,30"),
    (
        "classify particles.mrcs",
        "particles.mrcs: images or a map alone, without poses. Give the particle table that names "
        "the images and has their poses. Missing option '-o' / '--output'. For example",
    ),
    ("classify t.star --focus 1,2,3,4", "Missing option '-o' / '--output'. For example"),
    ("subtract t.star --mask m.mrc -o s", f"{MEANT} --keep? "),
    ("subtract t.star --out s", f"{MEANT} --output? "),
    ("fsc half1.mrc -o o", "Missing argument 'HALF2'. For example: cryofocus fsc half1"),
    ("fit a.mrc b.mrc -o o.mrc", "Missing option '--to'. For example: cryofocus fit"),
    ("covary t.star --mask m.mrc -o c", f"{MEANT} --regions? "),
    ("expand t.star --sym C2 -o x.star", f"{MEANT} --symmetry? "),
    ("reconstruct t.star --force -o m.mrc", f"{MEANT} --overwrite? "),
    (
        "align refine t.star --figure -o x.star",
        "--figure: expected a value, found -o, which reads as an option.",
    ),
    (f"{RUN} --mask --classes 2", "--mask: expected a value, found --classes, which reads"),
    ("classify run_data.star --focus -1,2,3,4 -o x", "classes: missing"),
    ("clasify t.star", f"{MEANT} 'classify'?"),
    (f"{TWO} --focus 1,2,3,5", "--focus: given more than once, but takes one value."),
    (f"{TWO} --output=y", "--output: given more than once, but takes one value."),
    (f"{TWO} --min-posterior 0.9", "cryofocus select has --min-posterior. Keep particles"),
    ("select run --class 1 -o x", f"{MEANT} --classes? "),
    ("classify -i t.star -o x", "No such option: -i. The particle table is given without an"),
    (
        "classify --i t.star --o x --K 2 --tau2_fudge 4 --ctf --particle_diameter 200",
        "--i. The particle table is given without an option. │ │ No such option: --o. Did you "
        "mean --output? Run directory. │ │ No such option: --K. Did you mean --classes? ",
    ),
    ("classify t.star --tau2_fudge 4 -o x", "How far classes may differ is learnt from the"),
)


@pytest.mark.parametrize(("typed", "said"), TURNS, ids=[typed for typed, _ in TURNS])
def test_a_wrong_turn_names_the_way(
    cryofocus: Invoke, monkeypatch: pytest.MonkeyPatch, typed: str, said: str
) -> None:
    """Exit code 2, and one message with what was meant."""
    monkeypatch.setenv("COLUMNS", "400")
    done = cryofocus(*typed.split())
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_files_where_a_run_is_expected(cryofocus: Invoke, tmp_path: Path) -> None:
    """A file inside a run is answered with the run; any other with what to give."""
    (tmp_path / "run").mkdir()
    for name in ("run/particles.star", "run/job.json", "other.star"):
        (tmp_path / name).touch()
    done = cryofocus("report", tmp_path / "run/particles.star")
    assert f"a file, no directory. Give the run directory: {tmp_path}/run." in done.stderr
    done = cryofocus(
        "select", tmp_path / "other.star", "--classes", "1", "-o", tmp_path / "o.star"
    )
    assert "Give the run directory that was named with -o." in done.stderr


@pytest.mark.parametrize(
    ("name", "kind"), [("t.star", "particle table"), ("m.pdb", "atomic model")]
)
def test_other_files_where_a_map_is_expected(
    cryofocus: Invoke, tmp_path: Path, name: str, kind: str
) -> None:
    """A table or a model in the place of a map is called what it is."""
    (tmp_path / name).write_text("data_particles " * 200)
    done = cryofocus("fsc", tmp_path / name, tmp_path / name, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert kind in done.stderr


def test_help_has_groups_and_switches(cryofocus: Invoke) -> None:
    """Commands stand under what they are for, in the order of the work; switches take no value."""
    shown = cryofocus("--help").stdout
    titles = ("Classify ─", "Before ─", "After ─", "Look ─", "Convert ─", "Check and simulate ─")
    places = [shown.index(title) for title in titles]
    assert places == sorted(places)
    assert "bool" not in shown
    assert "bool" not in cryofocus("report", "--help").stdout


@pytest.mark.parametrize(("kind", "said"), [("number", "number"), ("integer", "whole number")])
def test_a_value_that_is_no_number_is_told_how_to_write_it(kind: str, said: str) -> None:
    """90% is a probability of 0.9, and 60A a length of 60."""
    message = f"Input should be a valid {kind}, unable to parse string as a {kind}"
    assert explain_choice(message) == f"expected a {said}, without a unit or a percent sign"


def test_what_cannot_be_guessed_is_left() -> None:
    """A value far from every choice gets no guess; a help without example no example."""
    assert explain_choice("'zzz' is not one of 'cpu', 'cuda'.") == (
        "'zzz' is not one of 'cpu', 'cuda'."
    )
    assert find_example("Nothing to show.") is None
