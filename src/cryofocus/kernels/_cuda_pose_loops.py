"""Loop for a CUDA device over slices of a map and their derivatives by the pose.

The algebra is that of `_pose_loops`. Each thread takes its share of a particle's points and keeps
all sums of it in registers; a block adds them up at the end.
"""

from __future__ import annotations

import math

from numba import cuda, float32

from cryofocus.kernels._cuda_loops import THREADS, decode, interpolate, locate


@cuda.jit(device=True, inline=True, cache=True, fastmath=False)
def block_sum(value, scratch):
    """Return the sum over all threads of the block, to each of them."""
    thread, remaining = cuda.threadIdx.x, cuda.blockDim.x
    scratch[thread] = value
    cuda.syncthreads()
    while remaining > 1:
        kept = (remaining + 1) // 2
        if thread < remaining - kept:
            scratch[thread] += scratch[thread + kept]
        remaining = kept
        cuda.syncthreads()
    total = scratch[0]
    cuda.syncthreads()
    return total


@cuda.jit(cache=True, fastmath=False)
def pose_moments(
    grid,  # IN  (edge * edge * (edge//2+1) * 4 * 2,) float32: the map, and x, y, z times the map
    edge,  # IN
    points,  # IN  (point, 2) float32, kx >= 0 and ky in grid units
    order,  # IN  (particle,) int32: particles with similar views next to each other
    matrices,  # IN  (particle, 2, 3) float32
    shifts,  # IN  (particle, 2) float32, radians per grid unit
    data,  # IN  (particle, point, 2) float32 or bfloat16 in uint16; Hermitian weights included
    precision,  # IN  (particle, point) float32 or bfloat16 in uint16; Hermitian weights included
    moments,  # OUT (particle, 25) float64: linear, then quadratic in the order at the end
):
    """One block: one particle."""
    scratch = cuda.shared.array(THREADS, float32)
    i = order[cuda.blockIdx.x]
    n_bytes, n_precision_bytes = data.itemsize, precision.itemsize
    zero = float32(0)
    l0, lx, ly, lz, lu, lv = zero, zero, zero, zero, zero, zero
    q00, q0x, q0y, q0z = zero, zero, zero, zero
    qxx, qxy, qxz, qyy, qyz, qzz = zero, zero, zero, zero, zero, zero
    qxu, qyu, qzu, qxv, qyv, qzv = zero, zero, zero, zero, zero, zero
    quu, quv, qvv = zero, zero, zero
    for p in range(cuda.threadIdx.x, points.shape[0], cuda.blockDim.x):
        kx, ky = points[p, 0], points[p, 1]
        rows, fractions, sign = locate(matrices, i, kx, ky, edge)
        vr = interpolate(grid, rows, fractions, 8, 0)
        vi = interpolate(grid, rows, fractions, 8, 1)
        ar = interpolate(grid, rows, fractions, 8, 2)
        ai = interpolate(grid, rows, fractions, 8, 3)
        br = interpolate(grid, rows, fractions, 8, 4)
        bi = interpolate(grid, rows, fractions, 8, 5)
        cr = interpolate(grid, rows, fractions, 8, 6)
        ci = interpolate(grid, rows, fractions, 8, 7)
        phase = kx * shifts[i, 0] + ky * shifts[i, 1]
        cosine, sine = float32(math.cos(phase)), float32(math.sin(phase))
        real = decode(data[i, p, 0], n_bytes)
        imaginary = decode(data[i, p, 1], n_bytes)
        q = decode(precision[i, p], n_precision_bytes)
        dr = real * cosine + imaginary * sine
        di = sign * (imaginary * cosine - real * sine)
        # Friedel mates share one stored value: there, the whole point is conjugated.
        kx *= sign
        ky *= sign
        x = matrices[i, 0, 0] * kx + matrices[i, 1, 0] * ky
        y = matrices[i, 0, 1] * kx + matrices[i, 1, 1] * ky
        z = matrices[i, 0, 2] * kx + matrices[i, 1, 2] * ky
        # Turns: i k x F, with F the transform of the map times x, y and z.
        xr, xi = z * bi - y * ci, y * cr - z * br
        yr, yi = x * ci - z * ai, z * ar - x * cr
        zr, zi = y * ai - x * bi, x * br - y * ar
        # <data, i k V> and its like share this product.
        cross = di * vr - dr * vi
        l0 += dr * vr + di * vi
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
    linear = (l0, lx, ly, lz, lu, lv)
    turned = (q00, q0x, q0y, q0z, qxx, qxy, qxz, qyy, qyz, qzz)
    shifted = (qxu, qyu, qzu, qxv, qyv, qzv, quu, quv, qvv)
    sums = linear + turned + shifted
    for n in range(len(sums)):
        moments[i, n] = block_sum(sums[n], scratch)
