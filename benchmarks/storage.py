"""Do statistics in half the bytes (`--storage bfloat16`) change kappa, posteriors or maps?

Simulated sets, one run each with either storage: kappa against the truth, how far posteriors move
on average, how many particles change their class, and the relative difference of the class maps'
deviations from the consensus inside the focus mask.

Usage: ``python benchmarks/storage.py [--particles 10000] [--cell 1:0.025 --cell 2:0.1 ...]
[--sets FOLDER] [-o benchmarks/results/storage.md]`` (two minutes a cell). FOLDER holds sets
simulated before, as s1_0.025.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from synthetic import SimulatedSet, describe_here

from cryofocus.data.volume import read_volume
from cryofocus.simulate.settings import HumanoidSettings
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.evaluate import evaluate
from cryofocus.workflows.simulate.humanoid import simulate_humanoid

CELLS = ["1:0.1", "1:0.025", "1:0.006", "2:0.1", "2:0.025", "3:0.025"]
CLASSES_OF = {1: 2, 2: 4, 3: 4}


def run(data: SimulatedSet, output: Path, storage: str, n_classes: int) -> Path:
    """Classify a set once."""
    settings = {"n_classes": n_classes, "n_runs": 1, "storage": storage}
    values = {
        "particles": data.folder / "particles.star",
        "focus": data.focus,
        "settings": settings,
    }
    return classify(ClassifyRequest(**values), output / storage).path


def differences(runs: tuple[Path, Path], n_classes: int) -> tuple[float, float, float]:
    """Return how posteriors, classes and maps of two runs differ."""
    first, second = (np.load(run / "posteriors.npy") for run in runs)
    moved = float((first.argmax(axis=1) != second.argmax(axis=1)).mean())
    mask = read_volume(runs[0] / "focus_mask.mrc").data
    consensus = read_volume(runs[0] / "consensus.mrc").data
    names = [f"class{k + 1:03d}.mrc" for k in range(n_classes)]
    one, other = (
        np.stack([mask * (read_volume(run / name).data - consensus) for name in names])
        for run in runs
    )
    change = float(np.linalg.norm(one - other) / np.linalg.norm(one))
    return float(abs(first - second).mean()), moved, change


def row(data: SimulatedSet, cell: tuple[int, float]) -> str:
    """Measure one set."""
    scenario, snr = cell
    n_classes = CLASSES_OF[scenario]
    with tempfile.TemporaryDirectory() as name:
        runs = tuple(run(data, Path(name), s, n_classes) for s in ("float32", "bfloat16"))
        kappas = [
            evaluate(one / "particles.star", data.folder / "truth.star")["kappa"] for one in runs
        ]
        posteriors, moved, change = differences((runs[0], runs[1]), n_classes)
    line = (
        f"| {scenario} | {snr:g} | {n_classes} | {kappas[0]:.4f} | {kappas[1]:.4f} | "
        f"{posteriors:.4f} | {100 * moved:.2f} % | {100 * change:.2f} % |"
    )
    print(line, flush=True)
    return line


def main() -> None:
    """Measure every cell and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--particles", type=int, default=10_000)
    options.add_argument("--cell", action="append", metavar="SCENARIO:SNR")
    options.add_argument("--sets", type=Path, help="folder of sets simulated before")
    default = Path(__file__).parent / "results" / "storage.md"
    options.add_argument("-o", "--output", type=Path, default=default)
    given = options.parse_args()
    lines = [
        "| scenario | SNR | K | kappa, float32 | kappa, bfloat16 | posteriors moved | "
        "particles moved | maps changed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for scenario, snr in (cell.split(":") for cell in given.cell or CELLS):
        cell = (int(scenario), float(snr))
        with tempfile.TemporaryDirectory() as name:
            kept = (given.sets or Path(name)) / f"s{cell[0]}_{cell[1]:.3f}"
            if not kept.exists():
                settings = HumanoidSettings(
                    scenario=cell[0], snr=cell[1], particles=given.particles
                )
                simulate_humanoid(kept, settings)
            lines.append(row(SimulatedSet(kept), cell))
    parts = [
        "# Statistics in 16 bits",
        f"Particles moved: those whose best class differs; maps changed: the class maps' "
        f"deviations from the consensus inside the mask. Method: docstring of "
        f"`benchmarks/storage.py`.\n{describe_here(time.strftime('%Y-%m-%d'))}",
        "\n".join(lines),
    ]
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(given.output)


if __name__ == "__main__":
    main()
