"""Classes are those of the same particles on one grid, whatever grids images come in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import cryofocus
from cryofocus.data.images import ImageReader
from cryofocus.data.mask import FocusMask
from cryofocus.data.particle_table import Supplement
from cryofocus.data.particles import ParticleSet
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.inference.strategies import STRATEGIES
from mixed_grids import BOX, Grid, Simulated, without_optics_table, write_set
from planted import KERNELS
from samples import MICROSCOPE, PIXEL_SIZE, Beads, form_images, make_particles

N, EDGE = 120, 4.0
PLACE, RADIUS = np.array([20.0, 0.0, 0.0]), 16.0
# Boxes and pixel sizes of the images; grey levels are drawn.
GRIDS = (
    *(Grid(), Grid(padding=8), Grid(padding=-2)),
    *(Grid(2), Grid(2, padding=8), Grid(3), Grid(3, padding=6)),
)
FORMATS = ("3.1.star", "3.0.star", ".cs", ".cistem", "cistem.star")
ONE_STACK = (*FORMATS, ".par")


@dataclass(frozen=True, eq=False)
class Planted:
    """Particles of which some lack a lump of density, and who has it."""

    simulated: Simulated
    labels: np.ndarray


@cache
def plant() -> Planted:
    """Simulate particles whose class any of the grids shows; nothing else differs among them."""
    rng = np.random.default_rng(5)
    particles, labels = make_particles(N, BOX, rng), rng.integers(0, 2, N)
    body = Beads(rng.normal(0, 7, (20, 3)) - [8.0, 0, 0], 5.0, np.full(20, 150.0))
    lump = Beads(PLACE + rng.normal(0, 4, (8, 3)), 5.0, np.full(8, 200.0))
    seen = labels[:, None, None] * lump.slices(particles.rotation, BOX)
    images = form_images(particles, body.slices(particles.rotation, BOX) + seen, 4.0, rng)
    return Planted(Simulated(particles, images, body.volume(BOX)), labels)


def draw_mixture(folder: Path, rng: np.random.Generator) -> tuple[Path, np.ndarray]:
    """Write the particles on two or three grids, most on the finest, in any order."""
    n_others = int(rng.integers(1, 3))
    others = rng.choice(len(GRIDS) - 1, n_others, replace=False) + 1
    greys = rng.uniform(0.5, 3.0, n_others)
    other = [replace(GRIDS[i], grey=grey) for i, grey in zip(others, greys, strict=True)]
    grids = [GRIDS[0], *other]
    order = rng.permutation(N)
    numbers = (1 + rng.permutation(len(grids))).tolist()
    is_other = rng.permutation(N) < 0.45 * N
    grid_of_particle = np.where(is_other, rng.integers(1, len(grids), N), 0)
    path = write_set(folder, plant().simulated, grids, grid_of_particle, order, numbers)
    return path, order


def say_in(path: Path, name: str, *, in_one_stack: bool) -> tuple[Path, Supplement]:
    """Write a table in another format, perhaps with all images brought into one stack."""
    of_relion = name[0] == "3"
    written = path.with_name("other.star" if name.endswith("star") else f"other{name}")
    stack = path.with_name("all.mrcs" if of_relion else "all.mrc") if in_one_stack else None
    to = "cistem-star" if name == "cistem.star" else None
    if of_relion and not in_one_stack:
        written = path
    else:
        cryofocus.convert(path, written, cryofocus.ConvertSettings(to=to, write_stack=stack))
    if name == "3.0.star":
        written = without_optics_table(written)
    if name == ".par":
        return written, Supplement(stack, MICROSCOPE, PIXEL_SIZE)
    return written, Supplement()


def classify(path: Path, strategy: str, supplement: Supplement | None = None) -> np.ndarray:
    """Return the class of each particle."""
    particles = ParticleSet.read(path, supplement=supplement)
    sphere = (*(PLACE + BOX // 2 * PIXEL_SIZE).tolist(), RADIUS)
    mask = FocusMask.from_sphere(sphere, BOX, PIXEL_SIZE, soft_edge_angstrom=EDGE)
    if strategy == "global":
        mask = FocusMask.whole(BOX, PIXEL_SIZE, soft_edge_angstrom=EDGE)
    settings = ClassifierSettings(
        n_classes=2,
        n_runs=1,
        strategy=strategy,
        start="subspace",
        asks_half_sets=False,
        invert="no",
    )
    found = FocusedClassifier(settings, KERNELS).fit(particles, ImageReader(particles), mask)
    return np.asarray(found.posteriors).argmax(axis=1)


def part_alike(found: np.ndarray, expected: np.ndarray) -> float:
    """Return which part of the particles two lists of two classes put alike."""
    alike = float(np.mean(found == expected))
    return max(alike, 1 - alike)


@pytest.fixture(scope="module")
def of_one_grid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """The classes of each strategy where all images share a grid."""
    path = write_set(tmp_path_factory.mktemp("one"), plant().simulated, [Grid()], np.zeros(N, int))
    return {strategy: classify(path, strategy) for strategy in STRATEGIES}


CASES = [
    (strategy, formats[(i + shift) % len(formats)], stacks)
    for i, strategy in enumerate(STRATEGIES)
    for formats, stacks, shift in ((FORMATS, "one per grid", 0), (ONE_STACK, "one", 2))
]


@pytest.mark.parametrize(("strategy", "name", "stacks"), CASES)
def test_a_mixture_gets_the_classes_of_one_grid(
    tmp_path: Path,
    of_one_grid: dict[str, np.ndarray],
    strategy: str,
    name: str,
    stacks: str,
) -> None:
    """Neither grids, nor the order of rows and groups, nor the format decide a class."""
    rng = np.random.default_rng([CASES.index((strategy, name, stacks)), 1])
    mixture, order = draw_mixture(tmp_path / "mixture", rng)
    path, supplement = say_in(mixture, name, in_one_stack=stacks == "one")
    found = classify(path, strategy, supplement)
    assert part_alike(of_one_grid[strategy], plant().labels) > 0.97
    assert part_alike(found, of_one_grid[strategy][order]) > 0.97
