"""Fourier transforms of volumes of which only coarse coefficients count; see `fourier.py`.

Lines that hold nothing, or of which nothing is wanted, are not transformed.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from jaxtyping import Complex, Float

from cryofocus.maths.fourier import BLOCK_VALUES, forward_3d

# Voxels that are worked on at a time, so few that they stay in a processor's cache.
CACHED_VALUES = 2**18
# Planes, rows and columns of a volume.
Window = tuple[slice, slice, slice]


def corner_3d_cropped(
    volume: Float[np.ndarray, "edge edge edge"], box: int, *, origin: int = 0, period: int = 0
) -> Complex[np.ndarray, "box box half"]:
    """Half transform of a volume, cropped; its phase origin is the corner voxel or another.

    Args:
        volume: Axes z, y, x.
        box: Edge of the box whose coefficients are wanted, at most the period.
        origin: Plane, row and column of the phase origin.
        period: Edge of a larger volume that is empty but for this one, at its corner; the box has
            the same extent. Default: nothing is added.

    Returns:
        Origin at the corner, as those of `forward_3d`; coefficients keep their values.
    """
    edge = len(volume)
    period = period or edge
    lowest = np.r_[0 : (box + 1) // 2, period - box // 2 : period]
    half = np.empty((edge, box, box // 2 + 1), np.result_type(volume, np.complex64))
    n_planes = max(1, BLOCK_VALUES // (period * (period // 2 + 1)))
    for start in range(0, edge, n_planes):
        planes = slice(start, start + n_planes)
        lines = scipy.fft.rfft(volume[planes], n=period, axis=2)[..., : box // 2 + 1]
        half[planes] = scipy.fft.fft(lines, n=period, axis=1)[:, lowest]
    half = scipy.fft.fft(half, n=period, axis=0, overwrite_x=True)
    half = half if box == period else half[lowest]
    if origin:
        step = 2j * np.pi * origin / period
        along = np.exp(step * lowest).astype(half.dtype)
        along_x = np.exp(step * np.arange(half.shape[2])).astype(half.dtype)
        half *= along[:, None, None] * along[:, None] * along_x
    return half


def inverse_3d_of_band(
    half: Complex[np.ndarray, "band band columns"],
    box: int,
    *,
    threads: int = 1,
    within: Window | None = None,
) -> Float[np.ndarray, "_ _ _"]:
    """Volume of coarse coefficients, all others being zero: `inverse_3d`, sooner.

    Args:
        half: Coefficients at whole frequencies -k to k along z and y, in this order, and 0 to k
            along x.
        box: Edge of the volume, more than 2 k.
        threads: Threads used over the other axes.
        within: Planes, rows and columns that are wanted; all by default.
    """
    planes, rows, columns = within or (slice(None),) * 3
    last = half.shape[-1] - 1
    # The centre comes to the middle of every axis.
    centre = np.exp(-2j * np.pi / box * (box // 2) * np.arange(-last, last + 1)).astype(half.dtype)
    half = half * (centre[:, None, None] * centre[:, None] * centre[last:])
    lines = _inverse_lines(half, 0, box, threads)[planes]
    shape = (len(lines), *(len(range(box)[part]) for part in (rows, columns)))
    volume, n = np.empty(shape, half.real.dtype), max(1, CACHED_VALUES // box**2)
    for start in range(0, len(lines), n):
        some = _inverse_lines(lines[start : start + n], 1, box, threads)[:, rows]
        some = scipy.fft.irfft(some, n=box, axis=2, workers=threads)
        volume[start : start + n] = some[..., columns]
    return volume


def _inverse_lines(
    band: Complex[np.ndarray, ...], axis: int, box: int, threads: int
) -> Complex[np.ndarray, ...]:
    """Transform back along an axis that holds frequencies -k to k."""
    last = band.shape[axis] // 2
    shape = list(band.shape)
    shape[axis] = box
    lines = np.zeros(shape, band.dtype)
    along = (slice(None),) * axis
    lines[(*along, slice(0, last + 1))] = band[(*along, slice(last, None))]
    lines[(*along, slice(box - last, None))] = band[(*along, slice(0, last))]
    return np.asarray(scipy.fft.ifft(lines, axis=axis, workers=threads, overwrite_x=True))


def fill_volume(
    volume: Float[np.ndarray, "box box box"], new_box: int, *, threads: int = 1
) -> Float[np.ndarray, "new_box new_box new_box"]:
    """Sample a volume more finely by filling its transform, whose values stay, with zeros.

    `resize_volume` but for grey values, which fall by the ratio of the voxels' volumes, and
    sooner.
    """
    box = len(volume)
    if box == new_box:
        return volume
    last = (box - 1) // 2
    k = np.arange(-last, last + 1)
    half = forward_3d(volume, threads=threads)[k[:, None], k, : last + 1]
    return inverse_3d_of_band(half, new_box, threads=threads)
