"""Compiled loops that draw Gaussian beads on periodic grids; flat arrays, no checks.

A bead adds the product of its Gaussians along the axes to every node within its reach. Nodes
beyond an edge are those of the other side; a line of nodes is written in runs between the edges.

From node to node a Gaussian changes by a factor, and this factor by another that is the same
everywhere: g(d + 1) = g(d) r(d), r(d + 1) = r(d) exp(-1 / width^2). Lines are filled from the node
before the centre outwards, so that rounding grows where the Gaussian falls.
"""

from __future__ import annotations

import numpy as np

from cryofocus.kernels._compiler import njit
from cryofocus.kernels._vector import add_scaled, load, store

# Reassociation and fused multiply-add only: infinities and NaN keep their meaning.
FAST = {"reassoc", "contract", "nsz"}
# Nodes that are written at once; lines along x have a multiple of so many.
WIDTH = 8


@njit(cache=True, fastmath=FAST)
def _fill_line(place, inverse, ratio, reach, amount, line):
    """Fill a line of 2 reach nodes with a Gaussian times an amount; return its first node.

    `inverse` is one over the square of the width, `ratio` its negative exponential.
    """
    middle, start = int(np.floor(place)), reach - 1
    offset = middle - place
    here = amount * np.exp(-0.5 * offset * offset * inverse)
    up = np.exp(-(offset + 0.5) * inverse)
    down = ratio / up
    value = here
    for k in range(start, 2 * reach):
        line[k] = value
        value *= up
        up *= ratio
    value = here
    for k in range(start, -1, -1):
        line[k] = value
        value *= down
        down *= ratio
    return middle - start


@njit(cache=True, fastmath=FAST)
def _round_up(reach):
    """Return a reach to either side that makes whole vectors."""
    half = WIDTH // 2
    return half * ((reach + half - 1) // half)


@njit(cache=True, fastmath=FAST)
def _add_line(line, n, node, factor, grid, start, edge):
    """Add a line of nodes times a factor to a periodic row, from one of its nodes on."""
    if node + n <= edge:
        for k in range(0, n, WIDTH):
            at = start + node + k
            store(add_scaled(load(WIDTH, grid, at), factor, load(WIDTH, line, k)), grid, at)
        return
    done = 0
    while done < n:
        run = min(n - done, edge - node)
        for k in range(run):
            grid[start + node + k] += factor * line[done + k]
        done += run
        node = 0


@njit(cache=True, fastmath=FAST, nogil=True)
def draw_images(
    place,  # IN (image, bead, 2) x, y in nodes
    width,  # IN (bead,) standard deviation in nodes
    ratio,  # IN (bead,) exp(-1 / width^2)
    reach,  # IN (bead,) nodes to either side
    weight,  # IN (image, bead)
    along_x,  # workspace (twice the longest reach, and WIDTH) float32
    along_y,  # workspace, likewise
    edge,  # nodes along an axis
    grid,  # IN and OUT (image y x,) float32
):
    """Add beads to images."""
    for i in range(place.shape[0]):
        for b in range(place.shape[1]):
            amount = weight[i, b] / (2 * np.pi * width[b] * width[b])
            if amount == 0.0:
                continue
            n, wide = 2 * reach[b], _round_up(reach[b])
            inverse, falls = 1.0 / (width[b] * width[b]), ratio[b]
            x = _fill_line(place[i, b, 0], inverse, falls, wide, amount, along_x) % edge
            y = _fill_line(place[i, b, 1], inverse, falls, reach[b], 1.0, along_y) % edge
            for k in range(n):
                start = (i * edge + y) * edge
                _add_line(along_x, 2 * wide, x, along_y[k], grid, start, edge)
                y = y + 1 if y + 1 < edge else 0


@njit(cache=True, fastmath=FAST, nogil=True)
def draw_volume(
    place,  # IN (bead, 3) x, y, z in nodes
    width,  # IN (bead,) standard deviation in nodes
    ratio,  # IN (bead,) exp(-1 / width^2)
    reach,  # IN (bead,) nodes to either side
    weight,  # IN (bead,)
    along_x,  # workspace (twice the longest reach, and WIDTH) float32
    along_y,  # workspace, likewise
    along_z,  # workspace, likewise
    edge,  # nodes along an axis
    grid,  # IN and OUT (z y x,) float32
):
    """Add beads to a volume."""
    for b in range(place.shape[0]):
        amount = weight[b] / (2 * np.pi * width[b] * width[b]) ** 1.5
        if amount == 0.0:
            continue
        n, wide = 2 * reach[b], _round_up(reach[b])
        inverse, falls = 1.0 / (width[b] * width[b]), ratio[b]
        x = _fill_line(place[b, 0], inverse, falls, wide, amount, along_x) % edge
        first = _fill_line(place[b, 1], inverse, falls, reach[b], 1.0, along_y) % edge
        z = _fill_line(place[b, 2], inverse, falls, reach[b], 1.0, along_z) % edge
        for j in range(n):
            y = first
            for k in range(n):
                factor = along_z[j] * along_y[k]
                _add_line(along_x, 2 * wide, x, factor, grid, (z * edge + y) * edge, edge)
                y = y + 1 if y + 1 < edge else 0
            z = z + 1 if z + 1 < edge else 0
