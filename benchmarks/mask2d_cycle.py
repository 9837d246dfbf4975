"""What does a cycle of mask2d cost, and how much of it would plain SciPy take?

Both do the same: insert every whitened image into two half grids a class, solve for the maps,
cut slices, transform the differences back, sum their squares inside the circle, update
occupancies. The plain version is vectorised NumPy and SciPy (`map_coordinates`, `bincount`,
`irfft2`) of the same formulas; it shares only the whitened images and the Wiener filter. The two
take turns, cycle by cycle, and must agree.

Usage: ``python benchmarks/mask2d_cycle.py [--particles 5000] [-o
benchmarks/results/mask2d_cycle.md]`` (some minutes).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import scipy.fft
from scipy.ndimage import map_coordinates
from synthetic import SimulatedSet, describe_here

from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.consensus.ground import Ground
from cryofocus.consensus.preparation import assign_half_sets, open_images
from cryofocus.consensus.reconstruct import solve_maps
from cryofocus.execution.monitor import SilentMonitor
from cryofocus.inference.driver import prepare_comparison
from cryofocus.inference.mask2d.comparison import Mask2dComparison, Mask2dState
from cryofocus.inference.mask2d.region_likelihood import particle_weights, update_occupancies
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.kernels.contract import SliceSums
from cryofocus.kernels.select import available_threads, select_kernels
from cryofocus.maths.masks import sphere_mask

BOX, PIXEL_SIZE, N_CLASSES, RESOLUTION_ANGSTROM = 80, 5.24, 2, 16.0
MEASURED_CYCLES, PARTICLES_AT_ONCE = 3, 1024
# cisTEM's own cycle for 5,000 particles of this box and two classes, measured on another day.
CISTEM_CPU_SECONDS, CISTEM_PARTICLES = 52.0, 5000


def prepare(data: SimulatedSet, n_particles: int) -> Mask2dComparison:
    """Whiten the images of a simulated set."""
    particles, reader, mask = data.enlarge(n_particles, BOX)
    threads = available_threads()
    kernels = select_kernels("cpu", threads)
    settings = ClassifierSettings(
        n_classes=N_CLASSES, strategy="mask2d", max_resolution_angstrom=RESOLUTION_ANGSTROM
    )
    half_set, _ = assign_half_sets(particles, settings.seed)
    images = open_images(particles, reader=reader, threads=threads)
    return prepare_comparison(
        Ground(
            estimate_consensus(images, half_set, kernels),
            mask,
            half_set,
            int(BOX * PIXEL_SIZE / RESOLUTION_ANGSTROM) + 1,
            kernels,
            SilentMonitor(),
        ),
        settings,
    )


def plain_cycle(strategy: Mask2dComparison, state: Mask2dState) -> np.ndarray:
    """Do one cycle with NumPy and SciPy alone; return the posteriors."""
    images = strategy.images
    weights = particle_weights(state.posteriors, state.sigma)[images.particles]
    halves = [
        plain_insert(strategy, weights * (strategy.half_set == half)[images.particles, None])
        for half in (1, 2)
    ]
    maps = [m.full for m in solve_maps((halves[0], halves[1]), images.reference_box)]
    voxel, edge = images.voxel_size_angstrom, images.geometry.edge
    radius = images.reference_box / 2 * voxel - 20.0
    sphere = sphere_mask(images.reference_box, voxel, (0.0, 0.0, 0.0), radius, 20.0)
    line = np.sinc((np.arange(len(sphere)) - len(sphere) // 2) / edge) ** 2
    kernel = line[:, None, None] * line[:, None] * line
    grids = []
    for volume in maps:
        padded = np.zeros((edge,) * 3, np.float32)
        start = edge // 2 - len(sphere) // 2
        inside = slice(start, start + len(sphere))
        padded[inside, inside, inside] = volume * sphere / kernel
        grids.append(scipy.fft.fftshift(scipy.fft.fftn(scipy.fft.ifftshift(padded))))
    log_likelihood = np.empty((len(images), N_CLASSES))
    for first in range(0, len(images), PARTICLES_AT_ONCE):
        rows = slice(first, min(first + PARTICLES_AT_ONCE, len(images)))
        log_likelihood[images.particles[rows]] = plain_compare(strategy, grids, rows)
    return update_occupancies(log_likelihood, state.posteriors.mean(axis=0))[0]


def places(strategy: Mask2dComparison, rows: slice) -> np.ndarray:
    """Return z, y, x on the shifted grid of every point of some slices."""
    geometry = strategy.images.geometry
    xyz = np.einsum("nij,pi->jnp", geometry.matrices[rows], geometry.points)
    return np.asarray(xyz[::-1] + geometry.edge // 2)


def plain_insert(strategy: Mask2dComparison, weights: np.ndarray) -> SliceSums:
    """Insert all images and their mates, weighted, with eight neighbours each."""
    images, edge = strategy.images, strategy.images.geometry.edge
    total = np.zeros((3 * N_CLASSES, edge**3))
    for first in range(0, len(images), PARTICLES_AT_ONCE):
        rows = slice(first, min(first + PARTICLES_AT_ONCE, len(images)))
        response = images.response[rows]
        # A point of Hermitian weight 2 stands for itself and its mate, one of weight 1 is stored
        # twice: half of its weight goes to each.
        weighted = response * (0.5 * images.band.hermitian)
        data, precision = images.transforms[rows] * weighted, response * weighted
        there = places(strategy, rows)
        for sign in (1, -1):
            at = sign * (there - edge // 2) + edge // 2
            corner = np.floor(at).astype(np.int64)
            fraction = at - corner
            for step in np.ndindex(2, 2, 2):
                node = (corner + np.reshape(step, (3, 1, 1))) % edge
                share = np.where(np.reshape(step, (3, 1, 1)), fraction, 1 - fraction).prod(axis=0)
                index = ((node[0] * edge + node[1]) * edge + node[2]).ravel()
                for k in range(N_CLASSES):
                    mine = share * weights[rows, k, None]
                    for column, values in enumerate((data.real, sign * data.imag, precision)):
                        total[3 * k + column] += np.bincount(
                            index, (mine * values).ravel(), edge**3
                        )
    cube = scipy.fft.ifftshift(total.reshape(3 * N_CLASSES, edge, edge, edge), axes=(1, 2, 3))
    half = np.moveaxis(cube[..., : edge // 2 + 1], 0, -1)
    data = half[..., 0::3] + 1j * half[..., 1::3]
    return SliceSums(
        np.ascontiguousarray(data, np.complex64), np.ascontiguousarray(half[..., 2::3], np.float32)
    )


def plain_compare(strategy: Mask2dComparison, grids: list[np.ndarray], rows: slice) -> np.ndarray:
    """Return the log-likelihood of some particles for every class."""
    images, which = strategy.images, strategy.images.particles[rows]
    there = places(strategy, rows)
    circle = strategy.region
    axis = np.arange(BOX) - BOX // 2
    x, y = (axis - circle.centres[which, i : i + 1] for i in (0, 1))
    inside = y[:, :, None] ** 2 + x[:, None, :] ** 2 <= circle.radius**2
    found = []
    for grid in grids:
        slices = map_coordinates(grid, there, order=1)
        difference = images.transforms[rows] - images.response[rows] * slices
        half = images.band.scatter(difference * images.low_pass)
        pixels = scipy.fft.fftshift(scipy.fft.irfft2(half, s=(BOX, BOX)), axes=(1, 2))
        mean_square = (pixels**2 * inside).sum(axis=(1, 2)) / inside.sum(axis=(1, 2))
        found.append(-0.5 * (mean_square + np.log(2 * np.pi)) * np.pi * circle.radius**2)
    return np.stack(found, axis=1)


def timed(work: Callable[[], object]) -> tuple[object, float, float]:
    """Do something; return its result, its CPU seconds and its wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def measure(strategy: Mask2dComparison) -> str:
    """Let the two take turns and return the table."""
    ours: list[tuple[float, float]] = []
    plain: list[tuple[float, float]] = []
    state, _ = strategy.step(strategy.start(0))
    apart = 0.0
    for _ in range(MEASURED_CYCLES):
        posteriors, *theirs = timed(lambda before=state: plain_cycle(strategy, before))
        state, *mine = timed(lambda before=state: strategy.step(before)[0])
        apart = max(apart, float(np.abs(posteriors - state.posteriors).mean()))
        plain.append((theirs[0], theirs[1]))
        ours.append((mine[0], mine[1]))
        print(
            f"ours {mine[0]:.2f} CPU s, plain {theirs[0]:.2f} CPU s, apart {apart:.1e}", flush=True
        )
    (cpu, wall), (plain_cpu, plain_wall) = (
        tuple(median(column) for column in zip(*runs, strict=True)) for runs in (ours, plain)
    )
    published = CISTEM_CPU_SECONDS * len(strategy.images) / CISTEM_PARTICLES
    return "\n".join(
        [
            "| | CPU s per cycle | wall s per cycle | CPU relative |",
            "| --- | --- | --- | --- |",
            f"| mask2d | {cpu:.2f} | {wall:.2f} | 1 |",
            f"| plain NumPy and SciPy | {plain_cpu:.2f} | {plain_wall:.2f} | "
            f"{plain_cpu / cpu:.1f} |",
            f"| cisTEM, measured on another day | {published:.0f} | | {published / cpu:.1f} |",
            "",
            f"The posteriors of the first two differ by {apart:.1e} on average.",
        ]
    )


def main() -> None:
    """Measure and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--particles", type=int, default=5000)
    default = Path(__file__).parent / "results" / "mask2d_cycle.md"
    options.add_argument("-o", "--output", type=Path, default=default)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        data = SimulatedSet.make(Path(name) / "set", given.particles, BOX, PIXEL_SIZE)
        strategy = prepare(data, given.particles)
        parts = [
            "# Cost of a cycle of mask2d",
            f"{given.particles:,} particles, box {BOX}, {PIXEL_SIZE:g} Å per pixel, "
            f"{N_CLASSES} classes, sphere of 60 Å, resolution limit {RESOLUTION_ANGSTROM:g} Å, "
            f"SNR 0.025; expectation and maximisation together, median of {MEASURED_CYCLES} "
            f"cycles.\n{describe_here(time.strftime('%Y-%m-%d'))}",
            measure(strategy),
        ]
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(given.output)


if __name__ == "__main__":
    main()
