"""cisTEM's and Frealign's log-likelihoods from their published definitions, one pixel at a time.

Nothing here calls the package; arrays and plain numbers go in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from small_box_reference import Plane, transform


@dataclass(frozen=True)
class WhitePair:
    """Image and prediction on the pixels of the full box, whitened and low-passed."""

    image: np.ndarray
    predicted: np.ndarray


def trilinear_slice(
    volume: np.ndarray, edge: int, rotation: np.ndarray, plane: Plane
) -> np.ndarray:
    """Interpolate the transform of a volume, padded to an edge, at every point of a plane.

    The interpolation's sinc^2 along each axis is divided out beforehand.
    """
    box = len(volume)
    axis = (np.arange(box) - box // 2) / edge
    falloff = np.sinc(axis) ** 2
    corrected = volume / (falloff[:, None, None] * falloff[:, None] * falloff)
    padded = np.zeros((edge,) * 3)
    start = edge // 2 - box // 2
    inside = slice(start, start + box)
    padded[inside, inside, inside] = corrected
    grid = np.fft.fftn(np.fft.ifftshift(padded))
    result = np.zeros((plane.box, plane.box), complex)
    for row, column in product(range(plane.box), repeat=2):
        k = np.array([column - plane.box // 2, row - plane.box // 2]) * edge / box
        x, y, z = rotation[:2].T @ k
        if max(abs(x), abs(y), abs(z)) > edge // 2 - 1:
            continue
        corner = [math.floor(value) for value in (x, y, z)]
        for step in product((0, 1), repeat=3):
            node = [c + s for c, s in zip(corner, step, strict=True)]
            weight = math.prod(1 - abs(v - n) for v, n in zip((x, y, z), node, strict=True))
            result[row, column] += weight * grid[node[2] % edge, node[1] % edge, node[0] % edge]
    return result


def whiten(
    image: np.ndarray,
    slices: np.ndarray,
    imaging: tuple[np.ndarray, np.ndarray, np.ndarray],
    plane: Plane,
    limit: float,
) -> WhitePair:
    """Bring image and prediction to unit noise variance and low-pass both.

    `imaging` holds the CTF, the noise variance and the phase that centres the particle; `limit`
    is the classification limit in 1/Å.
    """
    ctf, variance, centring = imaging
    frequency = np.hypot(plane.fx, plane.fy)
    width = 1 / 20
    position = np.clip((frequency - (limit - width / 2)) / width, 0, 1)
    low_pass = (1 + np.cos(math.pi * position)) / 2
    filtering = plane.box * low_pass / np.sqrt(variance)
    return WhitePair(back(transform(image) * centring * filtering), back(ctf * slices * filtering))


def back(full: np.ndarray) -> np.ndarray:
    """Sum the plane waves of a full plane."""
    box = len(full)
    k = np.arange(box) - box // 2
    wave = np.exp(2j * np.pi * np.outer(k, k) / box) / box
    return np.asarray((wave @ full @ wave.T).real)


def circle_pixels(box: int, centre: np.ndarray, radius: float) -> list[tuple[int, int]]:
    """List the pixels (row, column) within a radius of a centre (x, y), from the box's middle."""
    return [
        (row, column)
        for row, column in product(range(box), repeat=2)
        if (column - box // 2 - centre[0]) ** 2 + (row - box // 2 - centre[1]) ** 2 <= radius**2
    ]


def cistem(pair: WhitePair, pixels: list[tuple[int, int]], radius: float) -> float:
    """Return -1/2 (msq + ln 2 pi) pi R^2."""
    squares = [(pair.image[p] - pair.predicted[p]) ** 2 for p in pixels]
    mean_square = sum(squares) / len(squares)
    return -0.5 * (mean_square + math.log(2 * math.pi)) * math.pi * radius**2


def frealign(
    pair: WhitePair, pixels: list[tuple[int, int]], sigma: float, full_variance: float
) -> float:
    """Return -N s2 / (2 s2_old) - N/2 ln(2 pi s2_old) with a scale fitted inside the circle."""
    image = np.array([pair.image[p] for p in pixels])
    predicted = np.array([pair.predicted[p] for p in pixels])
    image, predicted = image - image.mean(), predicted - predicted.mean()
    scale = abs(image @ predicted) / (predicted @ predicted)
    residual = (image @ image - scale**2 * (predicted @ predicted)) / len(pixels)
    band = float(np.mean(pair.image**2))
    old = sigma**2 if 1 / 3 < sigma / math.sqrt(band) < 3 else band
    count = len(pixels) * old / full_variance
    return float(-count * residual / (2 * old) - count / 2 * math.log(2 * math.pi * old))
