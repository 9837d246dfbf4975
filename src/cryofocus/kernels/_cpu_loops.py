"""Compiled loops over particles and slice points; flat arrays, no checks.

Grids are half volumes of a padded box, axes (z, y, x >= 0, component), the component (class or
latent dimension) fastest, so that the eight neighbours of a point are found once for all of them.
Real and imaginary parts are separate float32 planes of the last axis: `grid[z, y, x, 0, k]` and
`grid[z, y, x, 1, k]`, which lets the innermost loop run over contiguous floats.
"""

from __future__ import annotations

import numba as nb
import numpy as np

# Reassociation and fused multiply-add only: infinities and NaN keep their meaning.
FAST = {"reassoc", "contract", "arcp", "nsz"}


@nb.njit(inline="always", cache=True, fastmath=FAST)
def _locate(matrix, kx, ky, edge, index, weight):
    """Write the 8 neighbours of A^T (kx, ky, 0): grid index (z, y, x, sign) and weight."""
    x = matrix[0, 0] * kx + matrix[1, 0] * ky
    y = matrix[0, 1] * kx + matrix[1, 1] * ky
    z = matrix[0, 2] * kx + matrix[1, 2] * ky
    x0 = int(np.floor(x))
    y0 = int(np.floor(y))
    z0 = int(np.floor(z))
    fx = np.float32(x - x0)
    fy = np.float32(y - y0)
    fz = np.float32(z - z0)
    one = np.float32(1.0)
    for corner in range(8):
        dz = corner >> 2
        dy = (corner >> 1) & 1
        dx = corner & 1
        xi = x0 + dx
        yi = y0 + dy
        zi = z0 + dz
        sign = 1
        if xi < 0:
            xi, yi, zi, sign = -xi, -yi, -zi, -1
        index[corner, 0] = zi if zi >= 0 else zi + edge
        index[corner, 1] = yi if yi >= 0 else yi + edge
        index[corner, 2] = xi
        index[corner, 3] = sign
        weight[corner] = (
            (fz if dz else one - fz) * (fy if dy else one - fy) * (fx if dx else one - fx)
        )


@nb.njit(inline="always", cache=True, fastmath=FAST)
def _gather(grid, index, weight, real, imaginary):
    """Interpolate every component at the located point."""
    n_components = grid.shape[4]
    for k in range(n_components):
        real[k] = 0.0
        imaginary[k] = 0.0
    for corner in range(8):
        node = grid[index[corner, 0], index[corner, 1], index[corner, 2]]
        c = weight[corner]
        s = c if index[corner, 3] > 0 else -c
        for k in range(n_components):
            real[k] += c * node[0, k]
            imaginary[k] += s * node[1, k]


@nb.njit(parallel=True, cache=True, fastmath=FAST)
def gather_slices(
    grid,  # IN  (edge, edge, edge//2+1, 2, component) float32
    matrices,  # IN  (particle, 2, 3) float32
    points,  # IN  (point, 2) float32, kx >= 0 and ky in grid units
    n_threads,  # IN
    slices,  # OUT (particle, point, component) complex64
):
    edge = grid.shape[0]
    n_components = grid.shape[4]
    n = matrices.shape[0]
    for thread in nb.prange(n_threads):
        index = np.empty((8, 4), np.int64)
        weight = np.empty(8, np.float32)
        real = np.empty(n_components, np.float32)
        imaginary = np.empty(n_components, np.float32)
        for i in range(thread * n // n_threads, (thread + 1) * n // n_threads):
            for p in range(points.shape[0]):
                _locate(matrices[i], points[p, 0], points[p, 1], edge, index, weight)
                _gather(grid, index, weight, real, imaginary)
                for k in range(n_components):
                    slices[i, p, k] = complex(real[k], imaginary[k])


@nb.njit(parallel=True, cache=True, fastmath=FAST)
def quadratic_moments(
    grid,  # IN  (edge, edge, edge//2+1, 2, component) float32
    matrices,  # IN  (particle, 2, 3) float32
    points,  # IN  (point, 2) float32
    data,  # IN  (particle, point) complex64, Hermitian weights included
    precision,  # IN  (particle, point) float32, Hermitian weights included
    n_threads,  # IN
    linear,  # OUT (particle, component) float64: Re<data, slice_k>
    quadratic,  # OUT (particle, component, component) float64: Re<slice_k, precision slice_l>
    diagonal_only,  # IN  bool: quadratic is (particle, component, 1)
):
    edge = grid.shape[0]
    n_components = grid.shape[4]
    n = matrices.shape[0]
    for thread in nb.prange(n_threads):
        index = np.empty((8, 4), np.int64)
        weight = np.empty(8, np.float32)
        real = np.empty(n_components, np.float32)
        imaginary = np.empty(n_components, np.float32)
        first = np.empty(n_components, np.float32)
        second = np.empty((n_components, n_components), np.float32)
        for i in range(thread * n // n_threads, (thread + 1) * n // n_threads):
            first[:] = 0.0
            second[:, :] = 0.0
            for p in range(points.shape[0]):
                _locate(matrices[i], points[p, 0], points[p, 1], edge, index, weight)
                _gather(grid, index, weight, real, imaginary)
                dr = data[i, p].real
                di = data[i, p].imag
                q = precision[i, p]
                for k in range(n_components):
                    first[k] += dr * real[k] + di * imaginary[k]
                if diagonal_only:
                    for k in range(n_components):
                        second[k, 0] += q * (real[k] * real[k] + imaginary[k] * imaginary[k])
                else:
                    for k in range(n_components):
                        for m in range(k + 1):
                            second[k, m] += q * (real[k] * real[m] + imaginary[k] * imaginary[m])
            for k in range(n_components):
                linear[i, k] = first[k]
                if diagonal_only:
                    quadratic[i, k, 0] = second[k, 0]
                else:
                    for m in range(k + 1):
                        quadratic[i, k, m] = second[k, m]
                        quadratic[i, m, k] = second[k, m]


@nb.njit(parallel=True, cache=True, fastmath=FAST)
def accumulate(
    matrices,  # IN  (particle, 2, 3) float32
    points,  # IN  (point, 2) float32
    data,  # IN  (particle, point) complex64, Hermitian weights included
    precision,  # IN  (particle, point) float32, Hermitian weights included
    data_weights,  # IN  (particle, component) float32
    precision_weights,  # IN  (particle, precision component) float32
    data_sum,  # OUT (thread, edge, edge, edge//2+1, 2, component) float32, added to
    precision_sum,  # OUT (thread, edge, edge, edge//2+1, precision component) float32, added to
):
    n_threads = data_sum.shape[0]
    edge = data_sum.shape[1]
    n_data = data_weights.shape[1]
    n_precision = precision_weights.shape[1]
    n = matrices.shape[0]
    for thread in nb.prange(n_threads):
        index = np.empty((8, 4), np.int64)
        weight = np.empty(8, np.float32)
        for i in range(thread * n // n_threads, (thread + 1) * n // n_threads):
            for p in range(points.shape[0]):
                _locate(matrices[i], points[p, 0], points[p, 1], edge, index, weight)
                dr = data[i, p].real
                di = data[i, p].imag
                q = precision[i, p]
                for corner in range(8):
                    node = data_sum[thread, index[corner, 0], index[corner, 1], index[corner, 2]]
                    c = weight[corner]
                    cr = c * dr
                    ci = c * di if index[corner, 3] > 0 else -c * di
                    for k in range(n_data):
                        node[0, k] += cr * data_weights[i, k]
                        node[1, k] += ci * data_weights[i, k]
                    target = precision_sum[
                        thread, index[corner, 0], index[corner, 1], index[corner, 2]
                    ]
                    cq = c * q
                    for k in range(n_precision):
                        target[k] += cq * precision_weights[i, k]
