"""What do cycles take on this GPU, and how far is that from what counting promises?

Random statistics of a padded small box, resident on the device and streamed through it, as
float32 and as bfloat16. Times are of whole calls, as a cycle makes them: moments down and weights
up included; maps and sums stay on the device, where the solver works with them. Beside them stand
the least times that `benchmarks/projection.py` counts for an H200, scaled to the number of
particles.

Usage: ``python benchmarks/gpu.py [--particles 20000] [--edge 256] [--classes 1 8]
[--memory-gpu GB] [-o benchmarks/results/gpu.md]`` (a few minutes; 6 GB of memory for 20,000
particles). The pass over images is timed by ``python benchmarks/large_set.py FOLDER --device
cuda``. Without a GPU it says so in one line and writes nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numba import cuda
from projection import SOLVER_STEPS, Work, make_work

from cryofocus.consensus.band import Band
from cryofocus.inference.deviations.deviation import DeviationPrior, DeviationSpace
from cryofocus.inference.deviations.focus import FocusBox
from cryofocus.inference.deviations.prior import contrasts
from cryofocus.kernels.bfloat16 import encode
from cryofocus.kernels.contract import SliceGeometry
from cryofocus.kernels.cuda import CudaKernels
from cryofocus.kernels.gpu import IS_SIMULATED, describe_gpu, find_gpu_fault
from cryofocus.maths.masks import sphere_mask
from cryofocus.maths.rotations import random_rotations

REPEATS = 5
COPY_BYTES = 1 << 30
Row = tuple[str, str, int, str, float, float]


def median_seconds(work: Callable[[], object]) -> float:
    """Return the median of several runs, after one that compiles and fills what is kept."""
    work()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def copies() -> Iterator[tuple[str, float]]:
    """Yield the rates of copies, in GB/s."""
    device = cuda.device_array(COPY_BYTES, np.uint8)
    other = cuda.device_array(COPY_BYTES, np.uint8)
    for name, host in (
        ("page-locked", cuda.pinned_array(COPY_BYTES, np.uint8)),
        ("ordinary", np.ones(COPY_BYTES, np.uint8)),
    ):
        up = median_seconds(lambda host=host: device.copy_to_device(host))
        down = median_seconds(lambda host=host: device.copy_to_host(host))
        yield f"host to device, {name}", COPY_BYTES / up / 1e9
        yield f"device to host, {name}", COPY_BYTES / down / 1e9
    within = median_seconds(lambda: device.copy_to_device(other))
    yield "within the device, read and written", 2 * COPY_BYTES / within / 1e9


def kernels_on(
    geometry: SliceGeometry, statistics: tuple[np.ndarray, np.ndarray], k: int, gpu: CudaKernels
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the calls of a cycle with K classes."""
    rng = np.random.default_rng(1)
    edge, n = geometry.edge, len(geometry.matrices)
    shape = (edge, edge, edge // 2 + 1, k, 2)
    grid = gpu.send(rng.standard_normal(shape, np.float32).view(np.complex64)[..., 0])
    weights = rng.random((n, k), np.float32)
    decided = np.where(weights == weights.max(axis=1, keepdims=True), weights, 0)
    sums = gpu.accumulator(edge, k, k)
    yield "E", lambda: gpu.class_moments(grid, geometry, *statistics)
    yield "latent", lambda: gpu.latent_moments(grid, geometry, *statistics)
    yield "M", lambda: sums.add(geometry, *statistics, weights, weights)
    yield "M, one class a particle", lambda: sums.add(geometry, *statistics, decided, decided)
    yield "sums to the solver", sums.total
    space, prior = solver(edge, k, gpu)
    total = sums.total()
    options = {"tolerance": 0.0, "max_steps": SOLVER_STEPS}
    yield "solver", lambda: space.solve(total, prior, **options)


def solver(edge: int, k: int, gpu: CudaKernels) -> tuple[DeviationSpace, DeviationPrior]:
    """Return the space of deviations in a sphere that fills the small box, and a prior."""
    d = edge // 2
    mask = sphere_mask(d, 1.0, (0.0, 0.0, 0.0), 0.4 * d, 2.0)
    box = FocusBox(mask, (0.0, 0.0, 0.0), edge, 2 * edge, 1.0)
    prior = DeviationPrior(np.ones(d - 2), mask, contrasts(np.full(k, 1 / k)))
    return DeviationSpace(box, d - 2, send=gpu.send), prior


def measure(n_particles: int, edge: int, classes: list[int], memory: float | None) -> list[Row]:
    """Time every call, resident and streamed, in both kinds of storage."""
    rng = np.random.default_rng(0)
    points = Band.disc(edge, edge // 2 - 1).grid_points(1)
    matrices = random_rotations(n_particles, rng)[:, :2].astype(np.float32)
    geometry = SliceGeometry(edge, points, matrices)
    shape = (n_particles, len(points))
    data = rng.standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0]
    precision = rng.random(shape, np.float32)
    rows: list[Row] = []
    gpu = CudaKernels(memory)
    for storage in ("float32", "bfloat16"):
        if storage == "bfloat16":
            data, precision = encode(data), encode(precision)
        for place in ("streamed", "resident"):
            if place == "resident":
                gpu.keep(data, precision)
            for k in classes:
                for name, call in kernels_on(geometry, (data, precision), k, gpu):
                    seconds = median_seconds(call)
                    rows.append((name, storage, k, place, seconds, seconds / precision.size))
    return rows


def least(work: Work, kernel: str) -> float:
    """Return the least seconds that are counted for a kernel, or 0 where nothing is counted."""
    if kernel == "solver":
        return work.solve()
    bounds = {"E": work.compare, "M": work.insert}.get(kernel)
    return max(bounds(1).values()) if bounds else 0.0


def main() -> None:
    """Measure and write the table, or refuse."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--particles", type=int, default=20_000)
    parser.add_argument("--edge", type=int, default=256)
    parser.add_argument("--classes", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--memory-gpu", type=float)
    default = Path(__file__).parent / "results" / "gpu.md"
    parser.add_argument("-o", "--output", type=Path, default=default)
    given = parser.parse_args()
    fault = "this is a simulation of a GPU" if IS_SIMULATED else find_gpu_fault()
    if fault:
        sys.exit(f"nothing to measure: {fault}.")
    lines = [
        "# Kernels on a GPU",
        "",
        f"Measured on {describe_gpu()}, {datetime.now(UTC):%Y-%m-%d}: {given.particles:,} "
        f"particles, padded small box {given.edge}.",
        "",
        "| copy | GB/s |",
        "| --- | --- |",
        *[f"| {name} | {rate:.1f} |" for name, rate in copies()],
        "",
        "| call | storage | K | statistics | ms | ns a point | least on an H200, ms |",
        "| --- " * 7 + "|",
    ]
    for name, storage, k, place, seconds, per_point in measure(
        given.particles, given.edge, given.classes, given.memory_gpu
    ):
        stored = 12 if storage == "float32" else 6
        bound = least(make_work(storage, given.particles, stored, given.edge, k=k), name)
        counted = f"{1e3 * bound:.1f}" if bound else ""
        lines.append(
            f"| {name} | {storage} | {k} | {place} | {1e3 * seconds:.1f} | {1e9 * per_point:.3f} "
            f"| {counted} |"
        )
    given.output.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print(given.output.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
