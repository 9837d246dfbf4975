"""One grey level for images of several pixel sizes.

Programs normalise images by the noise of a pixel, and a pixel of twice the size has other noise:
the same density then has other grey levels. In the shells that images of every optics group hold,
each half map is compared with the images of the other half set; how strongly those of one group
show it, beside those of another, is the ratio of their levels.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int8

from cryofocus.consensus.image_model import matched_chunk, scale_moments, slices_beside
from cryofocus.consensus.images import PADDING, ParticleImages
from cryofocus.consensus.noise.power import first_noise, noise_sample
from cryofocus.consensus.reconstruct import MapSource, map_to_grid, reconstruct_maps
from cryofocus.kernels.contract import SliceKernels

logger = logging.getLogger(__name__)

# The shells in which images are compared: fewer are a small map, and hold most of the signal.
MOST_SHELLS = 24
# A level counts when it is so many standard errors above zero, and differs from the others' when
# it does so by this part and so many standard errors.
SIGNIFICANCE, LEAST_CHANGE = 5.0, 0.05


def level_pixel_sizes(
    images: ParticleImages, half_set: Int8[np.ndarray, " particle"], kernels: SliceKernels
) -> ParticleImages:
    """Return the images with those of every pixel size at one grey level.

    Groups of the same pixel size as the largest stay as they are, and so do those that cannot be
    told from it or show nothing.

    Args:
        images: Prepared images, not cropped.
        half_set: `(particle,)` 1 or 2.
        kernels: Slice kernels of the device.
    """
    optics, groups = images.particles.optics, images.particles.optics_of_particle
    pixel = np.array([group.detail_angstrom for group in optics]) / 2
    sizes = np.bincount(groups, minlength=len(optics))
    present = np.flatnonzero(sizes)
    if len(np.unique(pixel[present])) == 1:
        return images
    rows = noise_sample(images)
    n_shells = min(int(images.held_shells[present].min()), MOST_SHELLS)
    some = images.cropped(n_shells).take(rows)
    linear, quadratic = _compare(some, half_set[rows], n_shells, kernels)
    is_sure = linear > SIGNIFICANCE * np.sqrt(quadratic)
    usual = int(np.lexsort((-pixel, sizes * is_sure))[-1])
    if not is_sure[usual]:
        return images
    level = np.where(is_sure, linear / np.where(is_sure, quadratic, 1.0), 1.0)
    level = np.where(is_sure, level / level[usual], 1.0)
    error = np.where(is_sure, np.sqrt(quadratic) / np.where(is_sure, linear, 1.0), 1.0)
    is_other = np.abs(np.log(level)) > np.maximum(LEAST_CHANGE, SIGNIFICANCE * error)
    is_other &= pixel != pixel[usual]
    if not is_other.any():
        return images
    names = [optics[group].number for group in np.flatnonzero(is_other)]
    logger.info(
        "optics group%s %s: density %s times as strong as in group %d; all are brought to one "
        "grey level",
        "s" if len(names) > 1 else "",
        ", ".join(map(str, names)),
        ", ".join(f"{one:.2f}" for one in level[is_other]),
        optics[usual].number,
    )
    before = images.treatment.levels
    levels = np.where(is_other, level, 1.0) * (1.0 if before is None else before)
    return replace(images, treatment=replace(images.treatment, levels=levels))


def _compare(
    images: ParticleImages,
    half_set: Int8[np.ndarray, " particle"],
    n_shells: int,
    kernels: SliceKernels,
) -> tuple[Float64[np.ndarray, " group"], Float64[np.ndarray, " group"]]:
    """Return <Y, C P V> and |C P V|^2 over the noise by group, V the map of the other half set."""
    noise, n, box = first_noise(images), len(images), images.particles.box
    source = MapSource(images, noise, np.ones(n, np.float32), half_set)
    (estimate,) = reconstruct_maps(source, np.ones((n, 1), np.float32), kernels)
    band = images.largest_band()
    band = band.take(np.flatnonzero(band.shells < n_shells))
    linear, quadratic = np.zeros((2, len(images.particles.optics)))
    for half, volume in zip((2, 1), estimate.halves, strict=True):
        rows = np.flatnonzero(half_set == half)
        grid = map_to_grid(volume, PADDING * box)
        for chunk, slices in slices_beside(images, grid, band, rows, kernels):
            moments = scale_moments(band, *matched_chunk(chunk, band, noise), slices)
            for total, part in zip((linear, quadratic), moments, strict=True):
                np.add.at(total, chunk.groups, part)
    return linear, quadratic
