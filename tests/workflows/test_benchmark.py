"""The humanoid benchmark, in miniature."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from cryofocus.errors import FormatError, Interrupted, OutputError
from cryofocus.report.benchmark import pooled_reliability, write_figures
from cryofocus.workflows import benchmark
from cryofocus.workflows.benchmark import BenchmarkDirectory, run_benchmark
from cryofocus.workflows.benchmark_cells import (
    NOISE_SNR,
    PUBLISHED,
    SNRS,
    Cell,
    CellResult,
    plan_cells,
    read_results,
    write_result,
)
from cryofocus.workflows.benchmark_tables import markdown

CELL = Cell(
    kind="focus",
    scenario=1,
    snr=0.1,
    particles=150,
    seed=1,
    n_runs=1,
    box=24,
    pixel_size_angstrom=17.5,
)


def make_result(kappa: float, **changes: object) -> CellResult:
    """A result with made-up figures."""
    return CellResult(
        cell=CELL.model_copy(update=changes),
        kappa=kappa,
        oracle_kappa=0.8,
        oracle_focused_kappa=0.7,
        mean_posterior=0.9,
        fraction_correct=0.85,
        bin_posterior=(None, 0.4, 0.9),
        bin_fraction_correct=(None, 0.5, 0.8),
        bin_particles=(0, 50, 100),
        classes_found=True,
        run_agreement=None,
        cycles=12,
        seconds=3.0,
        peak_memory_gb=0.5,
        machine="a processor, 2 cores",
        date="2026-01-31",
    )


def test_plan() -> None:
    """Every scenario, SNR and seed; scenario 1 brings the leg, each seed one set of noise."""
    cells = plan_cells([1, 2, 3], SNRS, range(1, 4), particles=100, n_runs=3)
    kinds = [cell.kind for cell in cells]
    assert [kinds.count(kind) for kind in ("focus", "leg", "noise")] == [45, 15, 3]
    assert len({cell.name for cell in cells}) == len(cells) == 63
    assert all(cell.published is not None for cell in cells)
    assert {cell.n_classes for cell in cells if cell.scenario > 1} == {4}
    # Cells on the same images follow each other, so that a set can go after its last cell.
    names = [cell.set_name for cell in cells]
    assert len({*names}) == 1 + sum(a != b for a, b in itertools.pairwise(names))


def test_published_figures() -> None:
    """The table of the publication is complete, and cells find their place in it."""
    assert {key: tuple(rows) for key, rows in PUBLISHED.items()} == {
        ("focus", 1): SNRS,
        ("focus", 2): SNRS,
        ("focus", 3): SNRS,
        ("leg", 1): SNRS,
        ("noise", 1): (NOISE_SNR,),
    }
    assert CELL.published == (0.99, 0.91)
    assert CELL.model_copy(update={"snr": 0.2}).published is None


def test_one_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell is simulated, classified and scored; run again, it is taken from its file."""
    # A process of its own is for measuring memory only.
    monkeypatch.setattr(benchmark, "_in_new_process", lambda function, *given: function(*given))
    shown: list[CellResult] = []
    results = run_benchmark([CELL], tmp_path, threads=2, on_result=shown.append)
    (result,) = results
    assert shown == results
    assert result.cell == CELL
    assert -0.1 < result.kappa <= 1.0
    assert sum(result.bin_particles) == 150
    assert not any(BenchmarkDirectory(tmp_path).sets.iterdir())
    assert not any(BenchmarkDirectory(tmp_path).runs.iterdir())
    (row,) = csv.DictReader((tmp_path / "table.csv").read_text().splitlines())
    assert float(row["kappa"]) == pytest.approx(result.kappa)
    assert row["published_2d"] == "0.99"
    assert result.date in (tmp_path / "table.md").read_text()

    monkeypatch.setattr(benchmark, "_run_cell", None)
    assert run_benchmark([CELL], tmp_path) == results


def test_table_for_people() -> None:
    """Cells that differ in their seed only become one row of medians; the machine is named."""
    results = [make_result(k, seed=s) for s, k in enumerate((0.78, 0.60, 0.76))]
    text = markdown([*results, make_result(0.01, kind="leg")])
    (row,) = [line for line in text.splitlines() if line.startswith("| arm")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[4:11] == [
        *("3", "0.760", "0.600 to 0.780", "0.800", "0.700", "0.950", "0.99 / 0.91"),
    ]
    assert "+0.050" in cells
    (leg,) = [line for line in text.splitlines() if line.startswith("| leg")]
    assert "0.23 / -0.01" in leg
    assert text.endswith("Measured on: a processor, 2 cores (2026-01-31).\n")


def test_figures(tmp_path: Path) -> None:
    """Kappa and reliability are drawn; without a cell in focus there is nothing to draw."""
    results = [make_result(0.7), make_result(0.5, snr=0.05), make_result(0.4, scenario=2)]
    paths = write_figures(tmp_path, results)
    assert [path.name for path in paths] == ["kappa.png", "reliability.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert write_figures(tmp_path, [make_result(0.0, kind="leg")]) == []


def test_pooled_reliability() -> None:
    """Bins are averaged by their particles, and empty bins are left out."""
    posterior, correct = pooled_reliability([make_result(0.5), make_result(0.5, seed=2)])
    np.testing.assert_allclose(posterior, [0.4, 0.9])
    np.testing.assert_allclose(correct, [0.5, 0.8])


def test_results_are_kept(tmp_path: Path) -> None:
    """A result survives its file; a damaged one is named."""
    result = make_result(0.7)
    write_result(tmp_path, result)
    assert read_results(tmp_path) == [result]
    path = tmp_path / f"{CELL.name}.json"
    path.write_text("{}")
    with pytest.raises(FormatError, match="Delete it, and the cell is run again"):
        read_results(tmp_path)


def test_directory_of_something_else(tmp_path: Path) -> None:
    """A directory that is not a benchmark's stays as it is."""
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="exists and is not a benchmark"):
        run_benchmark([CELL], tmp_path)


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Interrupted("run: use --resume")], ids=repr)
def test_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException) -> None:
    """Wherever Ctrl-C arrives, the message is about the benchmark, and finished cells stay."""

    def interrupt(*_: object, **__: object) -> NoReturn:
        raise stop

    later = CELL.model_copy(update={"seed": 2})
    write_result(BenchmarkDirectory(tmp_path).cells, make_result(0.7))
    monkeypatch.setattr(benchmark, "_run_cell", interrupt)
    with pytest.raises(Interrupted, match="Finished cells are kept in"):
        run_benchmark([CELL, later], tmp_path)
    assert read_results(BenchmarkDirectory(tmp_path).cells) == [make_result(0.7)]
