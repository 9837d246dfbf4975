"""The assembly benchmark: its truth, its parts, and what its tables say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cryofocus.benchmark import assembly
from cryofocus.benchmark.assembly import (
    VARYING,
    AssemblyPlan,
    Part,
    Row,
    run_assembly_benchmark,
    true_correlations,
)
from cryofocus.benchmark.assembly_figures import write_assembly_figures
from cryofocus.benchmark.assembly_tables import write_assembly_tables
from cryofocus.errors import InputError
from cryofocus.simulate.assembly.settings import AssemblySettings
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.simulate.assembly import simulate_assembly


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one small set."""
    folder = tmp_path_factory.mktemp("sets")
    simulate_assembly(folder / "asm1", AssemblySettings(particles=120, box=32, seed=1))
    return folder


def make_plan(output: Path, sets: Path, *parts: Part) -> AssemblyPlan:
    return AssemblyPlan(output, sets, 120, (1,), parts, 2)


def test_truth_of_the_particles(sets: Path) -> None:
    """Nested and coupled regions correlate, and masses say about the same as presences."""
    true = true_correlations(sets / "asm1", 40.0)
    masses, presence = true.masses, true.presence
    for matrix in (masses, true.masses_seen, presence):
        np.testing.assert_allclose(np.diag(matrix), 1)
    coupled = VARYING.index("ef_g"), VARYING.index("l1_stalk")
    nested = VARYING.index("central_protuberance"), VARYING.index("bridge")
    assert presence[coupled] > 0.4
    assert presence[nested] > 0.3
    assert np.abs(masses - presence).max() < 0.3
    assert 0.001 < np.abs(masses - true.masses_seen).max() < 0.3
    nyquist = true_correlations(sets / "asm1", 0.1).masses_seen
    np.testing.assert_allclose(nyquist, masses, atol=1e-4)


def test_every_part_runs_on_a_small_set(sets: Path, tmp_path: Path) -> None:
    """Covariance and classes of a real set come out as rows, and as tables."""
    plan = make_plan(tmp_path, sets, "covariance", "control")
    answers = run_assembly_benchmark(plan)
    assert len(answers["covariance"]) == 15
    assert {row["seed"] for row in answers["covariance"]} == {1}
    (control,) = answers["control"]
    assert 0.5 <= control["mean_posterior"] <= 1
    # Who knows more is right more often.
    assert control["oracle"] >= control["oracle_model"] - 0.05
    text = write_assembly_tables(tmp_path, answers).read_text(encoding="utf-8")
    assert "| ef_g and l1_stalk |" in text
    assert "constant region (control)" in text
    assert "covariance,1,ef_g and l1_stalk,truth," in (tmp_path / "table.csv").read_text()
    drawn = write_assembly_figures(tmp_path, answers | {"focus": answers["control"]})
    assert [path.name for path in drawn][-1] == "kappa.png"
    assert all(path.stat().st_size > 1000 for path in drawn)


def test_sets_of_earlier_versions_are_refused(sets: Path, tmp_path: Path) -> None:
    """A set that lacks an oracle is named, with what to do about it."""
    (tmp_path / "asm1").mkdir()
    for path in (sets / "asm1").iterdir():
        if path.name != "oracle_given.npy":
            (tmp_path / "asm1" / path.name).symlink_to(path)
    with pytest.raises(InputError, match=r"oracle_given\.npy: not found.*--overwrite"):
        assembly.read_oracles(tmp_path / "asm1")


def test_finished_parts_are_not_run_again(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in the output is read; another seed, or larger sets, are asked for anew."""
    asked: list[int] = []

    def ask(plan: AssemblyPlan, seed: int, progress: Progress) -> Iterator[Row]:
        del plan, progress
        asked.append(seed)
        yield {"kappa": 0.5}

    monkeypatch.setattr(assembly, "PARTS", {"focus": ask})
    plan = make_plan(tmp_path, sets, "focus")
    first = run_assembly_benchmark(plan)
    again = run_assembly_benchmark(AssemblyPlan(tmp_path, sets, 120, (1, 2), ("focus",), 2))
    assert asked == [1, 2]
    larger = AssemblyPlan(tmp_path, sets, 240, (1,), ("focus",), 2)
    assert run_assembly_benchmark(larger)["focus"][0]["seed"] == 1
    assert asked == [1, 2, 1]
    assert first["focus"] == again["focus"][:1] == [{"kappa": 0.5, "seed": 1}]


def test_the_summary_counts_what_it_says(tmp_path: Path) -> None:
    """Errors are medians per pair, and only small true correlations can be falsely significant."""
    common = {"truth_seen": 0.1, "by_presence": 0.0, "constant_that_vary": 0, "cpu_seconds": 60.0}
    rows: list[Row] = [
        {"pair": "a and b", "truth": 0.0, "found": found, "low": found - 0.1, "p_value": p_value}
        | {"high": found + 0.1, "seed": seed, **common}
        for seed, found, p_value in ((1, 0.02, 0.5), (2, 0.06, 0.001), (3, 0.3, 0.001))
    ]
    rows.append(
        {"pair": "a and c", "truth": 0.6, "found": None, "low": None, "high": None}
        | {"p_value": None, "seed": 1, **common}
    )
    text = write_assembly_tables(tmp_path, {"covariance": rows}).read_text(encoding="utf-8")
    assert "| largest median error of a pair | 0.10 | 0.060 | 0.080 |" in text
    assert "| 2 of 3 |" in text
    assert "| 95 % intervals that hold the truth | 0.90 | 2 of 3 | 2 of 3 |" in text
    assert "| undetermined pairs | | 1 of 4 | |" in text
