"""How much memory does a classification take against particles, box and classes?

The peak should be the statistics of the small box, which the log announces before the run, plus a
few maps; images are streamed and do not count.

Usage: ``python benchmarks/memory.py [--particles 2000] [-o benchmarks/results/memory.md]``. Every
case is classified whole, maps included, in a process of its own, whose peak is the one reported.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from synthetic import SimulatedSet, describe_here

from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.focus import FocusBox, statistics_bytes
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.kernels.select import available_threads, select_kernels
from cryofocus.workflows.machine import peak_memory_gb

RESOLUTION_ANGSTROM = 14.0


def measure(folder: Path, n_particles: int, box: int, n_classes: int) -> tuple[float, float]:
    """Return the peak before and after a classification, in GB."""
    particles, reader, mask = SimulatedSet(folder).enlarge(n_particles, box)
    settings = ClassifierSettings(
        n_classes=n_classes, n_runs=1, max_cycles=2, max_resolution_angstrom=RESOLUTION_ANGSTROM
    )
    threads = available_threads()
    classifier = FocusedClassifier(settings, select_kernels("cpu", threads), threads)
    before = peak_memory_gb()
    classifier.fit(particles, reader, mask)
    return before, peak_memory_gb()


def row(folder: Path, n_particles: int, box: int, n_classes: int) -> str:
    """Measure one case in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        before, peak = pool.submit(measure, folder, n_particles, box, n_classes).result()
    particles, _, mask = SimulatedSet(folder).enlarge(n_particles, box)
    pixel = particles.pixel_size_angstrom
    n_shells = int(box * pixel / RESOLUTION_ANGSTROM) + 1
    small = FocusBox.around(mask.data, pixel, min(n_shells, box // 2))
    statistics = statistics_bytes(n_particles, small, min(n_shells, box // 2)) / 1e9
    grid = 8 * (2 * box) ** 2 * (box + 1) / 1e9
    line = (
        f"| {n_particles:,} | {box} | {n_classes} | {before:.2f} | {statistics:.2f} | {grid:.2f} "
        f"| {peak:.2f} |"
    )
    print(line, flush=True)
    return line


def main() -> None:
    """Measure the three dependences and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--particles", type=int, default=2000)
    options.add_argument("--box", type=int, default=80, help="smallest box; then 2 and 4 times it")
    options.add_argument("--pixel-size", type=float, default=5.24)
    default = Path(__file__).parent / "results" / "memory.md"
    options.add_argument("-o", "--output", type=Path, default=default)
    given = options.parse_args()
    n, box = given.particles, given.box
    cases = [(n, box, 2), (4 * n, box, 2), (16 * n, box, 2), (n, 2 * box, 2), (n, 4 * box, 2)]
    cases += [(n, box, 4), (n, box, 8)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "set"
        SimulatedSet.make(folder, min(n, 500), box, given.pixel_size)
        lines = [row(folder, *case) for case in cases]
    header = "particles | box | classes | program | statistics | padded grid of a map | peak"
    parts = [
        "# Memory, GB",
        "The program alone, the statistics as announced, one padded Fourier grid of a map "
        f"(complex), and the peak of the whole classification. Mask of 60 Å, "
        f"{given.pixel_size:g} Å per pixel, resolution limit {RESOLUTION_ANGSTROM:g} Å.\n"
        f"{describe_here(time.strftime('%Y-%m-%d'))}",
        "\n".join([f"| {header} |", "| --- | --- | --- | --- | --- | --- | --- |", *lines]),
    ]
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(given.output)


if __name__ == "__main__":
    main()
