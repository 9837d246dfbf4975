"""What would cycles on GPUs take that nobody has run yet? A calculation, not a measurement.

Bytes, atomic additions and operations are counted from the loops as they are written
(`kernels/_cuda_loops.py`) and divided by rates: those of the data sheet of an H200, and
assumptions about its caches that are marked as such. The largest term is the least time the
kernel can take; docs/derivations/gpu-roofline.md says how the counts come about.
`benchmarks/gpu.py` measures the same on a real card.

Usage: ``python benchmarks/projection.py [-o benchmarks/results/projection.md]`` (seconds).
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryofocus.consensus.band import Band
from cryofocus.maths.fourier import next_fast_len
from cryofocus.maths.grids import coarse_box
from cryofocus.maths.rotations import random_rotations

# Rates of an H200 (SXM): memory, float32, one direction of PCIe 5 x16 as copies reach it.
MEMORY, FLOPS, BUS = 4.8e12, 67e12, 55e9
MEMORY_BYTES = 141e9
# Assumed: 32-byte sectors that the second-level cache hands out, and those it adds to, a second
# (96 slices at 1.7 GHz take one a clock). No data sheet says it; half of it is as likely.
SECTOR = 32
READS, ADDITIONS = 163e9, 163e9
# Sectors that the first-level caches hand out: 132 of them, four a clock.
FIRST_LEVEL = 898e9
# Assumed: images that a host reads from storage, and messages between hosts (100 Gbit/s).
STORAGE, NETWORK = 5e9, 12.5e9

# Operations of a thread at a point: locating; interpolating or spreading one column; comparing.
LOCATE, INTERPOLATE, SPREAD, COMPARE = 27, 42, 31, 9
FLOAT, COMPLEX, DOUBLE = 4, 8, 8
# Steps of the solver in a cycle (2 to 10 once the prior is learnt, up to 40 in the first cycle),
# and how often a step reads or writes a class's padded grid: four padded or cropped transforms
# with their copies (36), products and the vectors of conjugate gradients (37).
SOLVER_STEPS, SOLVER_PASSES = 10, 73
# Assumed: copies between ordinary memory of the host and the card; and how often what is done to
# an image on the card reads or writes as many bytes as it has.
ORDINARY, IMAGE_PASSES = 10e9, 40
SHARE_FOR_STATISTICS = 0.75 * 0.9  # what the kernels let stay of the memory


@dataclass(frozen=True)
class Work:
    """Particles, points of a particle's statistics, padded small box, classes."""

    name: str
    n_particles: int
    edge: int
    n_points: int
    nodes_a_point: float
    k: int
    stored_bytes: int  # of data and precision at a point: 12, or 6 as bfloat16

    @property
    def n_nodes(self) -> int:
        """Stored nodes of the padded small box."""
        return self.edge**2 * (self.edge // 2 + 1)

    @property
    def points(self) -> float:
        """Points of all particles."""
        return float(self.n_particles) * self.n_points

    @property
    def statistics(self) -> float:
        """Bytes of the statistics."""
        return self.points * self.stored_bytes

    def compare(self, n_gpus: int) -> dict[str, float]:
        """Seconds of the E kernel on each GPU, by what could bound it."""
        points = self.points / n_gpus
        node = COMPLEX * self.k
        return {
            "statistics from memory": points * self.stored_bytes / MEMORY,
            "maps from memory, if no two particles share them": (
                points * self.nodes_a_point * node / MEMORY
            ),
            "maps from the second-level cache": (
                points * self.nodes_a_point * -(-node // SECTOR) / READS
            ),
            # Real and imaginary parts are loaded one after the other, from the same sectors.
            "maps from the first-level cache": points * 8 * 2 * -(-node // SECTOR) / FIRST_LEVEL,
            "arithmetic, half of it not fused": (
                2 * points * self.k * (LOCATE + INTERPOLATE + COMPARE) / FLOPS
            ),
        }

    def insert(self, n_gpus: int) -> dict[str, float]:
        """Seconds of the M kernel on each GPU, by what could bound it, all classes inserted."""
        points = self.points / n_gpus
        node = 3 * FLOAT * self.k
        return {
            "statistics from memory": points * self.stored_bytes / MEMORY,
            "sums from memory and back, if no two particles share them": (
                2 * points * self.nodes_a_point * node / MEMORY
            ),
            "atomic additions in the second-level cache": (
                points * 8 * -(-node // SECTOR) / ADDITIONS
            ),
            "arithmetic, half of it not fused": (
                2 * points * 3 * self.k * (LOCATE + SPREAD) / FLOPS
            ),
        }

    def solve(self) -> float:
        """Seconds of the solution of the maps, which one GPU does for all, by bytes moved."""
        return SOLVER_STEPS * SOLVER_PASSES * self.n_nodes * self.k * COMPLEX / MEMORY

    def measure(self, box: int) -> dict[str, float]:
        """Seconds of the pass over images of a box, by what could bound it; reading overlaps."""
        image = FLOAT * box**2
        up, down = self.n_particles * image / ORDINARY, self.points * 12 / ORDINARY
        work = IMAGE_PASSES * self.n_particles * image / MEMORY
        return {
            "reading the images": self.n_particles * image / STORAGE,
            "images up, work on them, statistics down": up + work + down,
        }

    def cross_bus(self, n_gpus: int) -> float:
        """Seconds of copies a cycle: moments and deviations down, weights and deviations up; and
        statistics that do not stay, twice. Data and precision stay as a whole or not at all.
        """
        maps = 2 * (self.edge // 2) ** 3 * self.k * FLOAT
        numbers = self.n_particles / n_gpus * self.k * (2 * DOUBLE + 2 * FLOAT)
        room, streamed = SHARE_FOR_STATISTICS * MEMORY_BYTES, 0.0
        for array in (2 / 3 * self.statistics / n_gpus, self.statistics / n_gpus / 3):
            if array <= room:
                room -= array
            else:
                streamed += array
        return (maps + numbers + 2 * streamed) / BUS

    def cross_network(self, n_gpus: int) -> tuple[float, float]:
        """Bytes a cycle between hosts of one GPU each: all together, and through one host.

        Maps go to each; sums come back in pairs; log-likelihoods come back, weights go out.
        """
        if n_gpus == 1:
            return 0.0, 0.0
        maps = self.n_nodes * self.k * COMPLEX
        sums = self.n_nodes * self.k * (COMPLEX + FLOAT)
        numbers = self.n_particles * self.k * (DOUBLE + 2 * FLOAT)
        through_first = n_gpus * maps + np.ceil(np.log2(n_gpus)) * sums + numbers
        return n_gpus * (maps + sums) + numbers, float(through_first)


def count_nodes(edge: int, points: np.ndarray, n_views: int = 4) -> float:
    """Count the different stored nodes that a slice touches, for each of its points."""
    counts = []
    for rotation in random_rotations(n_views, np.random.default_rng(0)):
        low = np.floor(points @ rotation[:2]).astype(np.int64)
        corners = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1]), axis=-1).reshape(-1, 3)
        nodes = (low[:, None] + corners).reshape(-1, 3)
        nodes = np.where(nodes[:, :1] < 0, -nodes, nodes) % edge
        counts.append(len(np.unique(nodes @ [edge * edge, edge, 1])))
    return float(np.mean(counts)) / len(points)


def make_work(
    name: str, n_particles: int, stored_bytes: int, edge: int, reach: int = 0, *, k: int = 8
) -> Work:
    """Return the work of K classes in a padded small box, to the end of its band by default."""
    band = Band.disc(edge, reach or edge // 2 - 1)
    points = band.grid_points(1)
    nodes = count_nodes(edge, points)
    return Work(name, n_particles, edge, len(points), nodes, k, stored_bytes)


def sphere_in_box_512() -> tuple[int, int]:
    """Return edge and reach for a sphere of 40 Å and its soft edge at 0.8 Å/px, to 3 Å.

    As `FocusBox` finds them, without drawing the mask.
    """
    box, pixel, radius, resolution = 512, 0.8, 40.0 + 8.0, 3.0
    n_shells = int(box * pixel / resolution) + 1
    sampled = coarse_box(box, n_shells)
    diameter = next_fast_len(2 * math.ceil(radius / (pixel * box / sampled) + 1))
    reach = math.ceil(n_shells * 2 * diameter / sampled) + 2
    return 2 * diameter, min(reach, diameter - 1)


def describe(work: Work) -> str:
    """Return what the work is."""
    return (
        f"{work.name}: {work.n_particles:,} particles, padded small box {work.edge}, "
        f"{work.n_points:,} points, {work.nodes_a_point:.2f} different nodes per point, "
        f"K = {work.k}, {work.stored_bytes} bytes per point "
        f"({work.statistics / 1e9:,.0f} GB of statistics)."
    )


def roofline_table(works: list[Work]) -> list[str]:
    """Return the bounds on one GPU."""
    lines = []
    for work in works:
        lines += [describe(work), "", "| kernel | bound | ms |", "| --- | --- | --- |"]
        for kernel, bounds in (("E", work.compare(1)), ("M", work.insert(1))):
            lines += [f"| {kernel} | {name} | {1e3 * s:.0f} |" for name, s in bounds.items()]
        lines.append(f"| solver | arrays from memory and back | {1e3 * work.solve():.0f} |")
        lines.append(f"| all | copies over the bus | {1e3 * work.cross_bus(1):.0f} |")
        lines += ["", f"Minimum time per cycle: {cycle_seconds(work, 1):.2f} s.", ""]
    return lines


def cycle_seconds(work: Work, n_gpus: int) -> float:
    """Return the sum of the largest bounds of both kernels, the solver, and copies."""
    kernels = max(work.compare(n_gpus).values()) + max(work.insert(n_gpus).values())
    return kernels + work.solve() + work.cross_bus(n_gpus)


def pass_table(works: list[tuple[Work, int]]) -> list[str]:
    """Return what bounds the pass over the images of a box."""
    lines = ["| images | statistics | bound | s |", "| --- " * 4 + "|"]
    for work, box in works:
        size = f"{work.n_points:,} points"
        for name, seconds in work.measure(box).items():
            lines.append(f"| {work.n_particles:,} of {box}² | {size} | {name} | {seconds:.1f} |")
    return lines


def projection_table(works: list[Work]) -> list[str]:
    """Return cycles on several GPUs, one in each host."""
    lines = [
        "| statistics | GPUs | GB per GPU | E, s | M, s | solver, s | bus, s "
        "| network, GB per cycle | of it through the first host | network, s "
        "| cycle, s | reading the images once, h |",
        "| --- " * 12 + "|",
    ]
    for work in works:
        for n_gpus in (1, 8, 64):
            total, through = work.cross_network(n_gpus)
            compare = max(work.compare(n_gpus).values())
            insert = max(work.insert(n_gpus).values())
            seconds = cycle_seconds(work, n_gpus) + through / NETWORK
            reading = work.n_particles * 512**2 * FLOAT / STORAGE / n_gpus / 3600
            lines.append(
                f"| {work.name} | {n_gpus} | {work.statistics / n_gpus / 1e9:.0f} | {compare:.2f} "
                f"| {insert:.2f} | {work.solve():.2f} | {work.cross_bus(n_gpus):.2f} "
                f"| {total / 1e9:.1f} | {through / 1e9:.1f} | {through / NETWORK:.2f} "
                f"| {seconds:.1f} | {reading:.2f} |"
            )
    return lines


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results")
    folder = parser.parse_args().output
    near, far = (
        [make_work(name, n, stored, *box) for name, stored in (("float32", 12), ("bfloat16", 6))]
        for n, box in ((100_000, (256,)), (5_000_000, sphere_in_box_512()))
    )
    small = make_work("float32", 100_000, 12, 140)
    text = [
        "# Calculated time of cycles on GPUs",
        "",
        "**No card has confirmed any of these numbers.** They are lower bounds from counts and "
        "rates; `benchmarks/projection.py` states both, `docs/derivations/gpu-roofline.md` "
        "explains them.",
        "",
        "## A cycle on one H200, by what could limit its parts",
        "",
        *roofline_table(near),
        "## The pass over the images on one H200",
        "",
        *pass_table([(near[0], 256), (small, 256)]),
        "",
        "## 5,000,000 particles of box 512 on 1, 8 and 64 GPUs, one per host",
        "",
        "A sphere of 40 Å at 0.8 Å/px to 3 Å.",
        "",
        *[describe(work) + "\n" for work in far],
        *projection_table(far),
        "",
    ]
    path = folder / "projection.md" if folder.is_dir() else folder
    path.write_text("\n".join(text), encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
