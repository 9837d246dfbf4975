"""Images of beads whose poses are known, and the model they were made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryofocus.consensus.image_model import ScalePrior
from cryofocus.consensus.images import ParticleImages, projection_matrices
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.maths.ctf import Microscope
from cryofocus.maths.grids import frequency_grid_2d
from cryofocus.poses.likelihood import PoseModel
from cryofocus.poses.reference import make_reference
from cryofocus.poses.result import turn, with_poses
from samples import (
    MICROSCOPE,
    PIXEL_SIZE,
    Beads,
    form_images,
    make_particles,
    wrap_images,
)


@dataclass(frozen=True)
class Planted:
    """Images at known poses, the beads they show, and their noise's standard deviation."""

    images: ParticleImages
    beads: Beads
    noise_sd: float

    @property
    def volume(self) -> np.ndarray:
        """The map that the images show."""
        return self.beads.volume(self.images.particles.box)

    @property
    def poses(self) -> tuple[np.ndarray, np.ndarray]:
        """The true poses."""
        return self.images.particles.rotation, self.images.particles.shift_angstrom

    def noise(self) -> NoiseModel:
        """White noise of the images' standard deviation."""
        box, n_groups = self.images.particles.box, len(self.images.particles.optics)
        power = np.full((n_groups, box // 2 + 1), (box * max(self.noise_sd, 0.01)) ** 2)
        return NoiseModel(power, np.zeros_like(power))

    def model(self, n_shells: int, scale_prior: ScalePrior | None = None) -> PoseModel:
        """The true map and the true noise."""
        reference = make_reference(self.volume, self.images, n_shells)
        return PoseModel(reference, self.noise(), scale_prior or ScalePrior(1.0, 0.0))


def plant(n: int, box: int, noise_sd: float, microscope: Microscope = MICROSCOPE) -> Planted:
    """Image a lopsided lump of beads at random poses, magnification included."""
    rng = np.random.default_rng(1)
    particles = make_particles(n, box, rng, microscopes=[microscope])
    beads = Beads(rng.normal(0, 10, (14, 3)), 5.0, 50 + 150 * rng.random(14))
    slices = exact_slices(beads, projection_matrices(particles, np.arange(n)), box)
    pixels = form_images(particles, slices, noise_sd, rng)
    return Planted(wrap_images(particles, pixels), beads, noise_sd)


def exact_slices(beads: Beads, matrices: np.ndarray, box: int) -> np.ndarray:
    """Half transforms of beads seen through (n, 2, 3) matrices, magnification included."""
    fx, fy = (f.astype(np.float64) for f in frequency_grid_2d(box, PIXEL_SIZE))
    places = np.einsum("nij,bj->nbi", matrices, beads.centres)
    x = np.exp(-2j * np.pi * places[..., 0:1] * fx[0])
    y = np.exp(-2j * np.pi * places[..., 1:2] * fy[:, 0])
    waves = np.einsum("b,nby,nbx->nyx", beads.weights, y, x, optimize=True)
    f = np.einsum("iyx,nij->njyx", np.stack([fx, fy]), matrices)
    return np.asarray(waves * np.exp(-2 * (np.pi * beads.sigma) ** 2 * (f**2).sum(axis=1)))


def perturb(images: ParticleImages, degrees: float, angstrom: float) -> ParticleImages:
    """Turn and shift every pose by normal errors of the given standard deviations."""
    rng, particles = np.random.default_rng(2), images.particles
    step = np.radians(rng.normal(0, degrees, (len(particles), 3)))
    shift = particles.shift_angstrom + rng.normal(0, angstrom, (len(particles), 2))
    return with_poses(images, turn(particles.rotation, step), shift)
