"""Compiled loops over particles and slice points; flat arrays, no result allocated, no checks.

Grids are half volumes of a padded box, flattened from axes (z, y, x >= 0, component), the
component (class or latent dimension) fastest, each with its real and imaginary part side by side:
all numbers of a node are one run of floats, so that the eight neighbours of a point are found
once for all components and the innermost loop runs over contiguous memory. A point with x < 0 is
read at its Friedel mate and conjugated, so that all its neighbours are stored.
"""

from __future__ import annotations

import numba as nb
import numpy as np

# Reassociation and fused multiply-add only: infinities and NaN keep their meaning.
FAST = {"reassoc", "contract", "arcp", "nsz"}


@nb.njit(cache=True, fastmath=FAST)
def _locate(matrix, kx, ky, edge):
    """Return where the eight neighbours of A^T (kx, ky, 0) are, their weights, and the sign.

    The neighbours are four nodes (z, y) and those beside them in x; weights go in this order.
    """
    x = matrix[0, 0] * kx + matrix[1, 0] * ky
    y = matrix[0, 1] * kx + matrix[1, 1] * ky
    z = matrix[0, 2] * kx + matrix[1, 2] * ky
    sign = np.float32(1.0)
    if x < 0:
        x, y, z = -x, -y, -z
        sign = np.float32(-1.0)
    x0 = int(x)
    y0 = int(np.floor(y))
    z0 = int(np.floor(z))
    fx = np.float32(x - x0)
    fy = np.float32(y - y0)
    fz = np.float32(z - z0)
    y1 = y0 + 1
    z1 = z0 + 1
    if y0 < 0:
        y0 += edge
    if y1 < 0:
        y1 += edge
    if z0 < 0:
        z0 += edge
    if z1 < 0:
        z1 += edge
    half = edge // 2 + 1
    one = np.float32(1.0)
    near, far = (one - fz) * (one - fy), (one - fz) * fy
    deep, corner = fz * (one - fy), fz * fy
    rows = (
        (z0 * edge + y0) * half + x0,
        (z0 * edge + y1) * half + x0,
        (z1 * edge + y0) * half + x0,
        (z1 * edge + y1) * half + x0,
    )
    low = one - fx
    weights = (
        near * low,
        near * fx,
        far * low,
        far * fx,
        deep * low,
        deep * fx,
        corner * low,
        corner * fx,
    )
    return rows, weights, sign


@nb.njit(cache=True, fastmath=FAST)
def _interpolate(grid, rows, w, stride, node):
    """Interpolate all numbers of a node."""
    a, b, c, d = rows[0] * stride, rows[1] * stride, rows[2] * stride, rows[3] * stride
    for k in range(stride):
        node[k] = (
            w[0] * grid[a + k]
            + w[1] * grid[a + stride + k]
            + w[2] * grid[b + k]
            + w[3] * grid[b + stride + k]
            + w[4] * grid[c + k]
            + w[5] * grid[c + stride + k]
            + w[6] * grid[d + k]
            + w[7] * grid[d + stride + k]
        )


@nb.njit(cache=True, fastmath=FAST)
def _spread(node, rows, w, stride, sums):
    """Add all numbers of a node to its neighbours; the adjoint of `_interpolate`."""
    a, b, c, d = rows[0] * stride, rows[1] * stride, rows[2] * stride, rows[3] * stride
    for k in range(stride):
        value = node[k]
        sums[a + k] += w[0] * value
        sums[a + stride + k] += w[1] * value
        sums[b + k] += w[2] * value
        sums[b + stride + k] += w[3] * value
        sums[c + k] += w[4] * value
        sums[c + stride + k] += w[5] * value
        sums[d + k] += w[6] * value
        sums[d + stride + k] += w[7] * value


@nb.njit(parallel=True, cache=True, fastmath=FAST)
def gather_slices(
    grid,  # IN  (edge * edge * (edge//2+1) * component * 2,) float32
    edge,  # IN
    n_components,  # IN
    order,  # IN  (particle,) int64: particles with similar views next to each other
    matrices,  # IN  (particle, 2, 3) float32
    points,  # IN  (point, 2) float32, kx >= 0 and ky in grid units
    n_threads,  # IN
    slices,  # OUT (particle, point, component) complex64
):
    stride = 2 * n_components
    n = matrices.shape[0]
    for thread in nb.prange(n_threads):
        node = np.empty(stride, np.float32)
        for i in order[thread * n // n_threads : (thread + 1) * n // n_threads]:
            for p in range(points.shape[0]):
                rows, w, sign = _locate(matrices[i], points[p, 0], points[p, 1], edge)
                _interpolate(grid, rows, w, stride, node)
                for k in range(n_components):
                    slices[i, p, k] = complex(node[2 * k], sign * node[2 * k + 1])


@nb.njit(parallel=True, cache=True, fastmath=FAST)
def quadratic_moments(
    grid,  # IN  (edge * edge * (edge//2+1) * component * 2,) float32
    edge,  # IN
    n_components,  # IN
    order,  # IN  (particle,) int64: particles with similar views next to each other
    matrices,  # IN  (particle, 2, 3) float32
    points,  # IN  (point, 2) float32
    data,  # IN  (particle, point) complex64, Hermitian weights included
    precision,  # IN  (particle, point) float32, Hermitian weights included
    n_threads,  # IN
    linear,  # OUT (particle, component) float64: Re<data, slice_k>
    quadratic,  # OUT (particle, component, component) float64: Re<slice_k, precision slice_l>
    diagonal_only,  # IN  bool: quadratic is (particle, component, 1)
):
    stride = 2 * n_components
    n = matrices.shape[0]
    for thread in nb.prange(n_threads):
        node = np.empty(stride, np.float32)
        first = np.empty(n_components, np.float32)
        second = np.empty((n_components, n_components), np.float32)
        for i in order[thread * n // n_threads : (thread + 1) * n // n_threads]:
            first[:] = 0.0
            second[:, :] = 0.0
            for p in range(points.shape[0]):
                rows, w, sign = _locate(matrices[i], points[p, 0], points[p, 1], edge)
                _interpolate(grid, rows, w, stride, node)
                real = node[0::2]
                imaginary = node[1::2]
                dr = data[i, p].real
                di = sign * data[i, p].imag
                q = precision[i, p]
                for k in range(n_components):
                    first[k] += dr * real[k] + di * imaginary[k]
                if diagonal_only:
                    for k in range(n_components):
                        second[0, k] += q * (real[k] * real[k] + imaginary[k] * imaginary[k])
                else:
                    for k in range(n_components):
                        for m in range(k + 1):
                            second[k, m] += q * (real[k] * real[m] + imaginary[k] * imaginary[m])
            for k in range(n_components):
                linear[i, k] = first[k]
                if diagonal_only:
                    quadratic[i, k, 0] = second[0, k]
                else:
                    for m in range(k + 1):
                        quadratic[i, k, m] = second[k, m]
                        quadratic[i, m, k] = second[k, m]


@nb.njit(parallel=True, cache=True, fastmath=FAST)
def accumulate(
    order,  # IN  (particle,) int64: particles with similar views next to each other
    matrices,  # IN  (particle, 2, 3) float32
    points,  # IN  (point, 2) float32
    data,  # IN  (particle, point) complex64, Hermitian weights included
    precision,  # IN  (particle, point) float32, Hermitian weights included
    data_weights,  # IN  (particle, component) float32
    precision_weights,  # IN  (particle, precision component) float32
    edge,  # IN
    sums,  # OUT (thread, edge * edge * (edge//2+1) * (2 * component + precision component))
):
    n_threads = sums.shape[0]
    n_data = data_weights.shape[1]
    n_precision = precision_weights.shape[1]
    stride = 2 * n_data + n_precision
    n = matrices.shape[0]
    for thread in nb.prange(n_threads):
        own = sums[thread]
        node = np.empty(stride, np.float32)
        for i in order[thread * n // n_threads : (thread + 1) * n // n_threads]:
            for p in range(points.shape[0]):
                rows, w, sign = _locate(matrices[i], points[p, 0], points[p, 1], edge)
                dr = data[i, p].real
                di = sign * data[i, p].imag
                q = precision[i, p]
                for k in range(n_data):
                    node[k] = dr * data_weights[i, k]
                    node[n_data + k] = di * data_weights[i, k]
                for k in range(n_precision):
                    node[2 * n_data + k] = q * precision_weights[i, k]
                _spread(node, rows, w, stride, own)
