"""Three orthogonal planes through the focus: what the map figures show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from cryofocus.arrays import Volume
from cryofocus.maths.fourier import forward_3d, inverse_3d
from cryofocus.maths.grids import n_shells, shell_index_3d
from cryofocus.maths.shells import shell_mean_3d

MARGIN_FRACTION = 0.06
DENSITY_SIGMAS = 3.0
MASK_EDGE = 0.1
STRAY_FRACTION = 0.003

Planes = tuple[Float[np.ndarray, "r c"], Float[np.ndarray, "r c"], Float[np.ndarray, "r c"]]
"""Planes xy, xz and zy, each with its first named axis running to the right."""


@dataclass(frozen=True)
class View:
    """Where the planes cut, and the cube around the particle that is shown.

    ``centre`` is the voxel (z, y, x) the planes pass through; ``low`` and ``high`` bound the shown
    cube on every axis alike (``high`` excluded).
    """

    centre: tuple[int, int, int]
    low: int
    high: int


def choose_view(consensus: Volume, focus_mask: Volume) -> View:
    """Cut through the middle of the mask and show all density and the whole mask.

    Parameters
    ----------
    consensus
        Map from all particles.
    focus_mask
        Mask in [0, 1] on the same grid.

    Returns
    -------
    View
        The whole box where density reaches its edges; a few stray voxels do not count.
    """
    box = consensus.shape[0]
    weights = focus_mask.astype(np.float64)
    total = max(float(weights.sum()), np.finfo(float).tiny)
    sums = [weights.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    centre = [round(float(profile @ np.arange(box)) / total) for profile in sums]
    bright = consensus > contour_level(consensus)
    ends = _extents(bright, STRAY_FRACTION) + _extents(focus_mask > MASK_EDGE, 0.0)
    margin = round(MARGIN_FRACTION * box)
    low = max(min((first for first, _ in ends), default=0) - margin, 0)
    high = min(max((last for _, last in ends), default=box - 1) + margin + 1, box)
    return View((centre[0], centre[1], centre[2]), low, high)


def _extents(
    shown: Bool[np.ndarray, "box box box"], stray_fraction: float
) -> list[tuple[int, int]]:
    """Find first and last position along each axis, but for a fraction of stray voxels."""
    total = int(np.count_nonzero(shown))
    if total == 0:
        return []
    ends = []
    for axis in range(3):
        below = np.cumsum(shown.sum(axis=tuple({0, 1, 2} - {axis}))) / total
        first = int(np.argmax(below > stray_fraction))
        last = int(np.argmax(below >= 1.0 - stray_fraction))
        ends.append((first, last))
    return ends


def contour_level(volume: Volume) -> float:
    """Choose a level for surfaces: three standard deviations above the mean."""
    mean, deviation = float(volume.mean(dtype=np.float64)), float(volume.std(dtype=np.float64))
    return mean + DENSITY_SIGMAS * deviation


def cut(volume: Volume, view: View) -> Planes:
    """Cut the three planes.

    Parameters
    ----------
    volume
        Axes (z, y, x).
    view
        Where to cut.

    Returns
    -------
    Planes
        Copies, so that the volume can be forgotten. The third plane shows z to the right and y
        upward, so that it continues the first one.
    """
    z, y, x = view.centre
    shown = slice(view.low, view.high)
    return (
        volume[z, shown, shown].copy(),
        volume[shown, y, shown].copy(),
        volume[shown, shown, x].T.copy(),
    )


def scaled_difference(volume: Volume, reference: Volume) -> Volume:
    """Subtract a reference scaled to the volume in every Fourier shell.

    D = A - s(shell) B with the least-squares scale s = Re<A, B> / <B, B>, so that different
    filtering does not show up as difference. A ratio of amplitudes would count the noise of A,
    which stems from fewer particles, as signal, and leave a negative ghost of B.

    Parameters
    ----------
    volume, reference
        Maps A and B on one grid.

    Returns
    -------
    float32 array (z, y, x)
        D; where the reference has no power, nothing is subtracted.
    """
    box = volume.shape[0]
    half = forward_3d(volume)
    other = forward_3d(reference)
    common = shell_mean_3d((half * other.conj()).real, box)
    power = shell_mean_3d(np.abs(other) ** 2, box)
    scale = np.divide(common, power, out=np.zeros(n_shells(box)), where=power > 0)
    # Corners beyond the last complete shell take its scale.
    shells = np.minimum(shell_index_3d(box), n_shells(box) - 1)
    half -= scale.astype(np.float32)[shells] * other
    return np.asarray(inverse_3d(half, box), dtype=np.float32)
