"""Local resolution: FSC of two half maps in a window that moves over them, and filtering by it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Float64, Int
from scipy.ndimage import distance_transform_edt, map_coordinates, maximum_filter
from scipy.sparse import csr_array

from cryofocus.arrays import Volume
from cryofocus.maths.filters import expand_shells, lowpass_curve
from cryofocus.maths.fourier import forward_3d, hermitian_weights, inverse_3d, next_fast_len
from cryofocus.maths.grids import n_shells, shell_index_3d
from cryofocus.maths.masks import sphere_mask
from cryofocus.maths.shells import crossing_shell

LOCAL_THRESHOLD = 0.5
WINDOW_RESOLUTIONS = 6.0
MIN_WINDOW = 12
STEPS_PER_WINDOW = 4
BATCH = 64
N_FILTERS = 24


def choose_window(box: int, resolution_voxels: float) -> int:
    """Edge of the moving window in voxels: six times the resolution, within reason."""
    wanted = max(int(np.ceil(WINDOW_RESOLUTIONS * resolution_voxels)), MIN_WINDOW)
    return min(next_fast_len(wanted), box - box % 2)


def local_frequency(
    first: Volume,
    second: Volume,
    window: int,
    mask: Volume | None = None,
    *,
    threshold: float = LOCAL_THRESHOLD,
    advance: Callable[[int], None] = lambda _: None,
) -> Float32[np.ndarray, "box box box"]:
    """Spatial frequency in cycles per voxel at which the local FSC falls below a threshold.

    A spherical window with a raised-cosine edge is laid over both half maps in steps of a quarter
    of its width (Cardone, Heymann & Steven 2013). Between the steps the frequency is interpolated
    linearly; where nothing was measured, the nearest measured value stands. The threshold is 0.5:
    shells of a small window hold too few coefficients for 0.143.

    Args:
        first: Half map, unfiltered.
        second: The other half map, on the same grid.
        window: Edge of the window in voxels, even.
        mask: Where to measure; the whole sphere in the box otherwise.
        threshold: Of the FSC.
        advance: Called with the number of windows done; `count_windows` tells how many there are.
    """
    box, step = first.shape[0], window // STEPS_PER_WINDOW
    places = _places(box, step, mask)
    values = np.full((len(range(0, box, step)),) * 3, np.nan)
    for batch in (places[start : start + BATCH] for start in range(0, len(places), BATCH)):
        curves = _window_fsc(first, second, batch * step, window)
        found = [crossing_shell(curve, threshold) / window for curve in curves]
        values[tuple(batch.T)] = found
        advance(len(batch))
    nearest = distance_transform_edt(np.isnan(values), return_distances=False, return_indices=True)
    filled = values[tuple(nearest)].astype(np.float32)
    dense = np.empty((box,) * 3, np.float32)
    y, x = np.indices((box, box), dtype=np.float32) / step
    for number, plane in enumerate(dense):
        z = np.full_like(x, number / step)
        map_coordinates(filled, [z, y, x], output=plane, order=1, mode="nearest")
    return dense


def count_windows(box: int, window: int, mask: Volume | None = None) -> int:
    """Count the windows that `local_frequency` looks through."""
    return len(_places(box, window // STEPS_PER_WINDOW, mask))


def filter_locally(volume: Volume, frequency: Float32[np.ndarray, "box box box"]) -> Volume:
    """Low-pass filter a map in every voxel at its own spatial frequency in cycles per voxel.

    Between the whole map filtered at 24 frequencies it is interpolated linearly.
    """
    box = volume.shape[0]
    half = forward_3d(volume)
    lowest, highest = float(frequency.min()), float(frequency.max())
    levels = np.unique(np.linspace(lowest, highest, N_FILTERS))
    width = (highest - lowest) / (N_FILTERS - 1) or 1.0
    result = np.zeros_like(volume)
    for level in levels:
        share = np.clip(1 - np.abs(frequency - np.float32(level)) / np.float32(width), 0, 1)
        if not share.any():
            continue
        curve = lowpass_curve(box, level * box)
        result += share * inverse_3d(half * expand_shells(curve, box).astype(np.float32), box)
    return result


def _places(box: int, step: int, mask: Volume | None) -> Int[np.ndarray, "n 3"]:
    """Choose the steps (z, y, x) at which the window's centre is set."""
    if mask is None:
        mask = sphere_mask(box, 1.0, (0.0, 0.0, 0.0), box / 2, 0.0)
    near = maximum_filter(mask > 0.5, size=2 * step - 1)
    return np.argwhere(near[::step, ::step, ::step])


def _window_fsc(
    first: Volume, second: Volume, centres: Int[np.ndarray, "n 3"], window: int
) -> Float64[np.ndarray, "n n_shells"]:
    """FSC of both maps within the window about each centre (z, y, x)."""
    shape = sphere_mask(window, 1.0, (0.0, 0.0, 0.0), window / 4, window / 4)
    halves = []
    for volume in (first, second):
        padded = np.pad(volume, window // 2)
        views = np.lib.stride_tricks.sliding_window_view(padded, (window,) * 3)
        halves.append(forward_3d(views[tuple(centres.T)] * shape))
    summing = _shell_sums(window)
    cross, power_1, power_2 = (
        (values.reshape(len(centres), -1) @ summing).astype(np.float64)
        for values in (
            (halves[0] * halves[1].conj()).real,
            np.abs(halves[0]) ** 2,
            np.abs(halves[1]) ** 2,
        )
    )
    power = np.sqrt(power_1 * power_2)
    return np.asarray(np.divide(cross, power, out=np.zeros_like(cross), where=power > 0))


def _shell_sums(window: int) -> csr_array:
    """Matrix that sums the coefficients of a flat half transform over complete shells."""
    shells = shell_index_3d(window)
    weights = np.broadcast_to(hermitian_weights(window), shells.shape)
    inside = np.flatnonzero(shells.ravel() < n_shells(window))
    return csr_array(
        (weights.ravel()[inside], (inside, shells.ravel()[inside])),
        shape=(shells.size, n_shells(window)),
    )
