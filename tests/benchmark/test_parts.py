"""The whole humanoid benchmark: its parts, what they cost, and tables that are not full yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmark.test_run import CELL, make_result, rows_of
from cryofocus.benchmark import run as benchmark
from cryofocus.benchmark.cells import SNRS, Cell, CellResult, write_result
from cryofocus.benchmark.choice import Choice
from cryofocus.benchmark.classify import _settings
from cryofocus.benchmark.other_tables import progress_table, sphere_table
from cryofocus.benchmark.parts import FAINT_SNRS, PARTS, Extent, part_of, plan_parts
from cryofocus.benchmark.plan import make_cell, plan_cells
from cryofocus.benchmark.run import BenchmarkDirectory, run_benchmark
from cryofocus.benchmark.tables import markdown, write_tables
from cryofocus.cli.main import app
from cryofocus.errors import FormatError
from cryofocus.inference.settings import ClassifierSettings

EVERYTHING = Extent((1, 2, 3), particles=4000, n_runs=1)
PLACE = {name: getattr(CELL, name) for name in ("kind", "scenario", "snr", "seed", "n_runs")}
PLACE |= {"particles": CELL.particles, "box": CELL.box}
PUBLISHED = {"strategy": "mask3d", "start": "random", "prior": "none"}


def test_every_part_is_complete() -> None:
    """All settings of every table, each cell once, of one seed before those of the next."""
    cells = plan_parts(PARTS, (1, 2), EVERYTHING)
    assert len({cell.name for cell in cells}) == len(cells)
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)
    first = [cell for cell in cells if cell.seed == 1]
    counts = {part: sum(part_of(cell) == part for cell in first) for part in PARTS}
    assert counts == {
        **{"table1": 45, "table2": 24, "figure2": 2, "starts": 36},
        **{"supplement1": 45, "supplement2": 45, "figure3": 38},
    }
    for part in ("table1", "supplement1", "supplement2"):
        own = [cell for cell in first if part_of(cell) == part]
        assert {(c.scenario, c.snr, c.strategy) for c in own} == {
            (s, snr, name)
            for s in (1, 2, 3)
            for snr in SNRS
            for name in ("residual", "mask2d", "mask3d")
        }
    searched = [cell for cell in first if part_of(cell) == "supplement2"]
    assert {cell.particles for cell in searched} == {3000}
    assert {cell.snr for cell in first if part_of(cell) == "figure2"} == set(FAINT_SNRS)
    assert len({cell.set_name for cell in first if cell.poses == "exact"}) == 15 + 1 + 2


def test_published_strategies_follow_the_publication() -> None:
    """Random starts and no prior, unless others are chosen; residual keeps its own."""
    published = make_cell("mask3d", PLACE)
    assert (published.start, published.prior, published.max_cycles) == ("random", "none", 60)
    assert published.is_usual_protocol
    settings = ClassifierSettings(**_settings(published))
    assert settings.method.objective == "log-likelihood"
    assert settings.resolved_start == "random"
    ours = make_cell("mask3d", {**PLACE, "start": "subspace", "prior": "consensus"})
    assert (ours.start, ours.prior, ours.max_cycles) == (None, "consensus", 30)
    assert ours.label == "mask3d, subspace start, prior"
    assert make_cell("mask2d", {**PLACE, "start": "random"}) == make_cell("mask2d", PLACE)
    assert make_cell("mask2d", {**PLACE, "start": "subspace"}).label == "mask2d, subspace start"
    assert make_cell("residual", {**PLACE, "prior": "none"}) == CELL.model_copy(
        update={"pixel_size_angstrom": 5.24}
    )


def test_own_starts_have_a_table_of_their_own() -> None:
    """Table 1 has the published protocol, Table 3 what other starts and priors make of it."""
    results = [make_result(0.9), make_result(0.4, **PUBLISHED)]
    results += [make_result(0.7, strategy="mask3d"), make_result(0.5, strategy="mask2d")]
    planned = [make_result(0, strategy="mask2d", start="subspace").cell]
    text = markdown(results, planned)
    (arm,) = rows_of(text, "Table 1")
    assert (arm["mask3d"], arm["mask2d"]) == ("0.400 (1)", "0.500 (1)")
    (starts,) = rows_of(text, "Table 3")
    assert starts["mask3d, random start, no prior"] == "0.400 (1)"
    assert starts["mask3d, subspace start, prior"] == "0.700 (1)"
    assert starts["mask2d, random start"] == "0.500 (1)"
    assert starts["mask2d, subspace start"] == "not run"
    assert "residual" not in " ".join(starts)


def test_planned_cells_say_that_they_were_not_run(tmp_path: Path) -> None:
    """Every planned row is there; nothing is empty, and the published figures stand beside."""
    planned = plan_cells([1], [0.1, 0.05], [1], particles=150, n_runs=1, box=24)
    write_tables(tmp_path, [make_result(0.7)], planned)
    first, second = rows_of((tmp_path / "table.md").read_text(), "Table 1")
    assert (first["residual"], second["residual"]) == ("0.700 (1)", "not run")
    assert (second["oracle"], second["published, 2-D mask"]) == ("not run", "0.96")
    assert [
        row["residual"] for row in rows_of((tmp_path / "table.md").read_text(), "Table 2")
    ] == ["not run"] * 3
    (arm, controls) = rows_of((tmp_path / "progress.md").read_text(), "how far")
    assert (arm["finished"], arm["planned"]) == ("1", "3")
    assert (controls["finished"], controls["planned"]) == ("0", "3")


def test_sizes_of_the_sphere() -> None:
    """Kappa at every size, those that were not run named, and which sizes are as good."""
    results = [make_result(0.90), make_result(0.89, radius_angstrom=80.0)]
    results.append(make_result(0.5, radius_angstrom=30.0))
    rows = rows_of(sphere_table(results), "Radius")
    assert [row["residual"] for row in rows] == [
        *("0.500", "not run", "not run", "0.900", "not run", "0.890", "not run", "not run"),
        "60 to 80 Å",
    ]


def test_cost_of_a_cell() -> None:
    """The median processor time, of the cells that measured it."""
    results = [
        make_result(0.5, seed=s).model_copy(update={"cpu_seconds": t})
        for s, t in ((1, 10.0), (2, 30.0), (3, 20.0), (4, None))
    ]
    (row,) = rows_of(progress_table(results, []), "how far")
    assert (row["part"], row["CPU seconds per cell"]) == ("Table 1: arm and hand", "20")


def test_a_plan_is_kept_and_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of an earlier command stay planned, are named, and --resume runs them first."""
    done: list[Cell] = []

    def finish(_: object, cell: Cell, __: object, *, keep: bool) -> CellResult:
        del keep
        done.append(cell)
        (tmp_path / "sets" / cell.set_name).mkdir(parents=True)
        return make_result(0.5).model_copy(update={"cell": cell})

    monkeypatch.setattr(benchmark, "_run_cell", finish)
    directory = BenchmarkDirectory(tmp_path)
    later = CELL.model_copy(update={"seed": 2})
    directory.cells.mkdir()
    directory.add_to_plan([CELL])
    run_benchmark([later], tmp_path)
    assert directory.plan() == [CELL, later]
    assert done == [later]
    monkeypatch.setattr("cryofocus.benchmark.figures.write_figures", lambda *_: [])
    found = CliRunner().invoke(app, ["benchmark", "humanoid", "--resume", "-o", str(tmp_path)])
    assert found.exit_code == 0
    assert done == [later, CELL]
    directory.plan_file.write_text("[1]")
    with pytest.raises(FormatError, match="finished cells stay"):
        directory.plan()


def test_all_has_its_own_strategies(tmp_path: Path) -> None:
    """Options that all parts set themselves are refused with --all, and --only without it."""
    for options, wanted in (
        (["--all", "--strategies", "mask2d"], "leave out"),
        (["--only", "table1"], "--all"),
        (["--all", "--only", "table9"], "table9"),
    ):
        command = ["benchmark", "humanoid", *options, "-o", str(tmp_path / "out")]
        found = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
        assert found.exit_code == 2
        assert wanted in found.output + str(found.exception)
    assert not (tmp_path / "out").exists()


def test_choices_reach_the_cells() -> None:
    """Scenarios, SNRs, seeds and particles bound a part as they bound a plain benchmark."""
    own = {"scenarios": (2,), "snrs": (0.05,), "n_seeds": 2, "particles": 100, "n_runs": 1}
    cells = Choice(**own, parts=("table1", "figure3")).cells()
    assert {(c.scenario, c.snr, c.particles) for c in cells} == {(2, 0.05, 100)}
    assert len(cells) == 2 * 3
    plain = Choice(**own, strategies=("mask2d",), start="subspace").cells()
    assert [cell.start for cell in plain] == ["subspace"] * 2
    assert len(Choice(is_quick=True).cells()) == 9 + 3 + 1
    assert {c.radius_angstrom for c in Choice(titrate="radius").cells()} >= {None, 30.0, 100.0}


def test_unfinished_cells_stay_away(tmp_path: Path) -> None:
    """A result counts for every plan that has its cell."""
    write_result(BenchmarkDirectory(tmp_path).cells, make_result(0.7))
    assert run_benchmark([CELL], tmp_path) == [make_result(0.7)]
