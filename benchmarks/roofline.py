"""How close do the E and M kernels come to what the machine can do, and what does a class cost?

Bytes and operations are counted from the formulas, for a point (one number of the data, one of
the precision) and K classes: the data and precision read once from memory; eight neighbours of
2 K numbers read (E, latent), or of 3 K numbers read and written (M), through the first cache; and
the operations of locating (27), interpolating or spreading, and the moments. Each divided by the
limit measured beside it gives the least time a point can take; the largest is the roofline.
No program that reads every neighbour of every point can be faster.

"One view" is the time of the same kernel when all particles have the same view, so that the grid's
nodes are always in the nearest cache: what is left is statistics from memory, and instructions.
Where it is the time of random views, caches do not bound the kernel.

Usage: ``python benchmarks/roofline.py [--threads 2] [--particles 5000] [--classes 1 2 4 ...]
[-o benchmarks/results/roofline.md]`` (half a minute). Statistics are random numbers on the small
box of a sphere of 60 Å at 5.24 Å per pixel, resolution limit 14 Å, box 80.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from machine_limits import Limits, best_seconds, measure_limits
from synthetic import describe_here

from cryofocus.data.mask import FocusMask
from cryofocus.inference.deviations.focus import FocusBox
from cryofocus.kernels.contract import SliceGeometry, SliceKernels
from cryofocus.kernels.select import available_threads, select_kernels
from cryofocus.maths.rotations import random_rotations

BOX, PIXEL_SIZE, RADIUS_ANGSTROM, RESOLUTION_ANGSTROM = 80, 5.24, 60.0, 14.0
LOCATE, INTERPOLATE, COMPARE = 27, 30, 9  # operations: a point; and for each class
SPREAD, WEIGH, PAIR = 48, 3, 5
REPEATS = 3


@dataclass(frozen=True)
class Counts:
    """What one point needs: bytes from memory, bytes through the first cache, operations."""

    streamed: float
    neighbours: float
    operations: float
    writes: bool

    def bounds(self, limits: Limits) -> dict[str, float]:
        """Return the least nanoseconds by each limit."""
        near = limits.changes if self.writes else limits.loads
        return {
            "memory": self.streamed / limits.read,
            "first cache": self.neighbours / near,
            "arithmetic": self.operations / limits.arithmetic,
        }


def count(kernel: str, k: int, streamed: float) -> Counts:
    """Count for K classes (or axes) and so many bytes of statistics a point."""
    if kernel == "M":
        return Counts(streamed, 2 * 8 * 3 * k * 4, LOCATE + (WEIGH + SPREAD) * k, writes=True)
    moments = COMPARE * k if kernel == "E" else 4 * k + PAIR * k * (k + 1) // 2
    operations = LOCATE + INTERPOLATE * k + moments
    return Counts(streamed, 8 * 2 * k * 4, operations, writes=False)


@dataclass(frozen=True)
class Case:
    """Random statistics of some particles."""

    geometry: SliceGeometry
    data: np.ndarray
    precision: np.ndarray

    @classmethod
    def make(cls, n_particles: int, rng: np.random.Generator) -> Case:
        """Draw them on the band of the small box."""
        n_shells = int(BOX * PIXEL_SIZE / RESOLUTION_ANGSTROM) + 1
        middle = BOX // 2 * PIXEL_SIZE
        sphere = (middle, middle, middle, RADIUS_ANGSTROM)
        mask = FocusMask.from_sphere(sphere, BOX, PIXEL_SIZE, soft_edge_angstrom=8.0)
        box = FocusBox.around(mask.data, PIXEL_SIZE, n_shells)
        band = box.band(n_shells)
        matrices = random_rotations(n_particles, rng)[:, :2].astype(np.float32)
        geometry = SliceGeometry(box.edge, band.grid_points(box.edge / band.box), matrices)
        shape = (n_particles, len(band))
        data = rng.standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0]
        return cls(geometry, data, rng.random(shape, np.float32))

    def of_one_view(self) -> Case:
        """Return the same statistics with all particles looked at from one side."""
        same = np.repeat(self.geometry.matrices[:1], len(self.data), axis=0)
        return replace(self, geometry=replace(self.geometry, matrices=same))

    @property
    def bytes_a_point(self) -> float:
        """Bytes of the statistics a point."""
        return (self.data.nbytes + self.precision.nbytes) / self.data.size

    def work(
        self, kernel: str, k: int, kernels: SliceKernels, rng: np.random.Generator
    ) -> Callable[[], object]:
        """Return what is timed."""
        edge = self.geometry.edge
        if kernel == "M":
            weights = rng.random((len(self.data), k), np.float32)
            sums = kernels.accumulator(edge, k, k)
            return lambda: sums.add(self.geometry, self.data, self.precision, weights, weights)
        shape = (edge, edge, edge // 2 + 1, k, 2)
        grid = rng.standard_normal(shape, np.float32).view(np.complex64)[..., 0]
        moments = kernels.class_moments if kernel == "E" else kernels.latent_moments
        return lambda: moments(grid, self.geometry, self.data, self.precision)


def describe_limits(limits: Limits) -> str:
    """Return the table of the machine."""
    lines = [
        f"| limit, {limits.threads} threads | GB/s | both ways, GB/s |",
        "| --- | --- | --- |",
        f"| read from memory, in order | {limits.read:.0f} | |",
        f"| triad, in order | | {limits.triad:.0f} |",
        f"| first cache, in order | {limits.loads:.0f} | {limits.changes:.0f} |",
    ]
    lines += [
        f"| lines of 64 bytes at random, {name} | {rate:.0f} | {limits.updates[name]:.0f} |"
        for name, rate in limits.lines.items()
    ]
    lines.append(f"\nFloat32 multiply-adds: {limits.arithmetic:.0f} GFLOP/s.")
    return "\n".join(lines)


def table(
    case: Case, classes: list[int], limits: Limits
) -> tuple[str, dict[tuple[str, int], float]]:
    """Time every kernel for every number of classes."""
    rng = np.random.default_rng(0)
    kernels = select_kernels("cpu", limits.threads)
    lines = [
        "| kernel | K | ms | ns per point | GB/s streamed | GFLOP/s | roofline, ns | set by | "
        "share | one view, ns | relative to the first K |",
        "| --- " * 11 + "|",
    ]
    seconds: dict[tuple[str, int], float] = {}
    for kernel in ("E", "M", "latent"):
        for k in classes:
            taken, one_view = (
                best_seconds(views.work(kernel, k, kernels, rng), REPEATS)
                for views in (case, case.of_one_view())
            )
            seconds[kernel, k] = taken
            per_point, in_cache = (1e9 * t / case.data.size for t in (taken, one_view))
            counts = count(kernel, k, case.bytes_a_point)
            bounds = counts.bounds(limits)
            by = max(bounds, key=lambda name: bounds[name])
            lines.append(
                f"| {kernel} | {k} | {1e3 * taken:.1f} | {per_point:.2f} | "
                f"{counts.streamed / per_point:.1f} | {counts.operations / per_point:.1f} | "
                f"{bounds[by]:.2f} | {by} | {100 * bounds[by] / per_point:.0f} % | "
                f"{in_cache:.2f} | {taken / seconds[kernel, classes[0]]:.2f} |"
            )
            print(lines[-1], flush=True)
    return "\n".join(lines), seconds


def main() -> None:
    """Measure the machine, then the kernels, and write both tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--threads", type=int, default=available_threads())
    options.add_argument("--particles", type=int, default=5000)
    options.add_argument("--classes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    default = Path(__file__).parent / "results" / "roofline.md"
    options.add_argument("-o", "--output", type=Path, default=default)
    given = options.parse_args()
    case = Case.make(given.particles, np.random.default_rng(1))
    limits = measure_limits(given.threads)
    print(describe_limits(limits), flush=True)
    kernels, seconds = table(case, given.classes, limits)
    first, *_ = given.classes
    cycles = ", ".join(
        f"{(seconds['E', k] + seconds['M', k]) / (seconds['E', first] + seconds['M', first]):.2f} "
        f"(K = {k})"
        for k in given.classes
    )
    parts = [
        "# Roofline of the kernels",
        f"{given.particles:,} particles of {case.data.shape[1]:,} points, {case.bytes_a_point:g} "
        f"bytes per point, padded small box of {case.geometry.edge}: a sphere of "
        f"{RADIUS_ANGSTROM:g} Å at {PIXEL_SIZE} Å per pixel, {RESOLUTION_ANGSTROM:g} Å. The "
        "numbers are random; cost does not depend on them. Method: docstring of "
        f"`benchmarks/roofline.py`.\n{describe_here(time.strftime('%Y-%m-%d'))}",
        "## The machine",
        describe_limits(limits),
        "## The kernels",
        kernels,
        f"E and M together, relative to K = {first}: {cycles}.",
    ]
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(given.output)


if __name__ == "__main__":
    main()
