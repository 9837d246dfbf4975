"""Compiled loop over particles and slice points for a map and its derivatives by the pose.

Layout of grids and treatment of points with x < 0 as in `_cpu_loops`. All sums of a point are
plain scalars, so that they stay in registers.
"""

from __future__ import annotations

import numpy as np

from cryofocus.kernels._compiler import njit
from cryofocus.kernels._cpu_loops import (
    FAST,
    IMAGINARY,
    N_PLACES,
    N_VALUES,
    PRECISION,
    REAL,
    SIGN,
    TILE,
    fetch_tile,
    interpolate_tile,
    locate_tile,
    read_tile,
)


@njit(cache=True, fastmath=FAST, nogil=True)
def pose_moments(
    grid,  # IN  (edge * edge * (edge//2+1) * 4 * 2,) float32: the map, and x, y, z times the map
    edge,  # IN
    order,  # IN  (some,) int64: particles to work on, similar views next to each other
    matrices,  # IN  (particle, 2, 3) float32
    points,  # IN  (2, point) float32, kx >= 0 and ky in grid units
    shifts,  # IN  (particle, 2) float32, radians per grid unit
    data,  # IN  (particle, point * 2) float32 or bfloat16, Hermitian weights included
    precision,  # IN  (particle, point) float32 or bfloat16, Hermitian weights included
    linear,  # OUT (particle, 6) float64: Re<data, column>
    quadratic,  # OUT (particle, 6, 6) float64: Re<column, precision column>
):
    places = np.empty((N_PLACES, TILE), np.int32)
    values = np.empty((N_VALUES, TILE), np.float32)
    nodes = np.empty(8 * TILE, np.float32)
    for i in order:
        matrix = matrices[i]
        l0 = lx = ly = lz = lu = lv = 0.0
        q00 = q0x = q0y = q0z = 0.0
        qxx = qxy = qxz = qyy = qyz = qzz = 0.0
        qxu = qyu = qzu = qxv = qyv = qzv = 0.0
        quu = quv = qvv = 0.0
        for start in range(0, points.shape[1], TILE):
            m = min(TILE, points.shape[1] - start)
            locate_tile(matrix, points, start, m, edge, places, values)
            fetch_tile(grid, places, m, edge, 8)
            read_tile(data[i], precision[i], start, m, values)
            interpolate_tile(grid, places, values, m, edge, 8, nodes)
            for p in range(m):
                node, sign = nodes[8 * p : 8 * p + 8], values[SIGN, p]
                # Friedel mates share one stored value: there, the whole point is conjugated.
                kx, ky = sign * points[0, start + p], sign * points[1, start + p]
                phase = kx * shifts[i, 0] + ky * shifts[i, 1]
                cosine, sine = np.cos(phase), np.sin(phase)
                dr = values[REAL, p] * cosine + values[IMAGINARY, p] * sine
                di = values[IMAGINARY, p] * cosine - values[REAL, p] * sine
                x = matrix[0, 0] * kx + matrix[1, 0] * ky
                y = matrix[0, 1] * kx + matrix[1, 1] * ky
                z = matrix[0, 2] * kx + matrix[1, 2] * ky
                vr, vi = node[0], node[1]
                # Turns: i k x F, with F the transform of the map times x, y and z.
                xr, xi = z * node[5] - y * node[7], y * node[6] - z * node[4]
                yr, yi = x * node[7] - z * node[3], z * node[2] - x * node[6]
                zr, zi = y * node[3] - x * node[5], x * node[4] - y * node[2]
                q = values[PRECISION, p]
                # <data, i k V> and its like share this product.
                l0 += dr * vr + di * vi
                cross = di * vr - dr * vi
                lx += dr * xr + di * xi
                ly += dr * yr + di * yi
                lz += dr * zr + di * zi
                lu += kx * cross
                lv += ky * cross
                pr, pi = q * vr, q * vi
                power = pr * vr + pi * vi
                q00 += power
                q0x += pr * xr + pi * xi
                q0y += pr * yr + pi * yi
                q0z += pr * zr + pi * zi
                tx, ty, tz = pr * xi - pi * xr, pr * yi - pi * yr, pr * zi - pi * zr
                qxu += kx * tx
                qyu += kx * ty
                qzu += kx * tz
                qxv += ky * tx
                qyv += ky * ty
                qzv += ky * tz
                quu += kx * kx * power
                quv += kx * ky * power
                qvv += ky * ky * power
                qxx += q * (xr * xr + xi * xi)
                qxy += q * (xr * yr + xi * yi)
                qxz += q * (xr * zr + xi * zi)
                qyy += q * (yr * yr + yi * yi)
                qyz += q * (yr * zr + yi * zi)
                qzz += q * (zr * zr + zi * zi)
        of_image = (l0, lx, ly, lz, lu, lv)
        # A map and its derivative by a shift are out of phase by a right angle.
        of_map = (
            (q00, q0x, q0y, q0z, 0.0, 0.0),
            (q0x, qxx, qxy, qxz, qxu, qxv),
            (q0y, qxy, qyy, qyz, qyu, qyv),
            (q0z, qxz, qyz, qzz, qzu, qzv),
            (0.0, qxu, qyu, qzu, quu, quv),
            (0.0, qxv, qyv, qzv, quv, qvv),
        )
        for k in range(6):
            linear[i, k] = of_image[k]
            for j in range(6):
                quadratic[i, k, j] = of_map[k][j]
