"""Draws Gaussian beads on periodic grids: allocates and checks for the compiled loops."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int

from cryofocus.kernels import _bead_loops

# Beads end so many standard deviations from their centres, where they have fallen to 3e-7.
REACH = 5.5
LEAST_WIDTH = 0.25


def draw_images(
    place: Float[np.ndarray, "n bead 2"],
    width: Float[np.ndarray, " bead"],
    weight: Float[np.ndarray, "n bead"],
    edge: int,
) -> Float32[np.ndarray, "n edge edge"]:
    """Draw beads on square grids.

    Args:
        place: x, y in nodes; node 0 is the origin, and what leaves a side enters at the other.
        width: Standard deviation in nodes, a quarter of one or more.
        weight: Sum of each bead over the nodes, if it is not much narrower than they are apart.
        edge: Nodes along an axis.

    Returns:
        The grids, axes y, x.
    """
    grid, reach = np.zeros((len(place), edge, edge), np.float32), _reach(width)
    arrays = (np.ascontiguousarray(array, np.float64) for array in (place, width, weight))
    place, width, weight = arrays
    ratio, flat = np.exp(-(width**-2)), grid.ravel()
    x, y = _lines(reach, 2)
    _bead_loops.draw_images(place, width, ratio, reach, weight, x, y, edge, flat)
    return grid


def draw_volume(
    place: Float[np.ndarray, "bead 3"],
    width: Float[np.ndarray, " bead"],
    weight: Float[np.ndarray, " bead"],
    edge: int,
) -> Float32[np.ndarray, "edge edge edge"]:
    """Draw beads on a cubic grid.

    Args:
        place: x, y, z in nodes, as for `draw_images`.
        width: Standard deviation in nodes, a quarter of one or more.
        weight: As for `draw_images`.
        edge: Nodes along an axis.

    Returns:
        The grid, axes z, y, x.
    """
    grid, reach = np.zeros((edge, edge, edge), np.float32), _reach(width)
    arrays = (np.ascontiguousarray(array, np.float64) for array in (place, width, weight))
    place, width, weight = arrays
    ratio, flat = np.exp(-(width**-2)), grid.ravel()
    x, y, z = _lines(reach, 3)
    _bead_loops.draw_volume(place, width, ratio, reach, weight, x, y, z, edge, flat)
    return grid


def _reach(width: Float[np.ndarray, " bead"]) -> Int[np.ndarray, " bead"]:
    """Nodes to either side of each bead.

    Raises:
        ValueError: When a bead is so narrow that it may fall between nodes.
    """
    if not (width >= LEAST_WIDTH).all():
        message = f"found beads of {width.min()} nodes, expected at least {LEAST_WIDTH}"
        raise ValueError(message)
    return np.ceil(REACH * width).astype(np.int64)


def _lines(reach: Int[np.ndarray, " bead"], n_axes: int) -> list[Float32[np.ndarray, " node"]]:
    """Make room for the longest line along each axis."""
    longest = 2 * int(reach.max(initial=0)) + _bead_loops.WIDTH
    return [np.empty(longest, np.float32) for _ in range(n_axes)]
