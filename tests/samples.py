"""Small particle sets whose truth is known: Gaussian beads, imaged without any interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.treatment import ImageTreatment
from cryofocus.data.optics import OpticsGroup
from cryofocus.data.particles import ParticleSet
from cryofocus.maths.ctf import CtfParameters, Microscope, evaluate_ctf
from cryofocus.maths.fourier import forward_2d, inverse_2d, shift_phases
from cryofocus.maths.grids import frequency_grid_2d

PIXEL_SIZE, SHIFT_SD = 4.0, 6.0
MICROSCOPE = Microscope(300.0, 2.7, 0.1)


@dataclass(frozen=True)
class ArrayReader:
    """A `Reader` of images that lie in memory."""

    images: np.ndarray

    def expect(self, indices: np.ndarray) -> None:
        """Do nothing: images are there."""

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Return a copy of some images."""
        return self.images[indices]

    def take(self, which: np.ndarray) -> ArrayReader:
        """Return a reader of some of them."""
        return ArrayReader(self.images[which])


@dataclass(frozen=True)
class Beads:
    """Equal Gaussian beads: (n, 3) x, y, z in Å, standard deviation in Å, weights (n,)."""

    centres: np.ndarray
    sigma: float
    weights: np.ndarray

    def slices(self, rotation: np.ndarray, box: int) -> np.ndarray:
        """Half transforms of the projections at some poses, exact."""
        fx, fy = (f.astype(np.float64) for f in frequency_grid_2d(box, PIXEL_SIZE))
        places = np.einsum("nij,bj->nbi", rotation[:, :2], self.centres)
        x = np.exp(-2j * np.pi * places[..., 0:1] * fx[0])
        y = np.exp(-2j * np.pi * places[..., 1:2] * fy[:, 0])
        envelope = np.exp(-2 * np.pi**2 * self.sigma**2 * (fx**2 + fy**2))
        return np.einsum("b,nby,nbx->nyx", self.weights, y, x, optimize=True) * envelope

    def volume(self, box: int) -> np.ndarray:
        """Density on the voxels of a box, such that its slices are `slices`."""
        axis = (np.arange(box) - box // 2) * PIXEL_SIZE
        x, y, z = (
            np.exp(-0.5 * ((axis - self.centres[:, i : i + 1]) / self.sigma) ** 2)
            for i in range(3)
        )
        norm = (PIXEL_SIZE / (self.sigma * np.sqrt(2 * np.pi))) ** 3
        return np.asarray(
            norm * np.einsum("b,bz,by,bx->zyx", self.weights, z, y, x, optimize=True), np.float32
        )


def make_particles(
    n: int,
    box: int,
    rng: np.random.Generator,
    *,
    microscopes: Sequence[Microscope] = (MICROSCOPE,),
    premultiplied: Sequence[bool] | None = None,
    defocus: tuple[float, float] = (8_000.0, 20_000.0),
) -> ParticleSet:
    """Particles at random poses; optics groups in turn, ten particles per micrograph."""
    mean = rng.uniform(*defocus, size=n)
    ctf = CtfParameters(
        defocus_u_angstrom=mean + 300.0,
        defocus_v_angstrom=mean - 300.0,
        defocus_angle_degrees=rng.uniform(0, 180, n),
        phase_shift_degrees=np.zeros(n),
        b_factor_square_angstrom=np.full(n, 20.0),
        ctf_scale=np.ones(n),
    )
    flags = premultiplied or [False] * len(microscopes)
    optics = tuple(
        OpticsGroup(i + 1, f"group{i + 1}", PIXEL_SIZE, box, microscope, flag)
        for i, (microscope, flag) in enumerate(zip(microscopes, flags, strict=True))
    )
    return ParticleSet(
        table=None,
        row_of_particle=np.arange(n),
        stack_paths=(),
        stack_of_particle=np.zeros(n, np.int32),
        slice_of_particle=np.arange(n),
        rotation=Rotation.random(n, random_state=int(rng.integers(2**31))).as_matrix(),
        shift_angstrom=rng.normal(0, SHIFT_SD, (n, 2)),
        ctf=ctf,
        optics=optics,
        optics_of_particle=(np.arange(n) % len(optics)).astype(np.int32),
        half_set=np.zeros(n, np.int8),
        micrograph_of_particle=(np.arange(n) // 10).astype(np.int32),
        box=box,
        pixel_size_angstrom=PIXEL_SIZE,
    )


def form_images(
    particles: ParticleSet, slices: np.ndarray, noise_sd: float, rng: np.random.Generator
) -> np.ndarray:
    """Real images of slices under each particle's CTF and shift, with white noise."""
    box = particles.box
    half = np.array(slices, np.complex64)
    half *= shift_phases(box, PIXEL_SIZE, -particles.shift_angstrom)
    for group, optics in enumerate(particles.optics):
        rows = np.flatnonzero(particles.optics_of_particle == group)
        half[rows] *= evaluate_ctf(particles.ctf.take(rows), optics.microscope, box, PIXEL_SIZE)
    images = inverse_2d(half, box)
    noise = rng.normal(0, noise_sd, images.shape)
    return np.asarray(images + noise, np.float32)


def wrap_images(particles: ParticleSet, images: np.ndarray, sign: int = 1) -> ParticleImages:
    """Images as the inference sees them, without normalisation."""
    treatment = ImageTreatment(
        sign,
        normalise=False,
        background_radius_pixels=0.45 * particles.box,
        background_edge_pixels=particles.box,
    )
    return ParticleImages(particles, ArrayReader(images), treatment)


def multiply_by_ctf(particles: ParticleSet, images: np.ndarray) -> np.ndarray:
    """Images multiplied by their CTF, as some programs write them."""
    box = particles.box
    half = forward_2d(images)
    for group, optics in enumerate(particles.optics):
        if optics.ctf_premultiplied:
            rows = np.flatnonzero(particles.optics_of_particle == group)
            half[rows] *= evaluate_ctf(
                particles.ctf.take(rows), optics.microscope, box, PIXEL_SIZE
            )
    return np.asarray(inverse_2d(half, box), np.float32)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation coefficient of two arrays."""
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])
