"""How well do several workers share a cycle, and what crosses between them?

100,000 particles on the small box of `roofline.py`, K = 4, statistics of random numbers. One
process makes cycles of expectation maximisation alone; then 2 and 4 worker processes of one thread
share them. As workers may outnumber the processors here, they take turns, and work is counted in
CPU seconds: of the busiest worker, with all it spends on receiving, adding and sending, and of the
process that directs them, which solves for the class maps and is the scheduler as well. On
machines of their own a cycle would take the sum of both. Efficiency is the time of one process
over workers times theirs, once of the passes over the statistics (work per worker), once of the
whole cycle. Bytes are counted from what is sent.

Usage: ``python benchmarks/workers.py [--particles 100000] [--classes 4] [--workers 2 4]
[--cycles 3] [-o benchmarks/results/workers.md]`` (two minutes of CPU time, 4 GB).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from roofline import BOX, PIXEL_SIZE, RADIUS_ANGSTROM, RESOLUTION_ANGSTROM
from synthetic import describe_here

from cryofocus.data.mask import FocusMask
from cryofocus.execution.contract import Executor, Sharded
from cryofocus.inference.deviations.deviation import DeviationPrior, DeviationSpace
from cryofocus.inference.deviations.focus import FocusBox, FocusStatistics
from cryofocus.inference.deviations.sharded_statistics import ShardedStatistics
from cryofocus.inference.posterior import class_posteriors, random_posteriors
from cryofocus.kernels.contract import SliceGeometry
from cryofocus.kernels.select import select_kernels
from cryofocus.maths.rotations import random_rotations
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.resources import open_machine


@dataclass(frozen=True)
class InTurns:
    """One worker after the other, so that they do not compete for this machine's memory."""

    executor: Executor

    def map(
        self, function: Any, sharded: Sharded[Any], common: Any, parts: list[Any]
    ) -> list[Any]:
        """Return the results of all ranges, in order."""
        made = self._make(function, sharded, common, parts)
        return self.executor.map(unchanged, made, None, [None] * len(parts))

    def reduce(self, function: Any, sharded: Sharded[Any], common: Any, parts: list[Any]) -> Any:
        """Return the sum of the results of all ranges."""
        made = self._make(function, sharded, common, parts)
        return self.executor.reduce(unchanged, made, None, [None] * len(parts))

    def _make(
        self, function: Any, sharded: Sharded[Any], common: Any, parts: list[Any]
    ) -> Sharded[Any]:
        made = [
            self.executor.build(
                function, Sharded((slice(0, rows.stop - rows.start),), (held,)), common, [part]
            ).parts[0]
            for rows, held, part in zip(sharded.ranges, sharded.parts, parts, strict=True)
        ]
        return Sharded(sharded.ranges, tuple(made))


def unchanged(made: Any, common: None, part: Any) -> Any:
    """Bring a result."""
    del common, part
    return made


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a cycle: of the process that directs, and of each worker."""

    directing: float
    working: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """What a cycle takes if every process has a processor."""
        return self.directing + max(self.working, default=0.0)


def small_box() -> tuple[FocusBox, int]:
    """Return the small box and the shells compared."""
    n_shells = int(BOX * PIXEL_SIZE / RESOLUTION_ANGSTROM) + 1
    middle = BOX // 2 * PIXEL_SIZE
    sphere = (middle, middle, middle, RADIUS_ANGSTROM)
    mask = FocusMask.from_sphere(sphere, BOX, PIXEL_SIZE, soft_edge_angstrom=8.0)
    return FocusBox.around(mask.data, PIXEL_SIZE, n_shells), n_shells


def draw(rows: slice, common: tuple[FocusBox, int], part: None) -> FocusStatistics:
    """Draw the statistics of a range: noise of the variance that the precisions say."""
    del part
    (box, n_shells), rng = common, np.random.default_rng(rows.start)
    band, n = box.band(n_shells), rows.stop - rows.start
    matrices = random_rotations(n, rng)[:, :2].astype(np.float32)
    geometry = SliceGeometry(box.edge, band.grid_points(box.edge / band.box), matrices)
    precision = rng.random((n, len(band)), np.float32) * np.float32(1e-6)
    data = rng.standard_normal((n, len(band), 2), np.float32).view(np.complex64)[..., 0]
    data *= np.sqrt(precision)
    return FocusStatistics(box, band, geometry, data, data, precision, np.ones(n, np.float32))


def prepare(executor: Executor, n_particles: int) -> ShardedStatistics:
    """Shard statistics of so many particles."""
    box, n_shells = small_box()
    ranges = executor.ranges(n_particles)
    nothing = [None] * len(ranges)
    shards = executor.build(draw, executor.place(ranges, ranges), (box, n_shells), nothing)
    scale, kernels = np.ones(n_particles, np.float32), select_kernels("cpu", 1)
    turns = InTurns(executor)
    return ShardedStatistics(box, box.band(n_shells), scale, shards, kernels, turns)


@dataclass
class Cycle:
    """A cycle that skips nothing, and how long its passes over the statistics took here."""

    statistics: ShardedStatistics
    space: DeviationSpace
    prior: DeviationPrior
    passes: float = 0.0

    def make(self, posteriors: np.ndarray) -> np.ndarray:
        """Maximise, then take new posteriors."""
        sums = self._timed(lambda: self.statistics.sum_slices(posteriors, posteriors))
        coefficients = self.space.solve(sums, self.prior).coefficients
        grid = self.space.to_grid(self.space.expand(coefficients, self.prior))
        log_likelihood = self._timed(lambda: self.statistics.class_log_likelihoods(grid))
        weights = np.full(posteriors.shape[1], 1 / posteriors.shape[1])
        return class_posteriors(log_likelihood, weights)[0]

    def _timed(self, ask: Callable[[], Any]) -> Any:
        start = time.process_time()
        answer = ask()
        self.passes += time.process_time() - start
        return answer


def measure(cluster: str | None, n_particles: int, n_classes: int, n_cycles: int) -> Cost:
    """Make cycles somewhere; the first, which loads compiled loops, is of a few particles."""
    with open_machine(Machine(cluster=cluster, threads=1)) as resources:
        client = getattr(resources.executor, "client", None)
        for n in (100, n_particles):
            statistics = prepare(resources.executor, n)
            space = DeviationSpace(statistics.box, statistics.band.n_shells)
            spectrum = np.full(space.n_shells, 1e-3)
            prior = DeviationPrior(spectrum, statistics.box.mask, np.eye(n_classes))
            cycle = Cycle(statistics, space, prior)
            posteriors = random_posteriors(n, n_classes, np.random.default_rng(0))
            clocks = [_clocks(client, cycle)]
            for _ in range(n_cycles):
                posteriors = cycle.make(posteriors)
                clocks.append(_clocks(client, cycle))
    # The least of several cycles: what else the machine does only adds.
    passes, here, *there = np.diff(clocks, axis=0).min(axis=0).tolist()
    return Cost(here, tuple(there)) if client else Cost(here - passes, (passes,))


def _clocks(client: Any, cycle: Cycle) -> list[float]:
    """CPU seconds so far: of the passes as seen here, of this process, and of every worker."""
    there = client.run(time.process_time) if client is not None else {}
    return [cycle.passes, time.process_time(), *(there[name] for name in sorted(there))]


def bytes_a_cycle(n_particles: int, n_classes: int, n_workers: int) -> dict[str, float]:
    """Count what a cycle sends, in MB: maps, weights, log-likelihoods and sums."""
    edge = small_box()[0].edge
    nodes = edge * edge * (edge // 2 + 1) * n_classes
    return {
        "maps out": n_workers * 8 * nodes / 1e6,
        "weights out": 4 * n_particles * n_classes / 1e6,
        "log-likelihoods back": 8 * n_particles * n_classes / 1e6,
        "sums between workers": (n_workers - 1) * 12 * nodes / 1e6,
        "sums back": 12 * nodes / 1e6,
    }


def main() -> None:
    """Measure and write the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--particles", type=int, default=100_000)
    options.add_argument("--classes", type=int, default=4)
    options.add_argument("--workers", type=int, nargs="+", default=[2, 4])
    options.add_argument("--cycles", type=int, default=3)
    default = Path(__file__).parent / "results" / "workers.md"
    options.add_argument("-o", "--output", type=Path, default=default)
    given = options.parse_args()
    size = (given.particles, given.classes)
    # Before and after the others: what else this machine does changes meanwhile.
    first = measure(None, *size, given.cycles)
    costs = {n: measure(f"local:{n}", *size, given.cycles) for n in given.workers}
    alone = min(first, measure(None, *size, given.cycles), key=lambda cost: cost.seconds)
    lines = [
        "| workers | busiest worker, s | all workers, s | main process, s | worker efficiency "
        "| cycle efficiency |",
        "| --- " * 6 + "|",
        f"| none: one process | | {alone.working[0]:.2f} | {alone.directing:.2f} | 1 | 1 |",
    ]
    moved = ["| workers | " + " | ".join(bytes_a_cycle(*size, 1)) + " |", "| --- " * 6 + "|"]
    for n, cost in costs.items():
        share = alone.working[0] / (n * max(cost.working))
        efficiency = alone.seconds / (n * cost.seconds)
        lines.append(
            f"| {n} | {max(cost.working):.2f} | {sum(cost.working):.2f} | {cost.directing:.2f} "
            f"| {share:.2f} | {efficiency:.2f} |"
        )
        sent = " | ".join(f"{value:.1f}" for value in bytes_a_cycle(*size, n).values())
        moved.append(f"| {n} | {sent} |")
    statistics_gb = 12 * given.particles * len(small_box()[0].band(small_box()[1])) / 1e9
    text = "\n".join(
        [
            "# Workers: how well a cycle is shared",
            "",
            describe_here(time.strftime("%Y-%m-%d")) + " `benchmarks/workers.py`.",
            "",
            f"{given.particles:,} particles, K = {given.classes}, small box of "
            f"{small_box()[0].diameter} voxels, {statistics_gb:.2f} GB of statistics (random "
            f"numbers); minimum of {given.cycles} cycles, CPU seconds, one thread per process.",
            "",
            *lines,
            "",
            "What a cycle sends, MB (counted):",
            "",
            *moved,
            "",
        ]
    )
    print(text)
    given.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
