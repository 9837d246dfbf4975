"""Bring images of other pixel sizes and boxes onto one grid.

An image is padded in real space to a box whose Fourier crop (or padding) has the pixel size that
is asked for, resampled, and cropped or padded in real space to the box that is asked for. The
centre of the particle stays the centre, and frequencies in 1/Å stay what they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from cryofocus.maths.fourier import resize_images
from cryofocus.maths.grids import fit_box_2d

MAX_PADDING_PIXELS = 128
GOOD_ERROR = 1e-5
MAX_ERROR = 1e-3
MAX_RATIO = 8.0


@dataclass(frozen=True)
class ResamplingPlan:
    """Boxes that an image passes through.

    Attributes:
        padded_box: After padding in real space.
        resampled_box: After Fourier cropping or padding.
        box: After cropping or padding in real space: the result.
        relative_error: By how much the pixel size misses the one asked for.
    """

    padded_box: int
    resampled_box: int
    box: int
    relative_error: float

    def apply(self, images: Float32[np.ndarray, "n old old"]) -> Float32[np.ndarray, "n box box"]:
        """Resample images; what padding adds has each image's mean."""
        mean = images.mean(axis=(1, 2), keepdims=True)
        padded = fit_box_2d(images - mean, self.padded_box)
        resampled = resize_images(padded, self.resampled_box)
        return np.asarray(fit_box_2d(resampled, self.box) + mean)


def plan_resampling(
    box: int, pixel_size_angstrom: float, new_box: int, new_pixel_size_angstrom: float
) -> ResamplingPlan | None:
    """Choose the boxes that change one grid into another.

    Args:
        box: Edge of the images on disk.
        pixel_size_angstrom: Å per pixel of the images on disk.
        new_box: Edge asked for.
        new_pixel_size_angstrom: Å per pixel asked for.

    Returns:
        None if the grids are one.

    Raises:
        ValueError: If the pixel sizes differ by a factor above 8, or no padding of up to 128
            pixels brings them within 0.1 %.
    """
    ratio = pixel_size_angstrom / new_pixel_size_angstrom
    if box == new_box and abs(ratio - 1) <= GOOD_ERROR:
        return None
    plans = []
    for padded in range(box, box + MAX_PADDING_PIXELS + 1):
        resampled = max(round(padded * ratio), 1)
        error = abs(padded * ratio / resampled - 1)
        plans.append(ResamplingPlan(padded, resampled, new_box, error))
        if error <= GOOD_ERROR:
            break
    best = min(plans, key=lambda plan: plan.relative_error)
    if best.relative_error > MAX_ERROR or not 1 / MAX_RATIO <= ratio <= MAX_RATIO:
        raise ValueError(
            f"images of {box} pixels of {pixel_size_angstrom:g} Å cannot be brought to "
            f"{new_pixel_size_angstrom:g} Å per pixel"
        )
    return best
