"""Compiled loop that reads Fourier coefficients between the nodes of grids; no checks.

A window reaches `taps` nodes along every axis. Grids hold the columns x from `-margin` on, far
enough that a window never leaves them; along y and z they are periodic. What a window reads of a
row is one run of floats: the maps' real and imaginary parts, node after node. Runs are summed over
y and z first, eight floats at a time, and only the sum is weighted along x.
"""

from __future__ import annotations

import numpy as np

from cryofocus.kernels._compiler import njit
from cryofocus.kernels._vector import add_scaled, load, store

# Reassociation and fused multiply-add only: infinities and NaN keep their meaning.
FAST = {"reassoc", "contract", "nsz"}
# Floats that are handled at once; the last run of a grid may be read so far beyond its end.
WIDTH = 8


@njit(cache=True, fastmath=FAST)
def _weigh(place, taps, table, weights):
    """Look up the window at the nodes around a place; return the first of them."""
    first = int(np.ceil(place - 0.5 * taps))
    # The table starts at one end of the window, and has so many entries from node to node.
    steps = (table.shape[0] - 2) / taps
    for k in range(taps):
        at = (first + k - place + 0.5 * taps) * steps
        low = int(at)
        part = at - low
        weights[k] = (1 - part) * table[low] + part * table[low + 1]
    return first


@njit(cache=True, fastmath=FAST, nogil=True)
def gather_between(
    grid,  # IN (z y column map part,) float32, and WIDTH floats more
    shape,  # IN (edge, columns, columns before x = 0, maps)
    table,  # IN (entry,) window from end to end, and one entry more
    taps,  # nodes the window reaches
    points,  # IN (point, 2) kx, ky in nodes
    matrices,  # IN (image, 2, 3)
    weights,  # workspace (3, taps) float32
    run,  # workspace (2 taps maps, rounded up to WIDTH) float32
    out,  # OUT (image, point, map, part) float32
):
    """Read every map at A^T (kx, ky, 0)."""
    edge, n_columns, margin, n_maps = shape
    node = 2 * n_maps
    for i in range(matrices.shape[0]):
        m = matrices[i]
        for p in range(points.shape[0]):
            kx, ky = points[p, 0], points[p, 1]
            x = m[0, 0] * kx + m[1, 0] * ky
            y = m[0, 1] * kx + m[1, 1] * ky
            z = m[0, 2] * kx + m[1, 2] * ky
            sign = np.float32(1)
            if x < 0:
                x, y, z, sign = -x, -y, -z, np.float32(-1)
            column = _weigh(x, taps, table, weights[0]) + margin
            row = _weigh(y, taps, table, weights[1])
            plane = _weigh(z, taps, table, weights[2])
            run[:] = 0
            for j in range(taps):
                rows = (plane + j) % edge * edge
                for k in range(taps):
                    start = ((rows + (row + k) % edge) * n_columns + column) * node
                    both = weights[2, j] * weights[1, k]
                    for n in range(0, run.shape[0], WIDTH):
                        total = load(WIDTH, run, n)
                        read = load(WIDTH, grid, start + n)
                        store(add_scaled(total, both, read), run, n)
            for c in range(n_maps):
                real = imaginary = np.float32(0)
                for n in range(taps):
                    real += weights[0, n] * run[n * node + 2 * c]
                    imaginary += weights[0, n] * run[n * node + 2 * c + 1]
                out[i, p, c, 0], out[i, p, c, 1] = real, sign * imaginary
