"""What does each pass over the images cost, and what does the second thread bring?

Passes as `classify` makes them, each by itself, on images of box 256 cropped to 72 shells:
reading, cropping and transforming alone; with insertion into one map, and into those of four
classes; and with the statistics of a sphere of 40 Å. Before them, sums over arrays that stay in
the cache and share nothing: what threads can bring at most, on this machine at this time. Passes
take turns, and the fastest of several with each number of threads counts, for wall and for CPU
seconds; the images come from the file cache.

Usage: ``python benchmarks/passes.py FOLDER [--particles 4000] [--threads 1 2] [--repeats 5]
[-o benchmarks/results/passes.md]`` (two minutes on a machine that does nothing else). FOLDER keeps
the simulated set, and may be that of `large_set.py`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numba as nb
import numpy as np
from large_set import simulated_images
from synthetic import describe_here

from cryofocus.consensus.consensus import Consensus, estimate_consensus
from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.insertion import accumulate_maps
from cryofocus.consensus.preparation import assign_half_sets, open_images
from cryofocus.consensus.residuals import whole_consensus
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.inference.deviations.focus import FocusBox, FocusPlan, measure_focus
from cryofocus.kernels.parts import do_parts
from cryofocus.kernels.select import select_kernels

N_SHELLS, COMPARED_SHELLS, RADIUS_ANGSTROM, N_CLASSES = 72, 56, 40.0, 4
MEMORY_GB = 8.0
# Of the loop that shares nothing.
LOOP_FLOATS, LOOP_ROUNDS = 1000, 500_000


def main() -> None:
    """Time every pass with every number of threads."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--particles", type=int, default=4000)
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options.add_argument("--repeats", type=int, default=5)
    default = Path(__file__).parent / "results" / "passes.md"
    options.add_argument("-o", "--output", type=Path, default=default)
    given = options.parse_args()
    data = simulated_images(given.folder, 1000, 256)
    particles = ParticleSet.read(data.folder / "particles.star")
    particles = particles.take(np.arange(given.particles) % len(particles))
    half_set, _ = assign_half_sets(particles, 1)
    x, y, z, _ = data.focus
    grid = (particles.box, particles.pixel_size_angstrom)
    mask = FocusMask.from_sphere((x, y, z, RADIUS_ANGSTROM), *grid, soft_edge_angstrom=8.0)
    images = open_images(particles, "no", threads=max(given.threads)).cropped(N_SHELLS)
    kernels = select_kernels("cpu", max(given.threads), memory_gb=MEMORY_GB)
    consensus = estimate_consensus(images, half_set, kernels)
    made = {threads: passes(consensus, mask, threads) for threads in given.threads}
    seconds: dict[str, dict[int, tuple[float, float]]] = {}
    for name in made[given.threads[0]]:
        taken = [[elapsed(made[t][name]) for t in given.threads] for _ in range(given.repeats + 1)]
        for number, threads in enumerate(given.threads):
            walls, cpus = zip(*(one[number] for one in taken[1:]), strict=True)
            seconds.setdefault(name, {})[threads] = (min(walls), min(cpus))
        print(name, seconds[name], flush=True)
    parts = [
        "# Passes over images",
        f"{given.particles:,} particles of box {grid[0]} at {grid[1]} Å per pixel, cropped to "
        f"{N_SHELLS} shells, from 1,000 images in the file cache; ms an image, the fastest of "
        f"{given.repeats}.\n{describe_here(time.strftime('%Y-%m-%d'))}",
        table(seconds, given.particles),
    ]
    given.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(given.output.read_text(encoding="utf-8"))


def passes(consensus: Consensus, mask: FocusMask, threads: int) -> dict[str, Callable[[], object]]:
    """Return what makes each pass, by name."""
    images = replace(consensus.images, threads=threads)
    kernels = select_kernels("cpu", threads, memory_gb=MEMORY_GB)
    n, noise = len(images), consensus.noise
    scale = np.ones(n, np.float32)
    weights = np.random.default_rng(1).dirichlet(np.ones(N_CLASSES), n).astype(np.float32)
    box = FocusBox.around(mask.data, mask.voxel_size_angstrom, COMPARED_SHELLS)
    plan = FocusPlan(box, COMPARED_SHELLS, "float32")
    background = whole_consensus(replace(consensus, images=images), kernels)
    own = [np.ones(LOOP_FLOATS) for _ in range(threads)]
    _add_up(own[0], 1)
    return {
        "sums that share nothing": lambda: do_parts(
            lambda part: _add_up(own[part], LOOP_ROUNDS // threads), threads
        ),
        "read, crop, transform": lambda: read(images),
        "and insert into a map": lambda: accumulate_maps(
            images, noise, scale[:, None], kernels, scale
        ),
        f"and insert into {N_CLASSES} maps": lambda: accumulate_maps(
            images, noise, weights, kernels, scale
        ),
        "and take statistics": lambda: measure_focus(background, consensus.image_model, plan),
    }


def read(images: ParticleImages) -> None:
    """Prepare all images, and do nothing with them."""
    for _ in images.chunks(images.largest_band()):
        pass


@nb.njit(nogil=True)
def _add_up(values: np.ndarray, n_rounds: int) -> float:
    total = 0.0
    for _ in range(n_rounds):
        for value in values:
            total += value
    return total


def elapsed(one: Callable[[], object]) -> tuple[float, float]:
    """Return how many seconds a pass takes, and how many of all processors."""
    start, used = time.perf_counter(), time.process_time()
    one()
    return time.perf_counter() - start, time.process_time() - used


def table(seconds: dict[str, dict[int, tuple[float, float]]], n: int) -> str:
    """Return ms an image, and how many times faster than with the first number of threads.

    Beside it, how much that is of what the machine allows: of sums that share nothing.
    """
    threads = list(next(iter(seconds.values())))
    names = [f"{t} thread{'s' if t > 1 else ''}" for t in threads]
    head = ["pass", *(f"{one}, {kind}" for one in names for kind in ("ms", "CPU ms")), "faster"]
    head.append("of what the machine allows")
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    first, last = threads[0], threads[-1]
    faster = {name: found[first][0] / found[last][0] for name, found in seconds.items()}
    allowed = next(iter(faster.values()))
    for name, found in seconds.items():
        cells = [f"{1000 * one / n:.3f}" for t in threads for one in found[t]]
        gained = [f"{faster[name]:.2f}", f"{faster[name] / allowed:.2f}"]
        lines.append(f"| {' | '.join([name, *cells, *gained])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
