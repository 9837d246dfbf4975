"""Loops over particles and slice points for a CUDA device: slices of grids read, and added up.

Layout of grids and treatment of points with x < 0 as in `_cpu_loops`: all numbers of a node are
one run of floats, so that threads that work on different components of a point read neighbouring
words. Several threads locate the same point; that arithmetic is cheaper than waiting for it. A
node of the sums holds the real parts, imaginary parts and precisions of all columns side by side,
so that the threads of a point add to neighbouring words, which the card takes as one.
"""

from __future__ import annotations

import numpy as np
from numba import cuda, float32, int32

from cryofocus.kernels.gpu import IS_SIMULATED

# Threads of a block, and blocks that fill any device. The simulator starts a Python thread for
# every thread of every block.
THREADS, BLOCKS = (3, 1) if IS_SIMULATED else (128, 4096)
# Values of slices that a block keeps in shared memory, and sums it can form at once.
TILE = 1024
SUMS = 1024
# Points that one block takes of a particle where nothing is summed over them.
POINTS = 512


@cuda.jit(device=True, inline=True, cache=True, fastmath=False)
def locate(matrices, i, kx, ky, edge):
    """Return the nodes (z, y) around A^T (kx, ky, 0), the fractions between them, and the sign.

    Each row goes from node x0 to the next; the sign is -1 where the mate is read.
    """
    x = matrices[i, 0, 0] * kx + matrices[i, 1, 0] * ky
    y = matrices[i, 0, 1] * kx + matrices[i, 1, 1] * ky
    z = matrices[i, 0, 2] * kx + matrices[i, 1, 2] * ky
    sign = float32(1)
    if x < 0:
        x, y, z = -x, -y, -z
        sign = float32(-1)
    # Single precision throughout: many cards are slow at double.
    x0, y0, z0 = int32(x), int32(y), int32(z)
    if y < float32(y0):
        y0 -= int32(1)
    if z < float32(z0):
        z0 -= int32(1)
    fx, fy, fz = x - float32(x0), y - float32(y0), z - float32(z0)
    y1, z1 = y0 + int32(1), z0 + int32(1)
    if y0 < 0:
        y0 += edge
    if y1 < 0:
        y1 += edge
    if z0 < 0:
        z0 += edge
    if z1 < 0:
        z1 += edge
    half = edge // 2 + 1
    rows = (
        (z0 * edge + y0) * half + x0,
        (z0 * edge + y1) * half + x0,
        (z1 * edge + y0) * half + x0,
        (z1 * edge + y1) * half + x0,
    )
    return rows, (fx, fy, fz), sign


@cuda.jit(device=True, inline=True, cache=True, fastmath=False)
def interpolate(grid, rows, fractions, stride, k):
    """Interpolate number k of a node of `stride` numbers."""
    fx, fy, fz = fractions
    a, b = rows[0] * stride + k, rows[1] * stride + k
    c, d = rows[2] * stride + k, rows[3] * stride + k
    near = grid[a] + fx * (grid[a + stride] - grid[a])
    far = grid[b] + fx * (grid[b + stride] - grid[b])
    deep = grid[c] + fx * (grid[c + stride] - grid[c])
    corner = grid[d] + fx * (grid[d + stride] - grid[d])
    low = near + fy * (far - near)
    high = deep + fy * (corner - deep)
    return low + fz * (high - low)


@cuda.jit(device=True, inline=True, cache=True, fastmath=False)
def decode(number, n_bytes):
    """Return a stored number as float32; one of two bytes is the upper half of a float32."""
    if n_bytes == 2:
        return np.uint32(np.uint32(number) << np.uint32(16)).view(np.float32)
    return np.float32(number)


@cuda.jit(cache=True, fastmath=False)
def gather_slices(
    grid,  # IN  (edge * edge * (edge//2+1) * component * 2,) float32
    edge,  # IN
    points,  # IN  (point, 2) float32, kx >= 0 and ky in grid units
    order,  # IN  (particle,) int32: particles with similar views next to each other
    matrices,  # IN  (particle, 2, 3) float32
    slices,  # OUT (particle, point, component, 2) float32
):
    """One block: one particle (x) and up to POINTS of its points (y); x threads per component."""
    i = order[cuda.blockIdx.x]
    n_components = slices.shape[2]
    stride = 2 * n_components
    first = cuda.blockIdx.y * POINTS
    last = min(first + POINTS, points.shape[0])
    for k in range(cuda.threadIdx.x, n_components, cuda.blockDim.x):
        for p in range(first + cuda.threadIdx.y, last, cuda.blockDim.y):
            rows, fractions, sign = locate(matrices, i, points[p, 0], points[p, 1], edge)
            slices[i, p, k, 0] = interpolate(grid, rows, fractions, stride, 2 * k)
            mirrored = interpolate(grid, rows, fractions, stride, 2 * k + 1)
            slices[i, p, k, 1] = sign * mirrored


@cuda.jit(cache=True, fastmath=False)
def quadratic_moments(
    grid,  # IN  (edge * edge * (edge//2+1) * component * 2,) float32
    edge,  # IN
    points,  # IN  (point, 2) float32
    products,  # IN  (product, 2) int32: components k and l of a quadratic moment, l = -1: linear
    n_components,  # IN
    order,  # IN  (particle,) int32: particles with similar views next to each other
    matrices,  # IN  (particle, 2, 3) float32
    data,  # IN  (particle, point, 2) float32 or bfloat16 in uint16; Hermitian weights included
    precision,  # IN  (particle, point) float32 or bfloat16 in uint16; Hermitian weights included
    moments,  # OUT (particle, product) float64
):
    """One block: one particle (x) and up to SUMS of its products (y).

    Tile by tile, all threads first interpolate, each a component of a point; then each adds up
    one product over its share of the tile's points.
    """
    real = cuda.shared.array(TILE, float32)
    imaginary = cuda.shared.array(TILE, float32)
    sums = cuda.shared.array(SUMS, float32)
    thread = cuda.threadIdx.y * cuda.blockDim.x + cuda.threadIdx.x
    n_threads = cuda.blockDim.x * cuda.blockDim.y
    i = order[cuda.blockIdx.x]
    stride = 2 * n_components
    first_product = cuda.blockIdx.y * SUMS
    n_products = min(SUMS, products.shape[0] - first_product)
    n_shares = max(1, n_threads // n_products)
    for s in range(thread, n_products * n_shares, n_threads):
        sums[s] = float32(0)
    n_bytes, n_precision_bytes = data.itemsize, precision.itemsize
    tile_points = TILE // n_components
    for first in range(0, points.shape[0], tile_points):
        n_points = min(tile_points, points.shape[0] - first)
        for k in range(cuda.threadIdx.x, n_components, cuda.blockDim.x):
            for p in range(cuda.threadIdx.y, n_points, cuda.blockDim.y):
                kx, ky = points[first + p, 0], points[first + p, 1]
                rows, fractions, sign = locate(matrices, i, kx, ky, edge)
                value = p * n_components + k
                real[value] = interpolate(grid, rows, fractions, stride, 2 * k)
                mirrored = interpolate(grid, rows, fractions, stride, 2 * k + 1)
                imaginary[value] = sign * mirrored
        cuda.syncthreads()
        for s in range(thread, n_products * n_shares, n_threads):
            k = products[first_product + s % n_products, 0]
            m = products[first_product + s % n_products, 1]
            total = float32(0)
            for p in range(s // n_products, n_points, n_shares):
                a = p * n_components + k
                if m < 0:
                    total += decode(data[i, first + p, 0], n_bytes) * real[a]
                    total += decode(data[i, first + p, 1], n_bytes) * imaginary[a]
                else:
                    b = p * n_components + m
                    power = real[a] * real[b] + imaginary[a] * imaginary[b]
                    total += decode(precision[i, first + p], n_precision_bytes) * power
            sums[s] += total
        cuda.syncthreads()
    for product in range(thread, n_products, n_threads):
        whole = 0.0
        for share in range(n_shares):
            whole += sums[share * n_products + product]
        moments[i, first_product + product] = whole


@cuda.jit(device=True, inline=True, cache=True, fastmath=False)
def spread(value, rows, fractions, stride, column, sums):
    """Add a value to one column of the eight nodes around a point."""
    fx, fy, fz = fractions
    one = float32(1)
    shares = ((one - fz) * (one - fy), (one - fz) * fy, fz * (one - fy), fz * fy)
    for row in range(4):
        node = rows[row] * stride + column
        share = shares[row] * value
        cuda.atomic.add(sums, node, share * (one - fx))
        cuda.atomic.add(sums, node + stride, share * fx)


@cuda.jit(cache=True, fastmath=False)
def accumulate(
    edge,  # IN
    points,  # IN  (point, 2) float32, kx >= 0 and ky in grid units
    sums,  # OUT (edge * edge * (edge//2+1) * (2 * column + precision column),) float32, added to
    order,  # IN  (particle,) int32: particles with similar views next to each other
    matrices,  # IN  (particle, 2, 3) float32
    data_weights,  # IN  (particle, column) float32
    precision_weights,  # IN  (particle, precision column) float32
    data,  # IN  (particle, point, 2) float32 or bfloat16 in uint16; Hermitian weights included
    precision,  # IN  (particle, point) float32 or bfloat16 in uint16; Hermitian weights included
):
    """One block: one particle (x) and up to POINTS of its points (y); x threads per column.

    Blocks run in the order of x first: at any time all work on the same part of similar slices,
    whose sums stay in the cache. Columns of weight zero cost nothing.
    """
    i = order[cuda.blockIdx.x]
    n_data = data_weights.shape[1]
    stride = 2 * n_data + precision_weights.shape[1]
    first = cuda.blockIdx.y * POINTS
    last = min(first + POINTS, points.shape[0])
    n_bytes, n_precision_bytes = data.itemsize, precision.itemsize
    for column in range(cuda.threadIdx.x, stride, cuda.blockDim.x):
        if column < 2 * n_data:
            weight = data_weights[i, column % n_data]
        else:
            weight = precision_weights[i, column - 2 * n_data]
        if weight != 0:
            for p in range(first + cuda.threadIdx.y, last, cuda.blockDim.y):
                rows, fractions, sign = locate(matrices, i, points[p, 0], points[p, 1], edge)
                if column < n_data:
                    value = decode(data[i, p, 0], n_bytes)
                elif column < 2 * n_data:
                    value = sign * decode(data[i, p, 1], n_bytes)
                else:
                    value = decode(precision[i, p], n_precision_bytes)
                spread(weight * value, rows, fractions, stride, column, sums)


@cuda.jit(cache=True, fastmath=False)
def fold(
    sums,  # IN  as of `accumulate`
    edge,  # IN
    data,  # OUT (edge * edge * (edge//2+1), column, 2) float32
    precision,  # OUT (edge * edge * (edge//2+1), precision column) float32
):
    """Turn sums over the half plane into the half of a Hermitian grid, one thread per node.

    A value of Hermitian weight 2 was added once, at the point or at its mate, whichever is
    stored. Off the planes x = 0 and x = edge/2 both land on one node, which so holds twice its
    share; on these planes node and mate are both stored and share what they got.
    """
    half = edge // 2 + 1
    n_data, n_precision = data.shape[1], precision.shape[1]
    stride = 2 * n_data + n_precision
    share = float32(0.5)
    for node in range(cuda.grid(1), data.shape[0], cuda.gridsize(1)):
        x, y, z = node % half, node // half % edge, node // (half * edge)
        here, there = node * stride, node * stride
        mirrored = x == 0 or 2 * x == edge
        if mirrored:
            there = (((edge - z) % edge * edge + (edge - y) % edge) * half + x) * stride
        for k in range(n_data):
            real, imaginary = sums[here + k], sums[here + n_data + k]
            if mirrored:
                real += sums[there + k]
                imaginary -= sums[there + n_data + k]
            data[node, k, 0] = share * real
            data[node, k, 1] = share * imaginary
        for k in range(n_precision):
            amount = sums[here + 2 * n_data + k]
            if mirrored:
                amount += sums[there + 2 * n_data + k]
            precision[node, k] = share * amount
