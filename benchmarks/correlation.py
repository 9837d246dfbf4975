"""What does a likelihood add to classification by correlation, as focused classification began?

Penczek, Frank & Spahn, J. Struct. Biol. 154 (2006) 184: every image goes to the class whose
projection, CTF and all, correlates best with it inside the projected sphere; classes are
reconstructed from what they were given; so on until nothing moves. Here from random labels,
several times, the best by mean correlation. Images, maps and sphere are those of `mask2d`, so that
only the comparison differs.

Usage: ``python benchmarks/correlation.py FOLDER [-o benchmarks/results/correlation.md]``
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import yaml
from synthetic import describe_here

from cryofocus import HumanoidSettings, simulate_humanoid
from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.consensus.ground import Ground
from cryofocus.consensus.preparation import assign_half_sets, open_images
from cryofocus.consensus.resolution import choose_shells
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.data.star.document import StarDocument
from cryofocus.execution.monitor import SilentMonitor
from cryofocus.inference.driver import prepare_comparison
from cryofocus.inference.mask2d.comparison import Mask2dComparison
from cryofocus.inference.mask2d.whole_maps import reference_grids
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.kernels.select import available_threads, select_kernels
from cryofocus.maths.fourier import inverse_2d
from cryofocus.maths.statistics import measure_agreement

SEED, STARTS, SETTLED, MAX_CYCLES, SOFT_EDGE_ANGSTROM = 1, 2, 0.005, 60, 8.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenarios", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--snrs", type=float, nargs="+", default=[0.1, 0.025])
    parser.add_argument("--particles", type=int, default=3000)
    parser.add_argument("-o", "--output", type=Path, help="table to write")
    given = parser.parse_args()
    lines = [
        "# Classification by correlation",
        "",
        f"Humanoid, {given.particles:,} particles, box 80, seed {SEED}, exact poses; kappa of the "
        f"best of {STARTS} random starts, at most {MAX_CYCLES} cycles (`correlation.py`).",
        describe_here(date.today().isoformat()),
        "",
        "| scenario, SNR | oracle | by correlation | cycles | CPU s |",
        "| --- | --- | --- | --- | --- |",
    ]
    for line in measure(given):
        print(line, flush=True)
        lines.append(line)
    if given.output is not None:
        given.output.write_text("\n".join([*lines, ""]), encoding="utf-8")


def measure(given: argparse.Namespace) -> Iterator[str]:
    """Yield the row of each set."""
    for scenario, snr in ((s, r) for s in given.scenarios for r in given.snrs):
        start, data = time.process_time(), given.folder / f"s{scenario}_{snr:g}"
        asked = {"scenario": scenario, "snr": snr, "particles": given.particles, "seed": SEED}
        settings = HumanoidSettings(**asked)
        if not data.exists():
            simulate_humanoid(data, settings)
        document = StarDocument.read(data / "truth.star")
        truth = document.numbers(document.blocks[0], ["rlnClassNumber"])["rlnClassNumber"] - 1
        n_classes = settings.states().n_classes
        comparison = prepare(data, n_classes)
        generator, runs = np.random.default_rng(SEED), []
        for _ in range(STARTS):
            labels = generator.integers(n_classes, size=len(truth))
            labels, mean, n_cycles = classify(comparison, labels, n_classes)
            agreement = measure_agreement(labels, truth.astype(np.int64), n_classes)
            runs.append((mean, agreement.kappa, n_cycles))
        said = yaml.safe_load((data / "dataset.yaml").read_text(encoding="utf-8"))
        _, kappa, n_cycles = max(runs)
        cells = [f"{said['oracle_kappa']:.3f}", f"{kappa:.3f}", f"{n_cycles}"]
        cells.append(f"{time.process_time() - start:.0f}")
        yield f"| {scenario}, {snr:.3f} | {' | '.join(cells)} |"


def prepare(data: Path, n_classes: int) -> Mask2dComparison:
    """Whiten the images of a set and project its focus sphere."""
    particles = ParticleSet.read(data / "particles.star")
    kernels = select_kernels("cpu", available_threads())
    said = yaml.safe_load((data / "dataset.yaml").read_text(encoding="utf-8"))
    x, y, z, radius = (float(number) for number in said["focus_sphere"].split(","))
    grid = (particles.box, particles.pixel_size_angstrom)
    mask = FocusMask.from_sphere((x, y, z, radius), *grid, soft_edge_angstrom=SOFT_EDGE_ANGSTROM)
    half_set, _ = assign_half_sets(particles, SEED)
    consensus = estimate_consensus(open_images(particles), half_set, kernels)
    n_shells = choose_shells(consensus, None)
    ground = Ground(consensus, mask, half_set, n_shells, kernels, SilentMonitor())
    return prepare_comparison(ground, ClassifierSettings(n_classes=n_classes, strategy="mask2d"))


def classify(
    comparison: Mask2dComparison, labels: np.ndarray, n_classes: int
) -> tuple[np.ndarray, float, int]:
    """Give every image to the class that correlates best, until they stay.
    Returns labels, their mean correlation, and cycles.
    """
    state = comparison.begin(np.eye(n_classes)[labels])
    n_cycles, moved = 0, 1.0
    while moved >= SETTLED and n_cycles < MAX_CYCLES:
        state, maps = comparison.m_step(replace(state, posteriors=np.eye(n_classes)[labels]))
        found = correlate(comparison, maps)
        moved = float((labels != found.argmax(axis=1)).mean())
        n_cycles, labels = n_cycles + 1, found.argmax(axis=1)
    return labels, float(found.max(axis=1).mean()), n_cycles


def correlate(comparison: Mask2dComparison, maps: list[np.ndarray]) -> np.ndarray:
    """Return the correlation of every image with every class inside the projected sphere."""
    images, region = comparison.images, comparison.region
    grids = reference_grids(maps, comparison.envelope, images.geometry.edge)
    found = np.empty((len(images), len(maps)))
    for chunk in images.chunks():
        which = images.particles[chunk]
        inside = region.weights(which) > 0.5
        rows = np.arange(len(which))[:, None], region.rows(which)
        predicted = comparison.kernels.gather(grids, images.geometry.take(chunk))
        predicted *= (images.response[chunk] * images.low_pass)[:, :, None]
        seen, pixels = images.transforms[chunk] * images.low_pass, []
        for column in (seen, *np.moveaxis(predicted, 2, 0)):
            whole = inverse_2d(images.band.scatter(column), images.band.box)[rows]
            mean = (whole * inside).sum(axis=(1, 2)) / inside.sum(axis=(1, 2))
            flat = ((whole - mean[:, None, None]) * inside).reshape(len(which), -1)
            pixels.append(flat / np.linalg.norm(flat, axis=1, keepdims=True))
        found[which] = np.stack([(pixels[0] * one).sum(axis=1) for one in pixels[1:]], axis=1)
    return found


if __name__ == "__main__":
    main()
