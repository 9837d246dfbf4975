"""What this machine can do at most: bandwidths and arithmetic, measured by the simplest loops.

Every loop runs over blocks, one per thread, as the kernels do, and the best of several repeats
counts: a limit is what was reached, not what is usual.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numba as nb
import numpy as np

FAST = {"reassoc", "contract", "arcp", "nsz"}
LINE_FLOATS = 16  # one cache line
STREAM_FLOATS = 1 << 25  # 134 MB an array, beyond any cache
LINES_READ = 1 << 21
FAR_BYTES = 1 << 29
L1_ROUNDS = 5_000
FMA_ACCUMULATORS, FMA_ROUNDS = 256, 50_000
REPEATS = 15
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


@dataclass(frozen=True)
class Limits:
    """Measured limits with so many threads.

    Attributes:
        triad: GB/s of a = b + s c, three arrays counted.
        read: GB/s of a sum over one array.
        loads: GB/s of the same over an array in the first cache.
        changes: GB/s of adding to every number of such an array, reading and writing counted.
        lines: GB/s of cache lines read in random order, by what holds the array.
        updates: The same, every line read, changed and written; both ways counted.
        arithmetic: GFLOP/s of float32 multiply-adds, two operations each.
    """

    threads: int
    triad: float
    read: float
    loads: float
    changes: float
    lines: dict[str, float]
    updates: dict[str, float]
    arithmetic: float


@nb.njit(parallel=True, cache=True, fastmath=FAST)
def _triad(sums, arrays, others, n_threads):
    for thread in nb.prange(n_threads):
        a, b, c = sums[thread], arrays[thread], others[thread]
        for i in range(len(a)):
            a[i] = b[i] + np.float32(3.0) * c[i]


@nb.njit(parallel=True, cache=True, fastmath=FAST)
def _read(arrays, n_times, n_threads, out):
    for thread in nb.prange(n_threads):
        own = arrays[thread]
        for _ in range(n_times):
            total = np.float32(0.0)
            for i in range(len(own)):
                total += own[i]
            out[thread] = total


@nb.njit(parallel=True, cache=True, fastmath=FAST)
def _update(arrays, n_times, n_threads):
    for thread in nb.prange(n_threads):
        own = arrays[thread]
        for _ in range(n_times):
            for i in range(len(own)):
                own[i] += np.float32(1.0)


@nb.njit(cache=True)
def _place(i, bits):
    # Fibonacci hashing: places in random order, each known without waiting for the last.
    return np.int64((np.uint64(i) * np.uint64(11400714819323198485)) >> np.uint64(64 - bits))


# One number of a line stands for it: the whole line moves.
@nb.njit(parallel=True, cache=True, fastmath=FAST)
def _read_lines(lines, bits, n_read, n_threads, out):
    for thread in nb.prange(n_threads):
        own = lines[thread]
        total = np.float32(0.0)
        for i in range(n_read):
            total += own[_place(i, bits), 0]
        out[thread] = total


@nb.njit(parallel=True, cache=True, fastmath=FAST)
def _update_lines(lines, bits, n_read, n_threads):
    for thread in nb.prange(n_threads):
        own = lines[thread]
        for i in range(n_read):
            own[_place(i, bits), 0] += np.float32(1.0)


# Without reassociation, which would do several rounds at once.
@nb.njit(parallel=True, cache=True, fastmath={"contract"})
def _multiply_add(n_rounds, n_threads, out):
    for thread in nb.prange(n_threads):
        value = np.ones(FMA_ACCUMULATORS, np.float32)
        for i in range(n_rounds):
            shift = np.float32(i & 1)
            for k in range(FMA_ACCUMULATORS):
                value[k] = value[k] * np.float32(0.5) + shift
        out[thread] = value.sum()


def best_seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Do something several times, once more before that is not counted; return the least time."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def cache_bytes() -> dict[str, int]:
    """Return the size of each data cache, the L3's as one core's share."""
    sizes = {"L1": 32 << 10, "L2": 1 << 20, "L3": 16 << 20}
    for index in sorted(CACHES.glob("index*")):
        level, kind, size = (
            (index / name).read_text().strip() for name in ("level", "type", "size")
        )
        if kind != "Instruction":
            sizes[f"L{level}"] = int(size.rstrip("K")) << 10
    sizes["L3"] //= os.cpu_count() or 1
    return sizes


def measure_limits(threads: int) -> Limits:
    """Measure everything; some seconds."""
    nb.set_num_threads(threads)
    a, b, c = (np.ones((threads, STREAM_FLOATS // threads), np.float32) for _ in range(3))
    out = np.zeros(threads, np.float32)
    triad = best_seconds(lambda: _triad(a, b, c, threads))
    read = best_seconds(lambda: _read(a, 1, threads, out))
    caches = cache_bytes()
    near = np.ones((threads, caches["L1"] // 8), np.float32)
    loading = best_seconds(lambda: _read(near, L1_ROUNDS, threads, out))
    changing = best_seconds(lambda: _update(near, L1_ROUNDS, threads))
    rates = {
        name: _line_rates(size, threads) for name, size in (*caches.items(), ("memory", FAR_BYTES))
    }
    adding = best_seconds(lambda: _multiply_add(FMA_ROUNDS, threads, out))
    return Limits(
        threads=threads,
        triad=3 * a.nbytes / 1e9 / triad,
        read=a.nbytes / 1e9 / read,
        loads=near.nbytes * L1_ROUNDS / 1e9 / loading,
        changes=2 * near.nbytes * L1_ROUNDS / 1e9 / changing,
        lines={name: rate[0] for name, rate in rates.items()},
        updates={name: rate[1] for name, rate in rates.items()},
        arithmetic=2 * FMA_ACCUMULATORS * FMA_ROUNDS * threads / 1e9 / adding,
    )


def _line_rates(size: int, threads: int) -> tuple[float, float]:
    """Return GB/s of lines read, and of lines changed, in random order in what holds `size`."""
    # A power of two, at most half of what holds it: the rest of the machine is there too.
    bits = int(np.log2(size // (8 * LINE_FLOATS)))
    lines = np.zeros((threads, 1 << bits, LINE_FLOATS), np.float32)
    out = np.zeros(threads, np.float32)
    reading = best_seconds(lambda: _read_lines(lines, bits, LINES_READ, threads, out))
    updating = best_seconds(lambda: _update_lines(lines, bits, LINES_READ, threads))
    moved = 4 * LINE_FLOATS * LINES_READ * threads / 1e9
    return moved / reading, 2 * moved / updating
