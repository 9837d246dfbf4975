"""Exact Fourier slices of a bead phantom, and its map.

A Gaussian bead's transform is separable, exp(-2 pi i f.r - 2 pi^2 sigma^2 f^2), so the image of m
beads is a matrix product over the beads: no interpolation, no tolerance. With c, d the cosine and
sine factors along y and a, b those along x, the four real products ca, db, cb, da give the
coefficients at both +fy and -fy,

    F(fx, +fy) = (ca - db) + i (cb + da)    F(fx, -fy) = (ca + db) + i (cb - da),

half the work of a complex product, and at the boxes used here quicker than a non-uniform FFT.

The density is band-limited below Nyquist: on even boxes the Nyquist row and column are zero.
"""

from __future__ import annotations

import itertools
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Complex64, Float, Float32, Int

from cryofocus.maths.fourier import inverse_3d

# Images projected at once: their factors should stay in the processor's cache.
_BLOCK = 8


@runtime_checkable
class BeadParts(Protocol):
    """Gaussian beads, sorted by the part they belong to; x, y, z in Å from the box centre."""

    @property
    def centre_angstrom(self) -> Float[np.ndarray, "n 3"]:
        """Centres of the beads."""
        ...

    @property
    def sigma_angstrom(self) -> Float[np.ndarray, " n"]:
        """Standard deviation of each bead's Gaussian."""
        ...

    @property
    def weight(self) -> Float[np.ndarray, " n"]:
        """Integrated density of each bead."""
        ...

    @property
    def part(self) -> Int[np.ndarray, " n"]:
        """Number of each bead's part."""
        ...

    @property
    def part_bounds(self) -> Int[np.ndarray, " parts_plus_1"]:
        """Where each part starts, and the number of beads."""
        ...


def project_parts(
    phantom: BeadParts,
    rotation: Float[np.ndarray, "n 3 3"],
    shift_angstrom: Float[np.ndarray, "n 2"],
    box: int,
    pixel_size_angstrom: float,
) -> Complex64[np.ndarray, "n parts box half"]:
    """Project every part of the phantom at every pose.

    Args:
        phantom: Beads grouped by part.
        rotation: Pose matrices A: the point r lands at (A r)[:2].
        shift_angstrom: Shift that centres the particle, x and y in Å; the particle sits at minus
            the shift.
        box: Edge of the image in pixels.
        pixel_size_angstrom: Å per pixel.

    Returns:
        Half transforms (rfft layout, origin at the corner, unnormalised forward convention), one
            for each part.
    """
    bounds, weight = phantom.part_bounds, phantom.weight[None].astype(np.float32)
    shape = (len(rotation), len(bounds) - 1, box, box // 2 + 1)
    parts = np.zeros(shape, dtype=np.complex64)
    for start in range(0, len(rotation), _BLOCK):
        rows = slice(start, start + _BLOCK)
        x, y = _image_factors(
            phantom, rotation[rows], shift_angstrom[rows], box, pixel_size_angstrom
        )
        for index, (first, last) in enumerate(itertools.pairwise(bounds)):
            beads = slice(first, last)
            _sum_beads(x[..., beads] * weight[:, beads], y[..., beads], parts[rows, index])
    return parts


def project_states(
    phantom: BeadParts,
    amplitudes: Float32[np.ndarray, "n parts"],
    pose: tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, "n 2"]],
    box: int,
    pixel_size_angstrom: float,
) -> Complex64[np.ndarray, "n box half"]:
    """Project the sum of the parts that each particle shows; quicker than all parts one by one.

    Args:
        phantom: Beads grouped by part.
        amplitudes: Multiplier of each part in each particle.
        pose: Rotations (n, 3, 3) and shifts in Å (n, 2), as for `project_parts`.
        box: Edge in pixels.
        pixel_size_angstrom: Å per pixel.

    Returns:
        Half transforms, as for `project_parts`.
    """
    rotation, shift_angstrom = pose
    images = np.zeros((len(rotation), box, box // 2 + 1), dtype=np.complex64)
    for start in range(0, len(rotation), _BLOCK):
        rows = slice(start, start + _BLOCK)
        x, y = _image_factors(
            phantom, rotation[rows], shift_angstrom[rows], box, pixel_size_angstrom
        )
        weight = (phantom.weight * amplitudes[rows][:, phantom.part]).astype(np.float32)
        _sum_beads(x * weight[:, None, None], y, images[rows])
    return images


def density_map(
    phantom: BeadParts,
    amplitudes: Float[np.ndarray, " parts"],
    box: int,
    pixel_size_angstrom: float,
) -> Float32[np.ndarray, "box box box"]:
    """Return the band-limited map whose central slices are the projections.

    Args:
        phantom: Beads grouped by part.
        amplitudes: Multiplier of each part; zero leaves it out.
        box: Edge in voxels.
        pixel_size_angstrom: Å per voxel.

    Returns:
        Density (z, y, x), centre at voxel `box // 2`; the sum over voxels is the mass.
    """
    weight = phantom.weight * np.asarray(amplitudes)[phantom.part]
    used = weight > 0
    factors = _axis_factors(
        phantom.centre_angstrom[used].T, phantom.sigma_angstrom[used], box, pixel_size_angstrom
    )
    x, y, z = (_full_axis(factor, box) for factor in factors)
    weighted_x = (weight[used] * x[: box // 2 + 1]).astype(np.complex64)
    transform = np.empty((box, box, box // 2 + 1), dtype=np.complex64)
    for plane in range(box):
        transform[plane] = (y * z[plane]) @ weighted_x.T
    return np.asarray(inverse_3d(transform, box))


def _image_factors(
    phantom: BeadParts,
    rotation: Float[np.ndarray, "n 3 3"],
    shift_angstrom: Float[np.ndarray, "n 2"],
    box: int,
    pixel_size_angstrom: float,
) -> tuple[Float32[np.ndarray, "n 2 half beads"], Float32[np.ndarray, "n 2 half beads"]]:
    """Return the x and the y factors of every bead at its place in the image."""
    position = np.einsum("nij,mj->nim", rotation[:, :2], phantom.centre_angstrom)
    position = position - shift_angstrom[:, :, None]
    factors = _axis_factors(position, phantom.sigma_angstrom, box, pixel_size_angstrom)
    return factors[:, 0], factors[:, 1]


def _axis_factors(
    position: Float[np.ndarray, "*axes beads"],
    sigma: Float[np.ndarray, " beads"],
    box: int,
    pixel_size_angstrom: float,
) -> Float32[np.ndarray, "*axes 2 half beads"]:
    """Cosine and sine factor of every bead at the frequencies of the half axis; 0 at Nyquist."""
    frequency = np.arange(box // 2 + 1) / (box * pixel_size_angstrom)
    gauss = np.exp(-2.0 * (np.pi * np.outer(frequency, sigma)) ** 2).astype(np.float32)
    gauss[(box + 1) // 2 :] = 0.0
    turn = (-2.0 * np.pi * frequency).astype(np.float32)
    phase = turn[:, None] * position.astype(np.float32)[..., None, :]
    factors = np.empty((*position.shape[:-1], 2, *gauss.shape), dtype=np.float32)
    np.cos(phase, out=factors[..., 0, :, :])
    np.sin(phase, out=factors[..., 1, :, :])
    factors *= gauss
    return factors


def _sum_beads(
    x: Float32[np.ndarray, "n 2 half beads"],
    y: Float32[np.ndarray, "n 2 half beads"],
    images: Complex64[np.ndarray, "n box half"],
) -> None:
    """Fill half transforms, in place, with the sum over the beads."""
    n, _, half, n_beads = x.shape
    box = images.shape[1]
    rows, columns = y.reshape(n, 2 * half, n_beads), x.reshape(n, 2 * half, n_beads)
    product = rows @ columns.transpose(0, 2, 1)
    ca, cb = product[:, :half, :half], product[:, :half, half:]
    da, db = product[:, half:, :half], product[:, half:, half:]
    images.real[:, :half] = ca - db
    images.imag[:, :half] = cb + da
    n_negative = (box - 1) // 2
    mirrored = slice(n_negative, 0, -1)
    images.real[:, box - n_negative :] = (ca + db)[:, mirrored]
    images.imag[:, box - n_negative :] = (cb - da)[:, mirrored]


def _full_axis(
    factor: Float32[np.ndarray, "2 half beads"], box: int
) -> Complex64[np.ndarray, "box beads"]:
    """Complex factor at all `box` frequencies in FFT order."""
    half = factor[0] + 1j * factor[1]
    return np.concatenate([half, half[(box - 1) // 2 : 0 : -1].conj()])
