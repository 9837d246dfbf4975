"""Three orthogonal planes through the focus: what the map figures show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from cryofocus.arrays import Volume

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

    Args:
        consensus: Map from all particles.
        focus_mask: Mask in [0, 1] on the same grid.

    Returns:
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

    Args:
        volume: Axes (z, y, x).
        view: Where to cut.

    Returns:
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
