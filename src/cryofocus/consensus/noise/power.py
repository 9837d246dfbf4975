"""The power of images, or of what is left of them, from which noise spectra are fitted."""

from __future__ import annotations

import numpy as np
from jaxtyping import Complex64, Float32, Int

from cryofocus.consensus.band import Band
from cryofocus.consensus.images import ImageChunk, ParticleImages
from cryofocus.consensus.noise.spectra import NoiseModel, PowerSums, flat_noise

# Enough images for spectra that are good to a percent in every shell.
NOISE_PARTICLES, NOISE_PARTICLES_OF_GROUP = 4000, 16


def noise_sample(images: ParticleImages) -> Int[np.ndarray, " m"]:
    """Return the particles, evenly spread over the set, that noise is measured on.

    Of an optics group that is rare among them, some are added.
    """
    n = min(NOISE_PARTICLES, len(images))
    sample = np.unique(np.linspace(0, len(images) - 1, n).astype(np.int64))
    if n == len(images):
        return sample
    groups = images.particles.optics_of_particle
    seen = np.bincount(groups[sample], minlength=len(images.particles.optics))
    added = [sample]
    for group in np.flatnonzero(seen < NOISE_PARTICLES_OF_GROUP):
        rows = np.flatnonzero(groups == group)
        few = np.linspace(0, len(rows) - 1, min(NOISE_PARTICLES_OF_GROUP, len(rows)))
        added.append(rows[few.astype(np.int64)])
    return np.unique(np.concatenate(added))


def first_noise(images: ParticleImages) -> NoiseModel:
    """Take the images' whole power for noise, until something is known of the signal."""
    return flat_noise(power_of_images(images, images.largest_band(), noise_sample(images)))


def power_of_images(
    images: ParticleImages, band: Band, sample: Int[np.ndarray, " n"]
) -> PowerSums:
    """Sum the power of a sample of images, signal and noise together."""
    total = None
    for chunk in images.chunks(band, sample):
        part = power_of_chunk(chunk, band, chunk.transforms, len(images.particles.optics))
        total = part if total is None else total + part
    assert total is not None
    return total


def power_of_chunk(
    chunk: ImageChunk, band: Band, signal: Complex64[np.ndarray, "n point"], n_groups: int
) -> PowerSums:
    """Sum the power of what a chunk shows, or of what is left of it, as it left the camera."""
    power = (signal.real**2 + signal.imag**2).astype(np.float32)
    # C E of a premultiplied image becomes E; near the CTF's zeros nothing is left to tell.
    safe = np.where(chunk.is_premultiplied[:, None], np.maximum(chunk.ctf**2, 1e-3), 1)
    image = (chunk.transforms.real**2 + chunk.transforms.imag**2) / safe
    powers = ((power / safe).astype(np.float32), image.astype(np.float32))
    counted = None
    if chunk.weight is not None or (chunk.held_shells < band.n_shells).any():
        is_held = band.shells < chunk.held_shells[:, None]
        counted = is_held * np.float32(1 if chunk.weight is None else chunk.weight[:, None])
    return sum_powers(band, chunk.groups, chunk.ctf, powers, n_groups, counted)


def sum_powers(
    band: Band,
    groups: Int[np.ndarray, " n"],
    ctf: Float32[np.ndarray, "n point"],
    powers: tuple[Float32[np.ndarray, "n point"], Float32[np.ndarray, "n point"]],
    n_groups: int,
    counted: Float32[np.ndarray, "n point"] | None = None,
) -> PowerSums:
    """Sum residual powers against the powers of the CTF, shell by shell and group by group.

    Args:
        band: Points of the images.
        groups: Optics groups.
        ctf: CTFs.
        powers: |E|^2 of what is left of the images, and |Y|^2 of the images.
        n_groups: Number of optics groups.
        counted: How much each coefficient counts, 0 where an image holds none; 1 if left out.
    """
    (power, image), squared = powers, ctf * ctf
    rows = (np.ones_like(ctf), squared, squared * squared, power, squared * power, image)
    if counted is not None:
        rows = tuple(row * counted for row in rows)
    per_particle = np.stack([band.shell_sums(row) for row in rows], axis=1)
    moments = np.zeros((n_groups, 6, band.n_shells))
    np.add.at(moments, groups, per_particle)
    return PowerSums(moments)
