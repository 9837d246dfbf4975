"""What is done to raw pixels before anything is compared: contrast sign and grey levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float32, Float64, Int

from cryofocus.placement import Array, beside, fetch, is_on_host, namespace

# An image whose background deviates by so many times that of most is none like the others.
TOO_STRONG = 5.0


@dataclass(frozen=True)
class ImageTreatment:
    """What is done to raw pixels.

    Attributes:
        sign: +1 if protein is white in the files, -1 if it is black.
        normalise: Whether each image's background is brought to mean 0 and deviation 1.
        background_radius_pixels: Pixels farther than this from the centre are background.
        background_edge_pixels: Only within this centred square; beyond, images of optics groups
            with a smaller field of view are padded.
        is_sign_settled: Whether the sign was given or has been found; otherwise it is a first
            guess, and whoever knows what the images should show decides.
        usual_deviation: Standard deviation of the background of most images. Where images are not
            normalised one by one, one that is many times as strong, as another program extracts
            it, is brought to it; it would outweigh all others. None where none is.
        levels: Of each optics group, what its images are divided by so that all show density at
            one grey level; None where they are taken to.
    """

    sign: int
    normalise: bool
    background_radius_pixels: float
    background_edge_pixels: float
    is_sign_settled: bool = False
    usual_deviation: float | None = None
    levels: Float64[np.ndarray, " group"] | None = None


def treat(
    pixels: Float32[Array, "n box box"], treatment: ImageTreatment
) -> Float32[Array, "n box box"]:
    """Apply contrast sign and, where asked for, background normalisation."""
    centred, gain = centre(pixels, treatment)
    return centred * beside(gain, pixels)[:, None, None]


def centre(
    pixels: Float32[Array, "n box box"], treatment: ImageTreatment
) -> tuple[Float32[Array, "n box box"], Float32[np.ndarray, " n"]]:
    """Return images of mean 0, where that is asked for, and what `treat` multiplies them by."""
    sign = np.float32(treatment.sign)
    if not treatment.normalise:
        return pixels, sign / raw_levels(pixels, treatment)
    mean, deviation = background_moments(
        pixels, treatment.background_radius_pixels, treatment.background_edge_pixels
    )
    return pixels - mean[:, None, None], sign / fetch(deviation)


def raw_levels(
    pixels: Float32[Array, "n box box"], treatment: ImageTreatment
) -> Float32[np.ndarray, " n"]:
    """Return what the grey levels of images are divided by, but for sign and optics group."""
    edges = treatment.background_radius_pixels, treatment.background_edge_pixels
    if treatment.normalise:
        return fetch(background_moments(pixels, *edges)[1])
    usual, levels = treatment.usual_deviation, np.ones(pixels.shape[0], np.float32)
    if usual is None:
        return levels
    xp, limit = namespace(pixels), (TOO_STRONG * usual) ** 2
    if is_on_host(pixels):
        power = np.einsum("nij,nij->n", pixels, pixels) / pixels[0].size
    else:
        power = fetch(xp.mean(pixels * pixels, axis=(1, 2)))
    loud = np.flatnonzero(power > limit)
    if len(loud):
        chosen = xp.take(pixels, beside(loud, pixels), axis=0)
        found = fetch(background_moments(chosen, *edges)[1]) / np.float32(usual)
        levels[loud] = np.where(found > TOO_STRONG, found, np.float32(1))
    return levels


def background_moments(
    pixels: Float32[Array, "n box box"], radius_pixels: float, edge_pixels: float
) -> tuple[Float32[Array, " n"], Float32[Array, " n"]]:
    """Return mean and standard deviation of each image outside a circle, inside a square."""
    xp = namespace(pixels)
    places = _background(pixels.shape[1], float(radius_pixels), float(edge_pixels))
    lines = xp.reshape(pixels, (pixels.shape[0], -1))
    outside = xp.take(lines, beside(places, pixels), axis=1)
    deviation = xp.std(outside, axis=1)
    return xp.mean(outside, axis=1), xp.maximum(deviation, float(np.finfo(np.float32).tiny))


@cache
def _background(box: int, radius_pixels: float, edge_pixels: float) -> Int[np.ndarray, " place"]:
    axis = np.arange(box) - box // 2
    inside = np.abs(axis) < edge_pixels / 2
    is_outside = (np.hypot(axis[:, None], axis) > radius_pixels) & inside[:, None] & inside
    return np.flatnonzero(is_outside)
