"""The humanoid benchmark with poses that are not exact."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from cryofocus.benchmark import run as benchmark
from cryofocus.benchmark.cells import PUBLISHED_REFINED, SNRS, Cell, CellResult
from cryofocus.benchmark.figures import write_figures
from cryofocus.benchmark.plan import POSE_SOURCES, plan_cells
from cryofocus.benchmark.pose_tables import pose_tables
from cryofocus.benchmark.poses import consensus_map
from cryofocus.benchmark.run import BenchmarkDirectory, run_benchmark
from cryofocus.workflows.simulate.humanoid import simulate_humanoid

CELL = Cell(
    kind="focus",
    scenario=1,
    snr=0.1,
    particles=100,
    seed=1,
    n_runs=1,
    box=24,
    pixel_size_angstrom=17.5,
    max_cycles=3,
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[CellResult]]:
    """One small cell of each source of poses that is not exact."""
    folder = tmp_path_factory.mktemp("benchmark") / "out"
    cells = [CELL.model_copy(update={"poses": source}) for source in POSE_SOURCES[1:]]
    with pytest.MonkeyPatch.context() as patch:
        # A process of its own is for measuring memory only.
        patch.setattr(benchmark, "_in_new_process", lambda function, *given: function(*given))
        return folder, run_benchmark(cells, folder, threads=1)


def test_poses_are_measured_beside_their_bound(results: tuple[Path, list[CellResult]]) -> None:
    """Refined poses are better than perturbed ones and no better than the bound allows."""
    found = {result.cell.poses: result.poses for result in results[1]}
    perturbed, refined, searched = (found[source] for source in POSE_SOURCES[1:])
    assert perturbed is not None
    assert refined is not None
    assert searched is not None
    assert 4 < perturbed.angle_degrees < 8
    assert 10 < perturbed.shift_angstrom < 20
    assert refined.shift_angstrom < 0.8 * perturbed.shift_angstrom
    for figures in (refined, searched):
        assert figures.seconds > 0
        assert figures.angle_degrees > 0.8 * figures.bound_angle_degrees
        assert figures.shift_angstrom > 0.8 * figures.bound_shift_angstrom
    assert perturbed.bound_angle_degrees == refined.bound_angle_degrees


def test_tables_of_poses(results: tuple[Path, list[CellResult]]) -> None:
    """Each source has a table of its own; the usual tables and figures know only exact poses."""
    folder, cells = results
    text = (folder / "poses.md").read_text()
    assert text == pose_tables(cells)
    assert "Supplementary Table 1" in text
    assert "not at hand: ours alone" in text
    refined = next(line for line in text.splitlines() if "| 0.97 | 0.91 |" in line)
    assert refined.startswith("| residual | 1 | 0.100 | 100 | 1 |")
    rows = list(csv.DictReader((folder / "poses.csv").read_text().splitlines()))
    assert [row["poses"] for row in rows] == ["perturbed", "refined", "searched"]
    assert not (folder / "table.csv").exists()
    assert write_figures(folder, cells) == []
    assert not any(BenchmarkDirectory(folder).runs.iterdir())


def test_plan_of_poses() -> None:
    """Controls come with exact poses only; each source has names and published figures."""
    common = {"particles": 100, "n_runs": 1}
    refined = plan_cells([1, 2, 3], SNRS, [1], poses="refined", **common)
    assert [cell.kind for cell in refined] == ["focus"] * 15
    for cell in refined:
        assert cell.published == PUBLISHED_REFINED[cell.scenario][cell.snr]
        assert cell.simulation().perturb_angle_degrees == 4
    others = [
        cell
        for source in POSE_SOURCES
        for cell in plan_cells([1], [0.1], [1], poses=source, **common)
    ]
    assert len({cell.name for cell in others}) == len(others) == 6
    searched = others[-1]
    assert searched.published is None
    assert len({cell.set_name for cell in others if cell.poses != "exact"}) == 1


def test_the_search_knows_nothing_of_the_truth(tmp_path: Path) -> None:
    """Its reference is a two-fold averaged map of the images, without a look at the true maps."""
    folder = tmp_path / "set"
    simulate_humanoid(folder, CELL.model_copy(update={"poses": "searched"}).simulation())
    for path in (folder / "maps").iterdir():
        path.unlink()
    volume, voxel = consensus_map(folder / "particles.star", 1)
    assert voxel == 17.5
    turned = np.roll(volume[:, ::-1, ::-1], (1, 1), axis=(1, 2))
    assert np.corrcoef(volume[:, 1:, 1:].ravel(), turned[:, 1:, 1:].ravel())[0, 1] > 0.99


def test_cells_that_were_not_run_are_named() -> None:
    """Rows of planned cells are there, and say so in every column that would be measured."""
    planned = plan_cells([1], [0.1], [1], poses="refined", particles=100, n_runs=1)
    (row,) = (x for x in pose_tables([], planned).splitlines() if x.startswith("| residual"))
    assert row.count("not run") == 7
    assert "| 0.97 | 0.91 |" in row
