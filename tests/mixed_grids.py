"""Particles of one density in images of several grids, as particle files and their stacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryofocus.data.mrc import write_stack
from cryofocus.data.particles import ParticleSet
from cryofocus.data.star.document import StarDocument, write_star
from cryofocus.maths.fourier import resize_images
from cryofocus.maths.grids import fit_box_2d
from cryofocus.maths.rotations import euler_from_rotation
from samples import MICROSCOPE, PIXEL_SIZE, Beads, form_images, make_particles

BOX, N = 24, 150
TEXTS = ("rlnImageName", "rlnMicrographName", "rlnOpticsGroupName")


@dataclass(frozen=True)
class Grid:
    """A grid of images: every pixel so many of the set's own, and a part of its field of view."""

    binning: int = 1
    padding: int = 0
    grey: float = 1.0

    def sample(self, images: np.ndarray) -> np.ndarray:
        """Bring images from the set's own grid onto this one."""
        seen = fit_box_2d(images, BOX + self.padding)
        return np.asarray(self.grey * resize_images(seen, len(seen[0]) // self.binning))


@dataclass(frozen=True, eq=False)
class Simulated:
    """Particles, their images on the set's own grid, and the density."""

    particles: ParticleSet
    images: np.ndarray
    density: np.ndarray


def simulate(noise_sd: float = 12.0, seed: int = 2) -> Simulated:
    """Simulate images with noise whose level is that of a coarse pixel."""
    rng = np.random.default_rng(seed)
    particles = make_particles(N, BOX, rng)
    beads = Beads(rng.normal(0, 11, (25, 3)), 4.0, np.full(25, 150.0))
    images = form_images(particles, beads.slices(particles.rotation, BOX), noise_sd, rng)
    return Simulated(particles, images, beads.volume(BOX))


def write_set(
    folder: Path,
    simulated: Simulated,
    grids: Sequence[Grid],
    grid_of_particle: np.ndarray,
    order: np.ndarray | None = None,
    numbers: Sequence[int] | None = None,
) -> Path:
    """Write a STAR file and one stack per grid.

    Args:
        folder: Where to.
        simulated: The particles.
        grids: One per optics group.
        grid_of_particle: Index into `grids`.
        order: Of the rows.
        numbers: Of the optics groups, in the order of the table.
    """
    folder.mkdir(exist_ok=True)
    particles, ctf = simulated.particles, simulated.particles.ctf
    n_particles = len(particles)
    rows = np.arange(n_particles) if order is None else order
    names = np.empty(n_particles, object)
    for index, grid in enumerate(grids):
        own = np.flatnonzero(grid_of_particle == index)
        pixels = grid.sample(simulated.images[own])
        stack = f"grid{index}.mrcs"
        write_stack(folder / stack, [pixels], len(own), len(pixels[0]), PIXEL_SIZE * grid.binning)
        names[own] = [f"{i + 1}@{stack}" for i in range(len(own))]
    numbers = numbers or range(1, len(grids) + 1)
    of_grid = [grids[number - 1] for number in numbers]
    n = len(grids)
    optics = {
        "rlnOpticsGroup": np.array(numbers),
        "rlnVoltage": np.full(n, MICROSCOPE.voltage_kilovolt),
        "rlnSphericalAberration": np.full(n, MICROSCOPE.spherical_aberration_mm),
        "rlnAmplitudeContrast": np.full(n, MICROSCOPE.amplitude_contrast),
        "rlnImagePixelSize": np.array([PIXEL_SIZE * grid.binning for grid in of_grid]),
    }
    angles = euler_from_rotation(particles.rotation)
    columns = {
        "rlnAngleRot": angles[:, 0],
        "rlnAngleTilt": angles[:, 1],
        "rlnAnglePsi": angles[:, 2],
        "rlnOriginXAngst": particles.shift_angstrom[:, 0],
        "rlnOriginYAngst": particles.shift_angstrom[:, 1],
        "rlnDefocusU": ctf.defocus_u_angstrom,
        "rlnDefocusV": ctf.defocus_v_angstrom,
        "rlnDefocusAngle": ctf.defocus_angle_degrees,
        "rlnOpticsGroup": grid_of_particle + 1,
        "rlnRandomSubset": 1 + np.arange(n_particles) // 2 % 2,
    }
    table = {"rlnImageName": [str(names[row]) for row in rows]}
    path = folder / "particles.star"
    write_star(
        path, {"optics": optics, "particles": table | {k: v[rows] for k, v in columns.items()}}
    )
    return path


def without_optics_table(path: Path) -> Path:
    """Write a table as RELION 3.0 did: optics in every row, pixel sizes by the magnification."""
    document = StarDocument.read(path)
    optics, particles = document.block("optics"), document.block_with("rlnImageName")
    assert particles is not None
    group, size = document.numbers(optics, ["rlnOpticsGroup", "rlnImagePixelSize"]).values()
    size_of_group = dict(zip(group.tolist(), size.tolist(), strict=True))
    numeric = [label for label in particles.labels if label not in TEXTS]
    table = document.read_table(particles, numeric=numeric, text=TEXTS)
    of_row = np.array([size_of_group[one] for one in table.numbers.pop("rlnOpticsGroup")])
    n = particles.n_rows
    columns = {
        **table.texts,
        "rlnVoltage": np.full(n, MICROSCOPE.voltage_kilovolt),
        "rlnSphericalAberration": np.full(n, MICROSCOPE.spherical_aberration_mm),
        "rlnAmplitudeContrast": np.full(n, MICROSCOPE.amplitude_contrast),
        "rlnDetectorPixelSize": np.full(n, 5.0),
        "rlnMagnification": 5.0e4 / of_row,
    }
    for label, values in table.numbers.items():
        old = label.removesuffix("Angst")
        columns[old] = values / of_row if old != label else values
    written = path.with_name("without_optics.star")
    write_star(written, {"": columns})
    return written
