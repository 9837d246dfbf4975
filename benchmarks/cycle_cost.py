"""What does a cycle cost against box size, classes and particles, and what the statistics pass?

The cost of a cycle should follow the region in focus, not the particle: flat against the box at
a fixed mask (60 Å), pixel size and resolution limit; linear in the particles. The statistics are
one pass over the images and do grow with the box.

Usage: ``python benchmarks/cycle_cost.py [--particles 2000] [-o benchmarks/results/cycle_cost.md]``
(some minutes). Each figure is the median over cycles with the prior fixed, after one unmeasured
classification that compiles the kernels.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from synthetic import SimulatedSet, describe_here

from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.monitor import Advance, SilentMonitor
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.kernels.select import available_threads, select_kernels

RESOLUTION_ANGSTROM = 14.0
MEASURED_CYCLES = 5


class Enough(Exception):
    """The cycles of interest are done; maps are not needed."""


@dataclass
class CycleTimer(SilentMonitor):
    """Takes the time of every cycle of the first run and of the statistics pass."""

    statistics_seconds: float = 0.0
    cycle_seconds: list[float] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str, n_steps: int) -> Iterator[Advance]:
        """Time a stage; stop after the first run."""
        start = last = time.perf_counter()

        def advance(steps: int = 1, note: str = "") -> None:
            del steps, note
            nonlocal last
            now = time.perf_counter()
            if name.startswith("run"):
                self.cycle_seconds.append(now - last)
            last = now

        yield advance
        if name == "statistics":
            self.statistics_seconds = time.perf_counter() - start
        if name.startswith("run"):
            raise Enough


def measure(data: SimulatedSet, n_particles: int, box: int, n_classes: int) -> CycleTimer:
    """Classify up to the end of the first run."""
    particles, reader, mask = data.enlarge(n_particles, box)
    settings = ClassifierSettings(
        n_classes=n_classes,
        n_runs=1,
        max_cycles=MEASURED_CYCLES,
        # So small that no run converges before its cycles are measured.
        tolerance=1e-12,
        max_resolution_angstrom=RESOLUTION_ANGSTROM,
    )
    threads = available_threads()
    timer = CycleTimer()
    with suppress(Enough):
        classifier = FocusedClassifier(settings, select_kernels("cpu", threads), threads)
        classifier.fit(particles, reader, mask, monitor=timer)
    return timer


def table(data: SimulatedSet, cases: list[tuple[int, int, int]]) -> str:
    """Measure (particles, box, classes) one after the other; cost relative to the first."""
    lines = [
        "| particles | box | classes | cycle, s | relative | statistics, s | relative |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    first: CycleTimer | None = None
    for n_particles, box, n_classes in cases:
        timer = measure(data, n_particles, box, n_classes)
        first = first or timer
        cycle, unit = (median(t.cycle_seconds[-MEASURED_CYCLES:]) for t in (timer, first))
        lines.append(
            f"| {n_particles:,} | {box} | {n_classes} | {cycle:.3f} | {cycle / unit:.2f} | "
            f"{timer.statistics_seconds:.2f} | "
            f"{timer.statistics_seconds / first.statistics_seconds:.2f} |"
        )
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Measure the three dependences and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--particles", type=int, default=2000)
    options.add_argument("--box", type=int, default=80, help="smallest box; then 2 and 4 times it")
    options.add_argument("--pixel-size", type=float, default=5.24)
    default = Path(__file__).parent / "results" / "cycle_cost.md"
    options.add_argument("-o", "--output", type=Path, default=default)
    given = options.parse_args()
    n, box = given.particles, given.box
    with tempfile.TemporaryDirectory() as name:
        data = SimulatedSet.make(Path(name) / "set", min(n, 500), box, given.pixel_size)
        measure(data, min(n, 500), box, 2)
        parts = [
            "# Cost of a cycle",
            f"Mask of 60 Å, {given.pixel_size:g} Å per pixel, resolution limit "
            f"{RESOLUTION_ANGSTROM:g} Å.\n{describe_here(time.strftime('%Y-%m-%d'))}",
            "## Against the box",
            table(data, [(n, factor * box, 2) for factor in (1, 2, 4)]),
            "## Against the number of classes",
            table(data, [(n, box, classes) for classes in (2, 4, 8)]),
            "## Against the number of particles",
            table(data, [(factor * n, box, 2) for factor in (1, 2, 4)]),
        ]
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(given.output)


if __name__ == "__main__":
    main()
