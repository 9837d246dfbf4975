"""Frequency grids, shells and centred boxes of square images and cubic volumes.

Half transforms are in rfft layout, `(box, box//2+1)`: row `ky` runs 0, 1, ..., -1 and column `kx`
runs 0, ..., box//2. The real-space centre of a box is pixel `box//2`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Float32, Int

from cryofocus.maths.fourier import next_fast_len
from cryofocus.placement import Array, device, namespace

# Boxes up to here have corners whose radius is found in single precision.
LARGEST_SINGLE = 1664
FrequencyGrid = tuple[Float[np.ndarray, "box half"], Float[np.ndarray, "box half"]]


def n_shells(box: int) -> int:
    """Count the complete shells, from 0 to Nyquist inclusive: `box//2 + 1`."""
    return box // 2 + 1


def frequency_grid_2d(box: int, pixel_size_angstrom: float) -> FrequencyGrid:
    """Spatial frequencies of a half transform along x (columns) and y (rows), in 1/Å."""
    fx = np.fft.rfftfreq(box, pixel_size_angstrom).astype(np.float32)
    fy = np.fft.fftfreq(box, pixel_size_angstrom).astype(np.float32)
    shape = (box, box // 2 + 1)
    return (
        np.ascontiguousarray(np.broadcast_to(fx[None, :], shape)),
        np.ascontiguousarray(np.broadcast_to(fy[:, None], shape)),
    )


def shell_index_2d(box: int) -> Int[np.ndarray, "box half"]:
    """Integer Fourier radius of every coefficient of a half transform of an image.

    Corners lie beyond the last complete shell: their index is `n_shells(box)` or more.
    """
    ky, kx = _squared_indices(box)
    return _rounded_root(ky[:, None] + kx)


def shell_index_3d(box: int) -> Int[np.ndarray, "box box half"]:
    """Integer Fourier radius of every coefficient of a half transform of a volume.

    Corners lie beyond the last complete shell: their index is `n_shells(box)` or more.
    """
    k, kx = _squared_indices(box)
    return _rounded_root(k[:, None, None] + k[:, None] + kx)


def shell_planes_3d(box: int) -> Iterator[Int[np.ndarray, "box half"]]:
    """Yield `shell_index_3d` plane by plane (z), for grids whose temporaries would be large."""
    k, kx = _squared_indices(box)
    plane = k[:, None] + kx
    for kz in k:
        yield _rounded_root(plane + kz)


def shell_block_3d(box: int, rows: slice) -> Int[np.ndarray, "box row half"]:
    """Return `shell_index_3d` of some rows (y), for grids whose temporaries would be large."""
    k, kx = _squared_indices(box)
    return _rounded_root(k[:, None, None] + k[rows, None] + kx)


def wave_vectors_3d(box: int) -> Float[np.ndarray, "3 box box half"]:
    """Return x, y, z of every coefficient of a half transform of a volume, in cycles per box."""
    k = _signed_indices(box).astype(np.float32)
    z, y, x = np.meshgrid(k, k, np.arange(box // 2 + 1, dtype=np.float32), indexing="ij")
    return np.stack([x, y, z])


def unit_vectors_3d(box: int) -> Float[np.ndarray, "3 box box half"]:
    """Return the direction x, y, z of every coefficient; zero for that at the origin."""
    vectors = wave_vectors_3d(box)
    length = np.sqrt((vectors**2).sum(axis=0))
    return np.asarray(vectors / np.maximum(length, np.float32(1)))


def fit_box_2d(images: Float[Array, "*batch old old"], box: int) -> Float[Array, "*batch box box"]:
    """Pad with zeros or crop images in real space, keeping the centre pixel at `box//2`."""
    return _fit_box(images, box, 2)


def fit_box_3d(
    volume: Float[np.ndarray, "*batch old old old"], box: int
) -> Float[np.ndarray, "*batch box box box"]:
    """Pad with zeros or crop volumes in real space, keeping the centre voxel at `box//2`."""
    return np.asarray(_fit_box(volume, box, 3))


def _fit_box(array: Array, box: int, n_axes: int) -> Array:
    """Return a new array of the same type with the centre of the last axes at `box//2`."""
    old = array.shape[-1]
    shape = (*array.shape[:-n_axes], *(box,) * n_axes)
    result = namespace(array).zeros(shape, dtype=array.dtype, device=device(array))
    offset = box // 2 - old // 2
    source = slice(max(0, -offset), min(old, box - offset))
    target = slice(source.start + offset, source.stop + offset)
    result[(..., *(target,) * n_axes)] = array[(..., *(source,) * n_axes)]
    return result


def _signed_indices(box: int) -> Int[np.ndarray, " box"]:
    return np.asarray(np.rint(np.fft.fftfreq(box) * box), dtype=np.int64)


def _squared_indices(box: int) -> tuple[Float[np.ndarray, " box"], Float[np.ndarray, " half"]]:
    """Return the squares of whole frequencies along y or z, and along x, whose sums are exact.

    The root of a whole number is at least 1/(8 r) away from r + 1/2, so that roots round right in
    single precision up to r = 1448, which corners of larger boxes exceed.
    """
    dtype = np.float32 if box <= LARGEST_SINGLE else np.float64
    k = _signed_indices(box).astype(dtype)
    return np.square(k), np.square(np.arange(box // 2 + 1, dtype=dtype))


def _rounded_root(squared: Float[np.ndarray, ...]) -> Int[np.ndarray, ...]:
    root = np.sqrt(squared, out=squared)
    return np.asarray(np.rint(root, out=root), dtype=np.int32)


def cut_cube(
    volume: Float32[np.ndarray, "box box box"], centre: Sequence[int], edge: int
) -> Float32[np.ndarray, "edge edge edge"]:
    """Cut a cube whose voxel `edge//2` is the volume's voxel `centre` (z, y, x); zeros outside."""
    cube = np.zeros((edge,) * 3, np.float32)
    source, target = [], []
    for c, size in zip(centre, volume.shape, strict=True):
        low = c - edge // 2
        inside = slice(max(low, 0), min(low + edge, size))
        source.append(inside)
        target.append(slice(inside.start - low, inside.stop - low))
    cube[tuple(target)] = volume[tuple(source)]
    return cube


def coarse_box(box: int, n_shells: int) -> int:
    """Return the edge to which a box is resampled so that it still holds `n_shells` shells."""
    coarse = next_fast_len(2 * n_shells + 2)
    return coarse if coarse < box else box
