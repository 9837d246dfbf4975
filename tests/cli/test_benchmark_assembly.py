"""`cryofocus benchmark assembly` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cryofocus.cli.main import app
from cryofocus.simulate.assembly.settings import AssemblySettings
from cryofocus.workflows.simulate.assembly import simulate_assembly


def test_it_writes_tables_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of one small set that is ready, and a second run that finds it done."""
    simulate_assembly(tmp_path / "sets" / "asm1", AssemblySettings(particles=80, box=32, seed=1))
    monkeypatch.chdir(tmp_path)
    words = "benchmark assembly --sets sets -o out --seeds 1 --particles 80 --only control"
    for _ in range(2):
        done = CliRunner().invoke(app, words.split())
        assert done.exit_code == 0, done.output
        assert "control, seed 1: done" in done.output
    assert (tmp_path / "out" / "table.csv").read_text().startswith("part,seed,pair,quantity,value")
    assert "constant region (control)" in (tmp_path / "out" / "table.md").read_text()


def test_parts_that_are_none(tmp_path: Path) -> None:
    """A part that does not exist is refused with those that do."""
    words = ["benchmark", "assembly", "-o", str(tmp_path / "out"), "--only", "everything"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "covariance" in done.output
    assert not (tmp_path / "out").exists()
