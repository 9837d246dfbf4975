"""Fourier transforms of centred images and volumes.

The real-space centre, pixel `box//2` on every axis, is the phase origin. Forward transforms are
not normalised; inverse transforms divide by the number of points. Transforms keep the precision
of their input: float32 gives complex64. On the host they are SciPy's; arrays of a device are
transformed there.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import EllipsisType
from typing import Literal

import numpy as np
import scipy.fft
from jaxtyping import Complex, Float, Inexact, Int

from cryofocus.placement import Array, Send, device, is_on_host, namespace, stay

PLANE = (-2, -1)
# Complex numbers that are worked on at a time where a whole transform would be large.
BLOCK_VALUES = 2**22
SPACE = (-3, -2, -1)


def forward_2d(
    images: Float[Array, "*batch box box"], *, threads: int = 1
) -> Complex[Array, "*batch box half"]:
    """Half transforms of square images.

    Args:
        images: Real images, centre at `box//2`.
        threads: Threads used over the leading axes.

    Returns:
        Origin at the corner, phase origin at the image centre.
    """
    return _forward(images, PLANE, threads)


def forward_2d_cropped(
    images: Float[Array, "*batch old_box old_box"], box: int, *, threads: int = 1
) -> Complex[Array, "*batch box half"]:
    """Half transforms of square images, cropped to a smaller box: `resize_half_2d`, sooner.

    Coefficients keep their values. Columns that are left out are not transformed along y.
    """
    if images.shape[-1] == box:
        return forward_2d(images, threads=threads)
    shift = np.fft.ifftshift if is_on_host(images) else namespace(images).fft.ifftshift
    return corner_2d_cropped(shift(images, axes=PLANE), box, threads=threads)


def corner_2d_cropped(
    images: Float[Array, "*batch old_box old_box"], box: int, *, threads: int = 1
) -> Complex[Array, "*batch box half"]:
    """Do what `forward_2d_cropped` does, but for the phase origin: it is the corner pixel."""
    xp, old = namespace(images), images.shape[-1]
    half = _transform("rfft", images, -1, threads)
    half = _transform("fft", half[..., : box // 2 + 1], -2, threads, overwrite=box == old)
    if box == old:
        return half
    parts = (slice(0, (box + 1) // 2), slice(old - box // 2, None))
    return xp.concat([half[_along(-2, part)] for part in parts], axis=-2)


def inverse_2d(
    half: Complex[Array, "*batch box half"], box: int, *, threads: int = 1
) -> Float[Array, "*batch box box"]:
    """Images of half transforms; the inverse of `forward_2d`.

    Args:
        half: Half transforms.
        box: Edge of the images; the half transform alone cannot tell an even from an odd box.
        threads: Threads used over the leading axes.

    Returns:
        Real images, centre at `box//2`.
    """
    return _inverse(half, box, PLANE, threads)


def inverse_2d_rows(
    half: Complex[np.ndarray, "n box column component"],
    box: int,
    rows: Int[np.ndarray, "n row"],
    *,
    threads: int = 1,
) -> Float[np.ndarray, "n row box component"]:
    """Return some rows of the images of half transforms: the numbers of `inverse_2d`, sooner.

    Half transforms are given by their first columns, all others being zero, several components
    (images) a particle; rows count from 0 to box-1, and the image centre is `box//2`.
    """
    columns = scipy.fft.ifft(half, axis=1, workers=threads)
    chosen = columns[np.arange(len(half))[:, None], (rows - box // 2) % box]
    lines = scipy.fft.irfft(chosen, n=box, axis=2, workers=threads)
    return np.fft.fftshift(lines, axes=2)


def sum_harmonics(
    harmonics: Complex[np.ndarray, "harmonic ..."], n_angles: int
) -> Float[np.ndarray, "n_angles ..."]:
    """Real functions of an angle, from their orders m = 0, 1, ...: `sum_m F_m exp(i m a)`.

    Args:
        harmonics: Orders from 0; those of -m are the conjugates, and count.
        n_angles: Angles `2 pi j / n_angles`; even, and at least twice the number of orders.
    """
    return np.asarray(scipy.fft.irfft(harmonics, n=n_angles, axis=0, norm="forward"))


def forward_3d(
    volume: Float[Array, "*batch box box box"], *, threads: int = 1
) -> Complex[Array, "*batch box box half"]:
    """Half transforms of cubic volumes `(z, y, x)`, laid out as those of `forward_2d`."""
    return _forward(volume, SPACE, threads)


def inverse_3d(
    half: Complex[Array, "*batch box box half"], box: int, *, threads: int = 1
) -> Float[Array, "*batch box box box"]:
    """Volumes of half transforms, as `inverse_2d` gives images; the inverse of `forward_3d`."""
    return _inverse(half, box, SPACE, threads)


def forward_3d_padded(
    volume: Float[Array, "*batch d d d"], box: int, *, threads: int = 1
) -> Complex[Array, "*batch box box half"]:
    """Half transforms of volumes in the middle of an empty box: `forward_3d` of that, sooner.

    The centre of a volume is at `d//2`, and the box has at least its edge d. Lines that hold
    nothing are not transformed: 58 % of the work for a box twice as large.
    """
    half = _transform("rfft", _wrap(volume, -1, box), -1, threads)
    for axis in (-2, -3):
        half = _transform("fft", _wrap(half, axis, box), axis, threads, overwrite=True)
    return half


def inverse_3d_cropped(
    half: Complex[Array, "*batch box box half"], box: int, cropped: int, *, threads: int = 1
) -> Float[Array, "*batch d d d"]:
    """Middle parts of the volumes of half transforms: `inverse_3d` cropped, sooner.

    The edge d of what is wanted of them is `cropped`, at most `box`; its centre is at `d//2`.
    """
    half = _unwrap(_transform("ifft", half, -3, threads), -3, cropped)
    half = _unwrap(_transform("ifft", half, -2, threads, overwrite=True), -2, cropped)
    return _unwrap(_transform("irfft", half, -1, threads, n=box), -1, cropped)


def inverse_3d_of_blocks(
    blocks: Iterable[tuple[slice, Complex[np.ndarray, "box row half"]]],
    box: int,
    cropped: int,
    *,
    threads: int = 1,
    room: Complex[np.ndarray, "d box half"] | None = None,
) -> Float[np.ndarray, "d d d"]:
    """Do what `inverse_3d_cropped` does for a half transform that comes some rows (y) at a time.

    The whole of it is never in memory, and in its stead half as much.

    Args:
        blocks: Rows, and what they hold, which may be overwritten.
        box: Edge of the half transform.
        cropped: Edge d of what is wanted.
        threads: Threads used over the other axes.
        room: `(d, box, box//2+1)` where that half may lie: rows are written after they have come.
            Memory of its own by default.
    """
    half = np.empty((cropped, box, box // 2 + 1), np.complex64) if room is None else room
    for rows, block in blocks:
        lines = _transform("ifft", block, -3, threads, overwrite=True)
        half[:, rows] = _unwrap(lines, -3, cropped)
    volume = np.empty((cropped,) * 3, np.float32)
    n = max(1, BLOCK_VALUES // (box * (box // 2 + 1)))
    for start in range(0, cropped, n):
        planes = _transform("ifft", half[start : start + n], -2, threads, overwrite=True)
        planes = _transform("irfft", _unwrap(planes, -2, cropped), -1, threads, n=box)
        volume[start : start + n] = _unwrap(planes, -1, cropped)
    return volume


def next_fast_len(at_least: int) -> int:
    """Return the smallest even length, at least the one given, whose transform is fast."""
    length = at_least + at_least % 2
    while scipy.fft.next_fast_len(length, real=True) != length:
        length += 2
    return length


def hermitian_weights(box: int) -> Float[np.ndarray, " half"]:
    """How often each column of a half transform counts in a sum over the full plane.

    Returns:
        1 on the x=0 column and, for an even box, on the Nyquist column; 2 elsewhere.
    """
    weights = np.full(box // 2 + 1, 2.0, dtype=np.float32)
    weights[0] = 1.0
    if box % 2 == 0:
        weights[-1] = 1.0
    return weights


def shift_phases(
    box: int,
    pixel_size_angstrom: float,
    shift_angstrom: Float[np.ndarray, "n 2"],
    *,
    send: Send = stay,
) -> Complex[Array, "n box half"]:
    """Factors that translate images: `exp(-2 pi i f.shift)`.

    A transform times this factor is the transform of the image moved by +shift.

    Args:
        box: Edge of the images in pixels.
        pixel_size_angstrom: Å per pixel.
        shift_angstrom: Translations x, y in Å.
        send: Brings arrays to where the factors shall lie.
    """
    along_y, along_x = shift_factors(box, pixel_size_angstrom, shift_angstrom, send=send)
    return along_y * along_x


def shift_factors(
    box: int,
    pixel_size_angstrom: float,
    shift_angstrom: Float[np.ndarray, "n 2"],
    *,
    send: Send = stay,
) -> tuple[Complex[Array, "n box 1"], Complex[Array, "n 1 half"]]:
    """Return what `shift_phases` multiplies: the factors along y and along x."""
    fx = np.fft.rfftfreq(box, pixel_size_angstrom)
    fy = np.fft.fftfreq(box, pixel_size_angstrom)
    along_x = send(np.exp(-2j * np.pi * shift_angstrom[:, 0:1] * fx).astype(np.complex64))
    along_y = send(np.exp(-2j * np.pi * shift_angstrom[:, 1:2] * fy).astype(np.complex64))
    return along_y[:, :, None], along_x[:, None, :]


def resize_half_2d(
    half: Complex[np.ndarray, "*batch old_box old_half"], box: int, new_box: int
) -> Complex[np.ndarray, "*batch new_box new_half"]:
    """Crop or zero-pad half transforms in Fourier space; coefficients keep their values.

    Growing from an even box drops its Nyquist row and column, which have no unambiguous place
    on the finer grid.
    """
    old_rows, new_rows, columns = _shared_coefficients(box, new_box)
    result = np.zeros((*half.shape[:-2], new_box, new_box // 2 + 1), dtype=half.dtype)
    result[..., new_rows[:, None], columns] = half[..., old_rows[:, None], columns]
    return result


def resize_half_3d(
    half: Inexact[np.ndarray, "*batch old_box old_box old_half"], box: int, new_box: int
) -> Inexact[np.ndarray, "*batch new_box new_box new_half"]:
    """Crop or zero-pad half transforms of volumes, or weights of them; see `resize_half_2d`."""
    old, new, columns = _shared_coefficients(box, new_box)
    result = np.zeros((*half.shape[:-3], new_box, new_box, new_box // 2 + 1), dtype=half.dtype)
    target = (..., new[:, None, None], new[None, :, None], columns)
    result[target] = half[..., old[:, None, None], old[None, :, None], columns]
    return result


def resize_images(
    images: Float[np.ndarray, "*batch old_box old_box"], new_box: int, *, threads: int = 1
) -> Float[np.ndarray, "*batch new_box new_box"]:
    """Resample images by Fourier cropping or padding; the field of view and grey values stay.

    The pixel size becomes `pixel_size * old_box / new_box`; the centre stays the centre.
    """
    box = images.shape[-1]
    if new_box < box:
        half = forward_2d_cropped(images, new_box, threads=threads)
    else:
        half = resize_half_2d(forward_2d(images, threads=threads), box, new_box)
    factor = images.dtype.type((new_box / box) ** 2)
    return np.asarray(inverse_2d(half, new_box, threads=threads) * factor)


def resize_volume(
    volume: Float[np.ndarray, "old_box old_box old_box"], new_box: int, *, threads: int = 1
) -> Float[np.ndarray, "new_box new_box new_box"]:
    """Resample a volume by Fourier cropping or padding; extent and grey values stay.

    The voxel size becomes `voxel_size * old_box / new_box`; the centre stays the centre.
    """
    box = volume.shape[-1]
    half = resize_half_3d(forward_3d(volume, threads=threads), box, new_box)
    factor = volume.dtype.type((new_box / box) ** 3)
    return np.asarray(inverse_3d(half, new_box, threads=threads) * factor)


def _shared_coefficients(box: int, new_box: int) -> tuple[np.ndarray, np.ndarray, slice]:
    """Rows (in the old and the new layout) and columns that both half transforms hold."""
    if new_box <= box:
        low, high, columns = -(new_box // 2), (new_box - 1) // 2, new_box // 2 + 1
    else:
        high = (box - 1) // 2
        low, columns = -high, high + 1
    k = np.arange(low, high + 1)
    return k % box, k % new_box, slice(0, columns)


def _forward(array: Array, axes: tuple[int, ...], threads: int) -> Array:
    """Return half transforms over the last axes."""
    if not is_on_host(array):
        fft = namespace(array).fft
        return fft.rfftn(fft.ifftshift(array, axes=axes), axes=axes)
    shifted = np.fft.ifftshift(array, axes=axes)
    return np.asarray(scipy.fft.rfftn(shifted, axes=axes, workers=threads, overwrite_x=True))


def _inverse(half: Array, box: int, axes: tuple[int, ...], threads: int) -> Array:
    """Return what half transforms over the last axes stand for."""
    shape = (box,) * len(axes)
    if not is_on_host(half):
        fft = namespace(half).fft
        return fft.fftshift(fft.irfftn(half, s=shape, axes=axes), axes=axes)
    whole = scipy.fft.irfftn(half, s=shape, axes=axes, workers=threads)
    return np.fft.fftshift(whole, axes=axes)


def _transform(
    kind: Literal["fft", "ifft", "rfft", "irfft"],
    array: Array,
    axis: int,
    threads: int,
    *,
    n: int | None = None,
    overwrite: bool = False,
) -> Array:
    """Transform along one axis, in the array's own memory if it may be overwritten."""
    if not is_on_host(array):
        return getattr(namespace(array).fft, kind)(array, n=n, axis=axis)
    transform = getattr(scipy.fft, kind)
    return transform(array, n=n, axis=axis, workers=threads, overwrite_x=overwrite)


def _wrap(array: Array, axis: int, length: int) -> Array:
    """Pad an axis with zeros; its centre comes to index 0 and what lay before it to the end."""
    xp, old = namespace(array), array.shape[axis]
    before = old // 2
    shape = list(array.shape)
    shape[axis] = length
    wrapped = xp.zeros(tuple(shape), dtype=array.dtype, device=device(array))
    wrapped[_along(axis, slice(0, old - before))] = array[_along(axis, slice(before, old))]
    wrapped[_along(axis, slice(length - before, length))] = array[_along(axis, slice(0, before))]
    return wrapped


def _unwrap(array: Array, axis: int, length: int) -> Array:
    """Undo `_wrap`."""
    old, before = array.shape[axis], length // 2
    parts = (slice(old - before, old), slice(0, length - before))
    return namespace(array).concat([array[_along(axis, part)] for part in parts], axis=axis)


def _along(axis: int, part: slice) -> tuple[slice | EllipsisType, ...]:
    """Index a part of one of the last axes, counted from the end."""
    return (..., part, *[slice(None)] * (-1 - axis))
