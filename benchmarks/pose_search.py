"""Are poses found from nothing, and what does it cost?

Usage: ``python benchmarks/pose_search.py FOLDER [--particles 400] [--reference-particles 2000]
[-o benchmarks/results/pose_search.md]`` (five minutes). Simulates sets of scenario 1 into FOLDER;
what is there already is used again. The reference is the consensus of a set of its own, made with
the true poses and averaged over the two-fold axis; it is searched to 20 Å, and what was found is
refined once to 10.5 Å, the images' Nyquist frequency. Errors are up to the two-fold operator.

Questions, each with its own table: errors against the signal-to-noise ratio; time against the
angular step and against the box; poses compared in a second, by products of harmonics, slice by
slice, and slice by slice with the reference kernels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from synthetic import FramedReader, describe_here

from cryofocus import HumanoidSettings, simulate_humanoid
from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.consensus.image_model import ScalePrior
from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.consensus.preparation import open_images
from cryofocus.data.half_sets import deal_half_sets
from cryofocus.data.particles import ParticleSet
from cryofocus.kernels.contract import SliceKernels
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.kernels.reference import ReferenceKernels
from cryofocus.maps.rigid import RigidTransform
from cryofocus.maths.grids import fit_box_3d
from cryofocus.maths.symmetry import OperatorSet, pose_errors
from cryofocus.poses.calibration import calibrate
from cryofocus.poses.finer import GridStep, search_around
from cryofocus.poses.likelihood import PoseData, PoseModel
from cryofocus.poses.reference import make_reference
from cryofocus.poses.refine import refine_poses
from cryofocus.poses.result import with_poses
from cryofocus.poses.scope import SearchScope, measure_diameter
from cryofocus.poses.search import PoseSearch, hold_images, n_shells

C2 = OperatorSet.point_group("C2")
KERNELS = CpuKernels(1)
RESOLUTION_ANGSTROM, REFINED_ANGSTROM, OUTLINE_ANGSTROM = 20.0, 10.48, 30.0
MAX_SHIFT_ANGSTROM = 42.0
SNRS = (0.1, 0.05, 0.025)
STEPS_DEGREES = (10.0, 7.5, 6.0, 5.0)
N_TIMED = 32


def simulate(folder: Path, snr: float, n: int, seed: int) -> ParticleSet:
    """Simulate a set, unless it is there."""
    if not folder.exists():
        simulate_humanoid(folder, HumanoidSettings(particles=n, snr=snr, seed=seed))
    return ParticleSet.read(folder / "particles.star")


def prepare(particles: ParticleSet) -> ParticleImages:
    """Prepare images whose protein is known to be bright."""
    return open_images(particles, "no")


def make_two_fold(particles: ParticleSet) -> np.ndarray:
    """Reconstruct at the true poses and average over the two-fold axis."""
    half_set, _ = deal_half_sets(
        particles.half_set, particles.micrograph_of_particle, particles.parent_of_particle, 1
    )
    volume = estimate_consensus(prepare(particles), half_set, KERNELS).map.full
    mate = RigidTransform(C2.rotation[1], np.zeros(3))
    return (volume + mate.move_map(volume, particles.pixel_size_angstrom)) / 2


def choose_scope(volume: np.ndarray, pixel: float, step_degrees: float | None) -> SearchScope:
    """Search to 20 Å, with shifts of up to a tenth of a box of 80 pixels."""
    diameter = measure_diameter(volume, pixel, OUTLINE_ANGSTROM)
    return SearchScope(RESOLUTION_ANGSTROM, MAX_SHIFT_ANGSTROM, diameter, C2, step_degrees)


def lay_out_to_time(
    images: ParticleImages, volume: np.ndarray, step_degrees: float | None = None
) -> PoseSearch:
    """Prepare a search whose results do not matter: noise is white."""
    particles = images.particles
    power = np.full((len(particles.optics), particles.box // 2 + 1), float(particles.box) ** 2)
    noise = NoiseModel(power, np.zeros_like(power))
    scope = choose_scope(volume, particles.pixel_size_angstrom, step_degrees)
    return PoseSearch.prepare(volume, images, noise, ScalePrior(1.0, 0.0), scope, KERNELS)


def errors_by_snr(folder: Path, volume: np.ndarray, n: int) -> Iterator[str]:
    """Search and refine sets of several signal-to-noise ratios."""
    yield (
        "| SNR | search: angle, shift | correct | refined: angle, shift "
        "| confident, of these correct |"
    )
    yield "| --- | --- | --- | --- | --- |"
    for snr in SNRS:
        truth = simulate(folder / f"s1_{snr}", snr, n, seed=202)
        images, rows = prepare(truth), np.arange(len(truth))
        scope = choose_scope(volume, truth.pixel_size_angstrom, None)
        measured = calibrate(images, volume, scope, KERNELS)
        search = measured.prepare(images, volume, scope, KERNELS)
        scaled = np.asarray(volume * np.float32(measured.grey_scale), np.float32)
        found = search.find(images, KERNELS, rows)
        shells = n_shells(truth.box * truth.pixel_size_angstrom, REFINED_ANGSTROM)
        model = PoseModel(
            make_reference(scaled, images, shells),
            search.model.noise,
            ScalePrior(1.0, search.model.scale_prior.variance),
        )
        refined = refine_poses(
            with_poses(images, found.rotation, found.shift_angstrom), model, KERNELS
        )
        true = (truth.rotation, truth.shift_angstrom)
        first = pose_errors((found.rotation, found.shift_angstrom), true, C2)
        last = pose_errors((refined.rotation, refined.shift_angstrom), true, C2)
        right, sure = first.angle_degrees < 10, found.confidence >= 0.9
        cells = [f"{np.median(e.angle_degrees):.2f}°, {np.median(e.shift_angstrom):.2f} Å"
                 for e in (first, last)]  # fmt: skip
        yield (
            f"| {snr:g} | {cells[0]} | {100 * right.mean():.0f} % | {cells[1]} | "
            f"{100 * sure.mean():.0f} %, {100 * right[sure].mean():.0f} % |"
        )


def time_search(search: PoseSearch, images: ParticleImages) -> float:
    """CPU seconds per particle."""
    rows = np.arange(N_TIMED)
    search.find(images, KERNELS, rows[:8])
    start = time.process_time()
    search.find(images, KERNELS, rows)
    return (time.process_time() - start) / N_TIMED


def cost_by_step(images: ParticleImages, volume: np.ndarray) -> Iterator[str]:
    """Time searches of several angular steps."""
    yield "| first step | views | rotations | shifts | first level to | CPU ms per particle |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for step in STEPS_DEGREES:
        search = lay_out_to_time(images, volume, step)
        coarse, first = search.coarse, search.scope.levels[0]
        yield (
            f"| {step:g}° | {len(coarse.views)} | {coarse.polar.n_turns} | "
            f"{len(coarse.shift_angstrom)} | {first.resolution_angstrom:.0f} Å | "
            f"{1000 * time_search(search, images):.0f} |"
        )


def cost_by_box(images: ParticleImages, volume: np.ndarray) -> Iterator[str]:
    """Time searches of the same particles in larger boxes, framed with noise."""
    yield "| box | rings | CPU ms per particle |"
    yield "| --- | --- | --- |"
    small = images.particles
    for box in (small.box, 3 * small.box // 2, 2 * small.box):
        optics = tuple(replace(group, box=box) for group in small.optics)
        particles = replace(small, box=box, optics=optics)
        reader = FramedReader.around(small, box)
        framed = replace(images, particles=particles, reader=reader)
        search = lay_out_to_time(framed, fit_box_3d(volume, box))
        spent = 1000 * time_search(search, framed)
        yield f"| {box} | {len(search.coarse.polar.rings)} | {spent:.0f} |"


def rates(images: ParticleImages, volume: np.ndarray) -> Iterator[str]:
    """Count poses compared in a CPU second at the first level and at those after it."""
    yield "| how | poses compared a CPU second |"
    yield "| --- | --- |"
    search = lay_out_to_time(images, volume)
    rows = np.arange(32)
    held = hold_images(images, rows)
    band = search.model.reference.band(images.particles.box)
    data = PoseData.of_chunk(held.load(band, rows), band, held, search.model.noise)
    prior, operators = search.model.scale_prior, search.scope.operators
    start = time.process_time()
    candidates = search.coarse.search(data, prior, operators, 16)
    spent = time.process_time() - start
    rate = search.coarse.n_orientations * len(rows) / spent
    yield f"| first level, products of harmonics | {rate:.2g} |"
    cases: list[tuple[str, SliceKernels, int]] = [
        ("slice by slice", KERNELS, 32),
        ("slice by slice, reference kernels", ReferenceKernels(), 1),
    ]
    for name, kernels, n in cases:
        some, few = data.take(rows[:n]), candidates.take(slice(n))
        step = GridStep(3.0, 4.0)
        search_around(some.take(rows[:1]), search.grid, prior, few.take(slice(1)), step, kernels)
        start = time.process_time()
        search_around(some, search.grid, prior, few, step, kernels)
        spent = time.process_time() - start
        yield f"| {name} | {n * 16 * 27 * 7 / spent:.2g} |"


def main() -> None:
    """Measure and write the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--particles", type=int, default=400)
    options.add_argument("--reference-particles", type=int, default=2000)
    default = Path(__file__).parent / "results" / "pose_search.md"
    options.add_argument("-o", "--output", type=Path, default=default)
    given = options.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    source = simulate(given.folder / "reference", 0.1, given.reference_particles, seed=101)
    volume = make_two_fold(source)
    images = prepare(source)
    parts = {
        "Poses compared": rates(images, volume),
        "Time against the angular step": cost_by_step(images, volume),
        "Time against the box": cost_by_box(images, volume),
        "Poses without starting poses": errors_by_snr(given.folder, volume, given.particles),
    }
    lines = ["# Global search", "", describe_here(time.strftime("%Y-%m-%d"))]
    lines += [f"Scenario 1, box 80, 5.24 Å; {given.particles} particles per set, one thread."]
    for title, table in parts.items():
        lines += ["", f"## {title}", ""]
        for line in table:
            print(line, flush=True)
            lines.append(line)
    given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
