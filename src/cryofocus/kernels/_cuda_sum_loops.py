"""Loops for a CUDA device that add slices up in a grid: the adjoint of reading them.

A node of the sums holds the real parts, imaginary parts and precisions of all columns side by
side, so that the threads of a point add to neighbouring words, which the card takes as one.
"""

from __future__ import annotations

from numba import cuda, float32

from cryofocus.kernels._cuda_loops import POINTS, decode, locate


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
    """One block: one particle (x) and up to POINTS of its points (y); x threads a column.

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
    """Turn sums over the half plane into the half of a Hermitian grid, one thread a node.

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
