"""Compiled loops over particles and slice points; flat arrays, no checks.

Grids are half volumes of a padded box, flattened from axes (z, y, x >= 0, component), the
component (class or latent dimension) fastest, each with its real and imaginary part side by side:
all numbers of a node are one run of floats, so that the eight neighbours of a point are found
once for all components and handled as short vectors. A point with x < 0 is read at its Friedel
mate and conjugated, so that all its neighbours are stored.

Points are worked on in tiles that stay in the first-level cache: first where their neighbours are
(one simple loop over the tile, which the compiler turns into vectors over points), then, for a few
floats of the node at a time, everything that needs these floats (vectors over components, whose
sums stay in registers).

Data and precisions are float32, or the uint16 upper halves of float32 (`bfloat16`).
"""

from __future__ import annotations

import numpy as np

from cryofocus.kernels._compiler import njit
from cryofocus.kernels._vector import (
    add_product,
    add_scaled,
    alternate,
    as_float,
    load,
    prefetch,
    scale,
    store,
)

# Reassociation and fused multiply-add only: infinities and NaN keep their meaning.
FAST = {"reassoc", "contract", "arcp", "nsz"}
TILE = 128
# What is known of a tile's points: in `places` x, and the four rows (z, y) of the grid in which
# the neighbours x and x + 1 are; in `values` the neighbours' weights in this order, and then:
REAL, IMAGINARY, PRECISION, SIGN = 8, 9, 10, 11
N_PLACES, N_VALUES = 5, 12
# Floats of a grid beyond the second-level cache, and of a cache line.
LARGE_GRID, LINE = 2**20, 16
# Neighbouring planes (z) that one thread fills of a grid that it shares with others.
PLANES = 4
# Floats of a node that are handled at once, as long as so many are left.
WIDTHS = (8, 4, 2)


@njit(cache=True, fastmath=FAST)
def locate_tile(matrix, points, start, n, edge, places, values):
    """Find the neighbours of A^T (kx, ky, 0), their weights, and the sign of x."""
    # Single precision holds all whole numbers up to the square of an edge of 4096: rows are found
    # without a detour over integers, which the compiler would make 64 bits wide.
    zero, one, whole = np.float32(0), np.float32(1), np.float32(edge)
    a, b, c = matrix[0, 0], matrix[0, 1], matrix[0, 2]
    d, e, f = matrix[1, 0], matrix[1, 1], matrix[1, 2]
    columns, rows = points[0, start : start + n], points[1, start : start + n]
    for p in range(n):
        kx, ky = columns[p], rows[p]
        x = a * kx + d * ky
        y = b * kx + e * ky
        z = c * kx + f * ky
        sign = -one if x < zero else one
        x *= sign
        y *= sign
        z *= sign
        x0, y0, z0 = np.floor(x), np.floor(y), np.floor(z)
        fx, fy, fz = x - x0, y - y0, z - z0
        y1, z1 = y0 + one, z0 + one
        y0 += whole if y0 < zero else zero
        y1 += whole if y1 < zero else zero
        z0 += whole if z0 < zero else zero
        z1 += whole if z1 < zero else zero
        places[0, p] = np.int32(x0)
        places[1, p] = np.int32(z0 * whole + y0)
        places[2, p] = np.int32(z0 * whole + y1)
        places[3, p] = np.int32(z1 * whole + y0)
        places[4, p] = np.int32(z1 * whole + y1)
        gx, gy, gz = one - fx, one - fy, one - fz
        values[0, p] = gz * gy * gx
        values[1, p] = gz * gy * fx
        values[2, p] = gz * fy * gx
        values[3, p] = gz * fy * fx
        values[4, p] = fz * gy * gx
        values[5, p] = fz * gy * fx
        values[6, p] = fz * fy * gx
        values[7, p] = fz * fy * fx
        values[SIGN, p] = sign


@njit(cache=True, fastmath=FAST)
def read_tile(data, precision, start, n, values):
    """Take over a tile's data, conjugated where its mate is read, and precisions."""
    data, precision = data[2 * start : 2 * (start + n)], precision[start : start + n]
    for p in range(n):
        values[REAL, p] = as_float(data[2 * p])
        values[IMAGINARY, p] = as_float(data[2 * p + 1]) * values[SIGN, p]
        values[PRECISION, p] = as_float(precision[p])


@njit(cache=True, fastmath=FAST)
def fetch_tile(grid, places, n, edge, stride):
    """Ask for a tile's neighbours all at once where the grid is larger than the cache."""
    half = edge // 2 + 1
    if edge * edge * half * stride < LARGE_GRID:
        return
    for p in range(n):
        x = np.int64(places[0, p])
        for row in range(4):
            if places[row + 1, p] < 0:
                continue
            at = (np.int64(places[row + 1, p]) * half + x) * stride
            for first in range(0, 2 * stride, LINE):
                prefetch(grid, at + first)


@njit(cache=True, fastmath=FAST)
def keep_own(places, n, edge, sharer, n_sharing):
    """Strike out the rows of a tile that lie in planes which others fill."""
    for p in range(n):
        for row in (1, 3):
            plane = places[row, p] // edge
            if plane // PLANES % n_sharing != sharer:
                places[row, p] = -1
                places[row + 1, p] = -1


def _for_all_widths(make):
    """Return a loop that lets an operation work through so many floats, the widest first."""
    compile_ = njit(cache=False, fastmath=FAST)  # cached as part of who calls it
    by_eight, by_four, by_two = (compile_(make(width)) for width in WIDTHS)

    @njit(cache=False, fastmath=FAST)
    def work_through(n_floats, *arguments):
        first = 0
        while first + 8 <= n_floats:
            by_eight(first, *arguments)
            first += 8
        if first + 4 <= n_floats:
            by_four(first, *arguments)
            first += 4
        if first + 2 <= n_floats:
            by_two(first, *arguments)

    return work_through


def _make_interpolate(width):
    @njit(cache=False, fastmath=FAST)
    def interpolate(first, grid, places, values, p, half, stride):
        at = (np.int64(places[1, p]) * half + places[0, p]) * stride + first
        low = scale(values[0, p], load(width, grid, at))
        high = scale(values[1, p], load(width, grid, at + stride))
        at = (np.int64(places[2, p]) * half + places[0, p]) * stride + first
        low = add_scaled(low, values[2, p], load(width, grid, at))
        high = add_scaled(high, values[3, p], load(width, grid, at + stride))
        at = (np.int64(places[3, p]) * half + places[0, p]) * stride + first
        low = add_scaled(low, values[4, p], load(width, grid, at))
        high = add_scaled(high, values[5, p], load(width, grid, at + stride))
        at = (np.int64(places[4, p]) * half + places[0, p]) * stride + first
        low = add_scaled(low, values[6, p], load(width, grid, at))
        high = add_scaled(high, values[7, p], load(width, grid, at + stride))
        return add_scaled(low, np.float32(1), high)

    return interpolate


def _make_nodes(width):
    interpolate = _make_interpolate(width)

    def nodes(first, grid, places, values, n, half, stride, out):
        for p in range(n):
            node = interpolate(first, grid, places, values, p, half, stride)
            store(node, out, p * stride + first)

    return nodes


def _make_moments(width):
    interpolate = _make_interpolate(width)

    def moments(first, grid, places, values, n, half, stride, linear, quadratic):
        once, twice = load(width, linear, first), load(width, quadratic, first)
        for p in range(n):
            node = interpolate(first, grid, places, values, p, half, stride)
            datum = alternate(width, values[REAL, p], values[IMAGINARY, p])
            once = add_product(once, datum, node)
            twice = add_product(twice, scale(values[PRECISION, p], node), node)
        store(once, linear, first)
        store(twice, quadratic, first)

    return moments


def _make_project(width):
    def project(first, nodes, stride, pairs, n, sums):
        """Add up the products of nodes with one pair of numbers per point."""
        total = load(width, sums, first)
        for p in range(n):
            pair = alternate(width, pairs[0, p], pairs[1, p])
            total = add_product(total, pair, load(width, nodes, p * stride + first))
        store(total, sums, first)

    return project


def _make_spread(width):
    def spread(first, data_weights, precision_weights, places, values, n, half, stride, sums):
        """Add weighted data and precisions to their neighbours; the adjoint of interpolation."""
        is_empty = True
        for k in range(first, first + width):
            is_empty &= data_weights[k] == 0 and precision_weights[k] == 0
        if is_empty:
            return
        of_data, of_precision = (
            load(width, data_weights, first),
            load(width, precision_weights, first),
        )
        for p in range(n):
            node = scale(values[PRECISION, p], of_precision)
            datum = alternate(width, values[REAL, p], values[IMAGINARY, p])
            node = add_product(node, datum, of_data)
            for row in range(4):
                if places[row + 1, p] < 0:
                    continue
                at = (np.int64(places[row + 1, p]) * half + places[0, p]) * stride + first
                low = add_scaled(load(width, sums, at), values[2 * row, p], node)
                store(low, sums, at)
                at += stride
                high = add_scaled(load(width, sums, at), values[2 * row + 1, p], node)
                store(high, sums, at)

    return spread


_nodes = _for_all_widths(_make_nodes)
_moments = _for_all_widths(_make_moments)
_project = _for_all_widths(_make_project)
_spread = _for_all_widths(_make_spread)


@njit(cache=True, fastmath=FAST)
def interpolate_tile(grid, places, values, n, edge, stride, nodes):
    """Interpolate all floats of the node at every point of a tile."""
    _nodes(stride, grid, places, values, n, edge // 2 + 1, stride, nodes)


@njit(cache=True, fastmath=FAST, nogil=True)
def gather_slices(
    grid,  # IN  (edge * edge * (edge//2+1) * component * 2,) float32
    edge,  # IN
    n_components,  # IN
    order,  # IN  (some,) int64: particles to work on, similar views next to each other
    matrices,  # IN  (particle, 2, 3) float32
    points,  # IN  (2, point) float32, kx >= 0 and ky in grid units
    slices,  # OUT (particle, point * component * 2) float32
):
    stride = 2 * n_components
    places = np.empty((N_PLACES, TILE), np.int32)
    values = np.empty((N_VALUES, TILE), np.float32)
    for i in order:
        for start in range(0, points.shape[1], TILE):
            m = min(TILE, points.shape[1] - start)
            locate_tile(matrices[i], points, start, m, edge, places, values)
            fetch_tile(grid, places, m, edge, stride)
            nodes = slices[i, start * stride : (start + m) * stride]
            interpolate_tile(grid, places, values, m, edge, stride, nodes)
            for p in range(m):
                for k in range(n_components):
                    nodes[p * stride + 2 * k + 1] *= values[SIGN, p]


@njit(cache=True, fastmath=FAST, nogil=True)
def class_moments(
    grid,  # IN  (edge * edge * (edge//2+1) * component * 2,) float32
    edge,  # IN
    order,  # IN  (some,) int64: particles to work on, similar views next to each other
    matrices,  # IN  (particle, 2, 3) float32
    points,  # IN  (2, point) float32, kx >= 0 and ky in grid units
    data,  # IN  (particle, point * 2) float32 or bfloat16, Hermitian weights included
    precision,  # IN  (particle, point) float32 or bfloat16, Hermitian weights included
    linear,  # OUT (particle, component) float64: Re<data, slice_k>
    quadratic,  # OUT (particle, component) float64: <slice_k, precision slice_k>
):
    n_components = linear.shape[1]
    stride = 2 * n_components
    places = np.empty((N_PLACES, TILE), np.int32)
    values = np.empty((N_VALUES, TILE), np.float32)
    once, twice = np.empty(stride, np.float32), np.empty(stride, np.float32)
    for i in order:
        once[:] = 0
        twice[:] = 0
        for start in range(0, points.shape[1], TILE):
            m = min(TILE, points.shape[1] - start)
            locate_tile(matrices[i], points, start, m, edge, places, values)
            fetch_tile(grid, places, m, edge, stride)
            read_tile(data[i], precision[i], start, m, values)
            _moments(stride, grid, places, values, m, edge // 2 + 1, stride, once, twice)
        for k in range(n_components):
            linear[i, k] = once[2 * k] + once[2 * k + 1]
            quadratic[i, k] = twice[2 * k] + twice[2 * k + 1]


@njit(cache=True, fastmath=FAST, nogil=True)
def latent_moments(
    grid,  # IN  (edge * edge * (edge//2+1) * component * 2,) float32
    edge,  # IN
    order,  # IN  (some,) int64: particles to work on, similar views next to each other
    matrices,  # IN  (particle, 2, 3) float32
    points,  # IN  (2, point) float32, kx >= 0 and ky in grid units
    data,  # IN  (particle, point * 2) float32 or bfloat16, Hermitian weights included
    precision,  # IN  (particle, point) float32 or bfloat16, Hermitian weights included
    linear,  # OUT (particle, component) float64: Re<data, slice_k>
    quadratic,  # OUT (particle, component, component) float64: Re<slice_k, precision slice_l>
):
    n_components = linear.shape[1]
    stride = 2 * n_components
    places = np.empty((N_PLACES, TILE), np.int32)
    values = np.empty((N_VALUES, TILE), np.float32)
    nodes, pairs = np.empty(TILE * stride, np.float32), np.empty((2, TILE), np.float32)
    once, twice = np.empty(stride, np.float32), np.empty((n_components, stride), np.float32)
    for i in order:
        once[:] = 0
        twice[:, :] = 0
        for start in range(0, points.shape[1], TILE):
            m = min(TILE, points.shape[1] - start)
            locate_tile(matrices[i], points, start, m, edge, places, values)
            fetch_tile(grid, places, m, edge, stride)
            read_tile(data[i], precision[i], start, m, values)
            interpolate_tile(grid, places, values, m, edge, stride, nodes)
            _project(stride, nodes, stride, values[REAL : REAL + 2], m, once)
            for k in range(n_components):
                for p in range(m):
                    pairs[0, p] = values[PRECISION, p] * nodes[p * stride + 2 * k]
                    pairs[1, p] = values[PRECISION, p] * nodes[p * stride + 2 * k + 1]
                _project(2 * k + 2, nodes, stride, pairs, m, twice[k])
        for k in range(n_components):
            linear[i, k] = once[2 * k] + once[2 * k + 1]
            for j in range(k + 1):
                quadratic[i, k, j] = twice[k, 2 * j] + twice[k, 2 * j + 1]
                quadratic[i, j, k] = quadratic[i, k, j]


@njit(cache=True, fastmath=FAST, nogil=True)
def accumulate(
    order,  # IN  (n,) int64: particles to insert, those with similar views next to each other
    matrices,  # IN  (particle, 2, 3) float32
    points,  # IN  (2, point) float32, kx >= 0 and ky in grid units
    data,  # IN  (particle, point * 2) float32 or bfloat16, Hermitian weights included
    precision,  # IN  (particle, point) float32 or bfloat16, Hermitian weights included
    data_weights,  # IN  (particle, component) float32
    precision_weights,  # IN  (particle, precision component) float32
    edge,  # IN
    stride,  # IN  floats of a node, even: 2 * component + precision component at least
    sharer,  # IN  which of those that share the grid; each fills planes of its own
    n_sharing,  # IN
    sums,  # OUT (edge * edge * (edge//2+1) * stride)
):
    n_data, n_precision = data_weights.shape[1], precision_weights.shape[1]
    places = np.empty((N_PLACES, TILE), np.int32)
    values = np.empty((N_VALUES, TILE), np.float32)
    # What each float of a node takes of a point's data and of its precision.
    of_data, of_precision = np.zeros(stride, np.float32), np.zeros(stride, np.float32)
    for i in order:
        for k in range(n_data):
            of_data[2 * k] = data_weights[i, k]
            of_data[2 * k + 1] = data_weights[i, k]
        for k in range(n_precision):
            of_precision[2 * n_data + k] = precision_weights[i, k]
        for start in range(0, points.shape[1], TILE):
            m = min(TILE, points.shape[1] - start)
            locate_tile(matrices[i], points, start, m, edge, places, values)
            if n_sharing > 1:
                keep_own(places, m, edge, sharer, n_sharing)
            fetch_tile(sums, places, m, edge, stride)
            read_tile(data[i], precision[i], start, m, values)
            _spread(stride, of_data, of_precision, places, values, m, edge // 2 + 1, stride, sums)
