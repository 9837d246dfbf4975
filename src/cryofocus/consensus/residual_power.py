"""How well a subtraction fits: power of the images before and after, against the noise model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex64, Float32, Float64, Int

from cryofocus.consensus.band import Band
from cryofocus.consensus.image_model import predicted
from cryofocus.consensus.images import PADDING, ImageChunk, projection_matrices
from cryofocus.consensus.reconstruct import map_to_grid
from cryofocus.consensus.subtraction import Subtraction
from cryofocus.maths.fourier import inverse_2d, shift_phases
from cryofocus.placement import fetch

# A line of sight that passes less of the mask than this, in voxels, lies outside it.
INSIDE_VOXELS = 0.5


@dataclass(frozen=True, eq=False)
class ResidualPower:
    """Mean power over that of the noise model, so that images of noise alone give 1.

    The three rows of each array are the images before, the images after the subtraction, and
    what the latter should show: noise and the density that is kept.

    Attributes:
        shells: `(3, n_shells)` of Fourier coefficients.
        pictures: `(3, box, box)` of pixels, images low-passed and centred on the mask's middle.
        inside: `(3,)` of the pixels inside the mask's projection.
        outside: `(3,)` of the pixels outside.
    """

    shells: Float64[np.ndarray, "stage n_shells"]
    pictures: Float64[np.ndarray, "stage box box"]
    inside: Float64[np.ndarray, " stage"]
    outside: Float64[np.ndarray, " stage"]


def measure_residual_power(
    subtraction: Subtraction,
    keep: Float32[np.ndarray, "box box box"],
    centre_angstrom: tuple[float, float, float],
    n_shells: int,
    which: Int[np.ndarray, " m"],
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> ResidualPower:
    """Average the power of some images before and after the subtraction.

    Args:
        subtraction: What is subtracted.
        keep: The mask that is kept.
        centre_angstrom: x, y, z of its middle in Å from the box centre.
        n_shells: The pictures are low-passed to these, where the maps hold signal.
        which: Particles to look at.
        advance: Called with the number of particles done.
    """
    band = subtraction.band
    box = subtraction.images.particles.box
    shells, n_images = np.zeros((3, band.n_shells)), np.zeros(band.n_shells)
    pictures = np.zeros((3, box, box))
    inside, n_inside = np.zeros(3), 0
    mask_grid = map_to_grid(keep, PADDING * box)[..., None]
    for chunk in subtraction.images.chunks(band, which):
        centring = _centring(subtraction, chunk, centre_angstrom)
        shown = _inside_mask(subtraction, mask_grid, band, chunk, centring)
        for row, whitened in enumerate(_whitened(subtraction, band, chunk)):
            shells[row] += band.shell_sums(np.abs(whitened) ** 2).sum(axis=0)
            power = _pixel_power(whitened, band, n_shells, centring)
            pictures[row] += power.sum(axis=0)
            inside[row] += power[shown].sum()
        n_images += (np.arange(band.n_shells) < chunk.held_shells[:, None]).sum(axis=0)
        n_inside += int(np.count_nonzero(shown))
        advance(len(chunk.particles))
    outside = pictures.sum(axis=(1, 2)) - inside
    outside /= max(len(which) * box**2 - n_inside, 1)
    inside /= max(n_inside, 1)
    shells /= np.maximum(n_images, 1) * band.shell_counts()
    pictures /= len(which)
    for values in (shells, pictures, inside, outside):
        # Kept density is a model, without noise of its own.
        values[2] += 1
    return ResidualPower(shells, pictures, inside, outside)


def _whitened(
    subtraction: Subtraction, band: Band, chunk: ImageChunk
) -> tuple[Complex64[np.ndarray, "n point"], ...]:
    """Return images, subtracted images and kept density over the noise's standard deviation."""
    slices = fetch(subtraction.density.slices(band, chunk.particles))
    scale = subtraction.scales(chunk, band, slices[..., 0])
    removed = predicted(chunk, slices[..., 1], scale)
    kept = predicted(chunk, slices[..., 0] - slices[..., 1], scale)
    weight = np.sqrt(subtraction.noise.precision(band, chunk.groups, chunk.ctf))
    # Noise of a premultiplied image went through the CTF; near its zeros nothing is left to tell.
    passed = np.sqrt(np.maximum(chunk.ctf**2, 1e-3))
    weight = np.where(chunk.is_premultiplied[:, None], weight / passed, weight)
    parts = (chunk.transforms, chunk.transforms - removed, kept)
    return tuple(part * weight for part in parts)


def _centring(
    subtraction: Subtraction, chunk: ImageChunk, centre_angstrom: tuple[float, float, float]
) -> Complex64[np.ndarray, "n box half"]:
    """Return the phases that bring the middle of the mask to the middle of each image."""
    particles = subtraction.images.particles
    seen = projection_matrices(particles, chunk.particles) @ np.asarray(centre_angstrom)
    return np.asarray(shift_phases(particles.box, particles.pixel_size_angstrom, -seen))


def _inside_mask(
    subtraction: Subtraction,
    mask_grid: Complex64[np.ndarray, "edge edge grid_half 1"],
    band: Band,
    chunk: ImageChunk,
    centring: Complex64[np.ndarray, "n box half"],
) -> Bool[np.ndarray, "n box box"]:
    """Return the pixels of each centred image whose lines of sight pass through the mask."""
    geometry = subtraction.images.geometry(band, PADDING, mask_grid.shape[0], chunk.particles)
    half = band.scatter(subtraction.density.kernels.gather(mask_grid, geometry)[..., 0])
    return np.asarray(inverse_2d(half * centring, band.box) > INSIDE_VOXELS)


def _pixel_power(
    whitened: Complex64[np.ndarray, "n point"],
    band: Band,
    n_shells: int,
    centring: Complex64[np.ndarray, "n box half"],
) -> Float32[np.ndarray, "n box box"]:
    """Return the power of each pixel of centred, low-passed images; 1 for noise alone."""
    passing = band.shells < n_shells
    # Noise of unit variance in so many coefficients, by an inverse transform over box^2 points.
    variance = float(band.hermitian[passing].sum()) / band.box**4
    half = band.scatter(np.where(passing, whitened, np.complex64(0)))
    images = inverse_2d(half * centring, band.box)
    return np.asarray(images**2 / np.float32(variance), np.float32)
