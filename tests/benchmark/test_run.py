"""The humanoid benchmark, in miniature."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from cryofocus.benchmark import classify as benchmark_classify
from cryofocus.benchmark import run as benchmark
from cryofocus.benchmark.cells import (
    NOISE_SNR,
    PUBLISHED,
    SNRS,
    Cell,
    CellResult,
    read_results,
    write_result,
)
from cryofocus.benchmark.draw_curves import pooled_reliability
from cryofocus.benchmark.figures import choose_rows, write_figures
from cryofocus.benchmark.plan import (
    plan_cells,
    plan_titration,
    titration_points,
    usual_angstrom,
)
from cryofocus.benchmark.run import BenchmarkDirectory, run_benchmark
from cryofocus.benchmark.slices import ClassSlices
from cryofocus.benchmark.tables import markdown, write_tables
from cryofocus.errors import FormatError, Interrupted, OutputError
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.inference.strategies import STRATEGIES

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
        cycles=2,
        kappa_by_cycle=((0.1, kappa), (0.1,)),
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


def test_plan_of_strategies() -> None:
    """Strategies share each set, which can go after its last cell; global has no leg."""
    cells = plan_cells([1, 2], SNRS, range(1, 3), list(STRATEGIES), particles=100, n_runs=3)
    names = [cell.set_name for cell in cells]
    assert len({*names}) == 1 + sum(a != b for a, b in itertools.pairwise(names))
    assert len({cell.name for cell in cells}) == len(cells)
    assert {c.strategy for c in cells if c.kind == "leg"} == {*STRATEGIES} - {"global"}
    assert {c.max_cycles for c in cells if c.strategy == "mask2d"} == {60}


def test_plan_of_titration() -> None:
    """Radius or edge is swept; the usual sphere is the cell that the benchmark itself has."""
    common = {"particles": 100, "n_runs": 1}
    cells = plan_titration("radius", [1], [0.025], [1], ["residual", "global"], **common)
    assert [c.radius_angstrom for c in cells] == [30, 40, 50, None, 70, 80, 90, 100]
    (usual,) = (cell for cell in cells if not cell.is_titration)
    assert usual in plan_cells([1], [0.025], [1], **common)
    cells = plan_titration("edge", [1], [0.025], [1], ["mask2d"], **common)
    assert [c.edge_angstrom for c in cells] == [None, 5, 10, 20, 30, 40]
    assert [c.is_titration for c in cells] == [False, True, True, True, True, True]


def test_same_as_the_classifier() -> None:
    """Edges are the defaults of the classifier's settings."""
    settings = ClassifierSettings(n_classes=2)
    assert usual_angstrom("edge", "residual") == settings.soft_edge_angstrom
    assert usual_angstrom("edge", "mask2d") == settings.circle_edge_angstrom


def test_titration_points(tmp_path: Path) -> None:
    """What was swept has a table of its own, with the benchmark's own sphere at its place."""
    results = [
        make_result(0.9),
        make_result(0.4, strategy="mask2d"),
        make_result(0.5, radius_angstrom=100.0),
        make_result(0.6, radius_angstrom=30.0),
        make_result(0.3, edge_angstrom=20.0, strategy="mask2d"),
    ]
    points = titration_points(results)
    assert [(p.swept, p.angstrom, p.result.kappa) for p in points] == [
        *(("radius", 30, 0.6), ("radius", 60, 0.9), ("radius", 100, 0.5)),
        *(("edge", 0, 0.4), ("edge", 20, 0.3)),
    ]
    write_tables(tmp_path, results)
    rows = list(csv.DictReader((tmp_path / "titration.csv").read_text().splitlines()))
    assert [row["angstrom"] for row in rows] == ["30", "60", "100", "0", "20"]
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 1 + 2
    (figure,) = [path for path in write_figures(tmp_path, results) if path.stem == "titration"]
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_settings_of_cells() -> None:
    """A cell's edge is the circle's for mask2d and the sphere's for others."""
    cell = CELL.model_copy(update={"edge_angstrom": 20.0})
    assert benchmark_classify._settings(cell)["soft_edge_angstrom"] == 20
    circle = benchmark_classify._settings(cell.model_copy(update={"strategy": "mask2d"}))
    assert circle["circle_edge_angstrom"] == 20
    described = {"focus_sphere": "1,2,3,60", "control_sphere": "4,5,6,36"}
    wide = CELL.model_copy(update={"radius_angstrom": 90.0})
    whole = CELL.model_copy(update={"strategy": "global"})
    leg = CELL.model_copy(update={"kind": "leg"})
    spheres = [benchmark_classify._sphere(each, described) for each in (wide, whole, leg)]
    assert spheres == [(1, 2, 3, 90), None, (4, 5, 6, 36)]


def test_cells_of_before_strategies(tmp_path: Path) -> None:
    """A cell file of the time when there was one strategy counts as one of residual."""
    assert CELL.name == "scenario1_snr0.100_seed1_n150_box24_focus_runs1"
    old = json.loads(make_result(0.7).model_dump_json())
    for name in ("strategy", "max_cycles", "radius_angstrom", "edge_angstrom"):
        del old["cell"][name]
    del old["kappa_by_cycle"]
    (tmp_path / f"{CELL.name}.json").write_text(json.dumps(old))
    (result,) = read_results(tmp_path)
    assert result.cell == CELL
    assert result.kappa_by_cycle == ()


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
    assert result.kappa_by_cycle[0][-1] == pytest.approx(result.kappa)
    assert not any(BenchmarkDirectory(tmp_path).sets.iterdir())
    assert not any(BenchmarkDirectory(tmp_path).runs.iterdir())
    (row,) = csv.DictReader((tmp_path / "table.csv").read_text().splitlines())
    assert float(row["kappa"]) == pytest.approx(result.kappa)
    assert row["published_2d"] == "0.99"
    assert result.date in (tmp_path / "table.md").read_text()
    cycles = list(csv.DictReader((tmp_path / "kappa_by_cycle.csv").read_text().splitlines()))
    assert [int(line["cycle"]) for line in cycles] == list(range(1, len(cycles) + 1))
    ((_, slices),) = BenchmarkDirectory(tmp_path).read_slices(results)
    assert slices.true.shape == slices.found.shape == (2, 24, 24)
    # Upward and to the right of the middle is where the near arm is, in one class only.
    change = np.abs(slices.true[0] - slices.true[1]) * slices.mask
    z, x = np.unravel_index(int(change.argmax()), change.shape)
    assert z > 12
    assert x > 12

    monkeypatch.setattr(benchmark, "_run_cell", None)
    assert run_benchmark([CELL], tmp_path) == results


def rows_of(text: str, heading: str) -> list[dict[str, str]]:
    """Rows of the table below a heading, by column."""
    lines = text[text.index(heading) :].splitlines()
    table = list(itertools.takewhile(bool, itertools.dropwhile(lambda x: x[:1] != "|", lines)))
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_tables_for_people() -> None:
    """One row per set and region, one column per strategy, medians; the publication beside."""
    results = [make_result(k, seed=s) for s, k in enumerate((0.78, 0.60, 0.76))]
    results += [make_result(0.5, strategy="mask2d"), make_result(0.01, kind="leg")]
    text = markdown(results)
    (arm,) = rows_of(text, "Table 1")
    assert arm == {
        "region": "arm and hand",
        "scenario": "1",
        "SNR": "0.100",
        "particles": "150",
        "oracle": "0.800",
        "focused oracle": "0.700",
        "residual": "0.760 (0.600 to 0.780; 3)",
        "mask2d": "0.500 (1)",
        "published, 2-D mask": "0.99",
        "published, 3-D mask": "0.91",
    }
    (leg,) = rows_of(text, "Table 2")
    assert leg["published, 2-D mask"] == "0.23"
    assert "oracle" not in leg
    details = rows_of(text, "Details")
    assert [row["strategy"] for row in details] == ["residual", "mask2d", "residual"]
    assert details[0]["kappa / oracle"] == "0.950"
    assert details[0]["difference"] == "+0.050"
    assert text.endswith("Measured on: a processor, 2 cores (2026-01-31).\n")


def test_cells_without_a_number_say_why() -> None:
    """No cell is empty: what was not run, or could say nothing, is named."""
    results = [make_result(0.7), make_result(0.6, strategy="mask2d", snr=0.05)]
    results += [make_result(0.6, strategy="global"), make_result(0.01, kind="leg")]
    results += [make_result(0.02, kind="leg", strategy="mask2d", snr=0.05)]
    text = markdown(results)
    first, second = rows_of(text, "Table 1")
    assert (first["mask2d"], second["residual"], second["global"]) == ("not run",) * 3
    for title in ("Table 1", "Table 2", "Details"):
        assert all(all(row.values()) for row in rows_of(text, title))
    leg = rows_of(text, "Table 2")[0]
    assert leg["mask2d"] == "not run"
    assert rows_of(text, "Details")[-1]["kappa / oracle"] == "–"


def test_strategies_share_a_row_whatever_their_runs() -> None:
    """How many runs a strategy took splits the details only; a set counts once, with most runs."""
    results = [make_result(0.70, n_runs=3), make_result(0.65), make_result(0.60, seed=2)]
    results += [make_result(0.5, strategy="mask3d", start="random", prior="none")]
    text = markdown(results)
    (arm,) = rows_of(text, "Table 1")
    assert arm["residual"] == "0.650 (0.600 to 0.700; 2)"
    assert arm["mask3d"] == "0.500 (1)"
    assert [row["runs"] for row in rows_of(text, "Details")] == ["3", "1", "1"]


def test_figures(tmp_path: Path) -> None:
    """Every figure is drawn that there is something for; without a cell in focus none."""
    results = [make_result(0.7), make_result(0.5, snr=0.05), make_result(0.4, scenario=2)]
    results += [make_result(0.6, strategy=strategy) for strategy in list(STRATEGIES)[1:]]
    paths = write_figures(tmp_path, results, [(results[0], make_slices())])
    names = ["kappa", "reliability", "kappa_by_cycle", "class_slices"]
    assert [path.name for path in paths] == [f"{name}.png" for name in names]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert write_figures(tmp_path, [make_result(0.0, kind="leg")]) == []


def make_slices() -> ClassSlices:
    """Slices of two made-up classes."""
    mask = np.zeros((24, 24), np.float32)
    mask[8:12, 8:12] = 1
    true = np.stack([mask, 2 * mask])
    return ClassSlices(true, true + np.float32(0.1), mask)


def test_rows_of_slices() -> None:
    """One scenario and strategy, the highest SNR first, and of each SNR the first seed."""
    cells = [
        make_result(0.5, snr=0.025),
        make_result(0.9, seed=2),
        make_result(0.8),
        make_result(0.7, scenario=2),
        make_result(0.6, strategy="mask2d"),
    ]
    rows = choose_rows([(cell, make_slices()) for cell in cells])
    assert [row[0] for row in rows] == [cells[2], cells[0]]
    assert choose_rows([]) == []


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
