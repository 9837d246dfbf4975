"""Every recipe runs from its first line to its last, on few small images.

The scripts are read by bash, with a `cryofocus` that only writes down what it is asked; then the
commands are run here, where no program has to start for each.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from cryofocus.api import classification
from cryofocus.cli.main import app

RECIPES = Path(__file__).parents[2] / "docs/how-to/recipes"
SMALL = {
    "two-regions": {
        "PARTICLES": "300",
        "BOX": "32",
        "CLASSES": "2",
        "CYCLES": "2",
        "SEEDS": "1",
    },
    "small-rna": {
        **{"PARTICLES": "80", "BOX": "32", "GLOBAL_CLASSES": "2", "GLOBAL_CYCLES": "2"},
        **{"FOCUSED_CLASSES": "2", "FOCUSED_CYCLES": "2"},
    },
}
# What a recipe leaves, beside what its commands check themselves.
RESULTS = {
    "two-regions": (
        *("together_protuberance/correlation.csv", "together_stalk/correlation.csv"),
        "together_by_particle/particle_correlation.csv",
    ),
    "small-rna": (
        *("combined.star", "focused/differences/merged.svg", "focused/class001_control.mrc"),
        *("focused/resolution/directional.csv", "focused/resolution/local_resolution.mrc"),
        *("docked.cif", "docked.json"),
    ),
}
# Takes down its arguments, each ended by a zero byte, and each command by one more.
NOTE_DOWN = '#!/bin/sh\nprintf "%s\\0" "$@" "" >> "$NOTES"\n'


def commands(script: Path, folder: Path, sizes: dict[str, str]) -> Iterator[list[str]]:
    """Yield the arguments of every command that a script gives."""
    program, notes = folder / "bin/cryofocus", folder / "notes"
    program.parent.mkdir()
    program.write_text(NOTE_DOWN)
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    given = {**os.environ, **sizes, "PATH": path, "NOTES": str(notes)}
    subprocess.run(["bash", str(script), str(folder / "work")], env=given, check=True)
    for command in notes.read_text().removesuffix("\0\0").split("\0\0"):
        yield command.split("\0")


@pytest.fixture(autouse=True)
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no pictures, which are tested elsewhere, and learn models for few cycles."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, target, **_: target.write(b"figure"))
    monkeypatch.setattr(
        classification, "write_report", lambda run: (Path(run) / "report.html").touch()
    )
    monkeypatch.setattr("cryofocus.inference.factors.model.MAX_CYCLES", 2)
    monkeypatch.setattr("cryofocus.covariance.normal.N_BOOTSTRAP", 20)
    monkeypatch.setattr("cryofocus.covariance.classes.N_BOOTSTRAP", 20)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_recipe_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command ends well, and the results that its page speaks of are there."""
    asked = list(commands(RECIPES / f"{name}.sh", tmp_path, SMALL[name]))
    assert len(asked) > 10
    monkeypatch.chdir(tmp_path / "work")
    for words in asked:
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, f"{words}\n{done.output}\n{done.exception!r}"
    assert [path for path in RESULTS[name] if not Path(path).exists()] == []


def test_every_recipe_is_run() -> None:
    """No script is left out, and each has a page that shows it."""
    assert {path.stem for path in RECIPES.glob("*")} == set(SMALL)
    for name in SMALL:
        page = (RECIPES.parent / f"{name}.md").read_text("utf-8")
        assert f"recipes/{name}.sh" in page
