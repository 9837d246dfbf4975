"""The slice operations on CPU threads: typed, checked wrappers around the compiled loops."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex64, Float32, Int64

from cryofocus.arrays import AnyArray
from cryofocus.kernels import _cpu_loops, _pose_loops
from cryofocus.kernels.contract import (
    COLUMNS_AT_ONCE,
    ClassMoments,
    Data,
    Grid,
    LatentMoments,
    PoseMoments,
    Precision,
    SliceGeometry,
    Slices,
    SliceSums,
)
from cryofocus.kernels.parts import do_parts

# Floats that are added at once to a node of an accumulator.
ALIGNED = 4
# Of the memory, what accumulators may take; the rest is for statistics, images and maps.
GRIDS_SHARE = 0.5


@dataclass(frozen=True)
class CpuKernels:
    """`SliceKernels` by Numba; grids that threads accumulate into are added up in fixed order.

    Attributes:
        threads: Threads.
        memory_gb: Of which grids that are accumulated take a part; None sets no bound.
    """

    threads: int = 1
    memory_gb: float | None = None

    def send(self, array: AnyArray) -> AnyArray:
        """Return the array: this device works in the host's memory."""
        return array

    def keep(self, *arrays: np.ndarray) -> None:
        """Do nothing: arrays are read where they are."""

    def gather(self, grid: Grid, geometry: SliceGeometry) -> Slices:
        """Return every component's slice at every point."""
        shape = (len(geometry.matrices), len(geometry.points), grid.shape[3])
        slices = np.empty(shape, np.complex64)
        out = (_lines(slices.view(np.float32)),)
        self._run(_cpu_loops.gather_slices, (grid, grid.shape[3]), geometry, (), out)
        return slices

    def class_moments(
        self, grid: Grid, geometry: SliceGeometry, data: Data, precision: Precision
    ) -> ClassMoments:
        """Return Re<data, slice_k> and <slice_k, precision slice_k> of every particle."""
        linear, quadratic = np.empty((2, len(data), grid.shape[3]))
        out = (linear, quadratic)
        self._run(_cpu_loops.class_moments, (grid,), geometry, (_rows(data), precision), out)
        return out

    def latent_moments(
        self, grid: Grid, geometry: SliceGeometry, data: Data, precision: Precision
    ) -> LatentMoments:
        """Return Re<data, slice_k> and Re<slice_k, precision slice_l> of every particle."""
        shape = (len(data), grid.shape[3])
        out = np.empty(shape), np.empty((*shape, grid.shape[3]))
        self._run(_cpu_loops.latent_moments, (grid,), geometry, (_rows(data), precision), out)
        return out

    def pose_moments(
        self,
        grid: Complex64[np.ndarray, "edge edge half 4"],
        geometry: SliceGeometry,
        shifts: Float32[np.ndarray, "particle 2"],
        data: Data,
        precision: Precision,
    ) -> PoseMoments:
        """Return moments of the slice of a map and of its derivatives by the pose."""
        out = np.empty((len(data), 6)), np.empty((len(data), 6, 6))
        statistics = (shifts, _rows(data), precision)
        self._run(_pose_loops.pose_moments, (grid,), geometry, statistics, out)
        return out

    def accumulator(self, edge: int, n_data: int, n_precision: int) -> CpuAccumulator:
        """Return an empty sum over particles on a grid of `edge`, with so many columns."""
        shape = (edge, edge, edge // 2 + 1, _stride(n_data, n_precision))
        n_grids = self._n_grids(4 * math.prod(shape))
        sums = np.zeros((n_grids, *shape), np.float32)
        return CpuAccumulator(sums, n_data, n_precision, self.threads // n_grids)

    def _n_grids(self, n_bytes: int) -> int:
        """Return how many grids threads accumulate into; as many threads share each."""
        # Beside the threads' grids, there may be the sums of the other half set.
        n_fitting = max(1, self._share // n_bytes - 1)
        fitting = range(1, min(self.threads, n_fitting) + 1)
        return max(n for n in fitting if self.threads % n == 0)

    def columns_at_once(self, edge: int) -> int:
        """Return how many maps to accumulate in one pass on a grid of `edge`, within memory."""
        fitting = (n for n in range(COLUMNS_AT_ONCE, 1, -1) if self._fits(edge, n, n_grids=2))
        return next(fitting, 1)

    def halves_at_once(self, edge: int) -> bool:
        """Return whether memory holds the sums of both half sets on a grid of `edge`."""
        return self._fits(edge, 1, n_grids=2)

    def sums_bytes(self, edge: int, n_columns: int) -> tuple[int, int]:
        """Return what the sums of so many maps take, and while they are accumulated."""
        n_bytes = self._grid_bytes(edge, n_columns)
        return n_bytes, n_bytes * self._n_grids(n_bytes)

    def _grid_bytes(self, edge: int, n_columns: int) -> int:
        return 4 * edge * edge * (edge // 2 + 1) * _stride(n_columns, n_columns)

    @property
    def _share(self) -> int:
        """Bytes that grids may take."""
        return sys.maxsize if self.memory_gb is None else int(GRIDS_SHARE * self.memory_gb * 1e9)

    @property
    def host_gb(self) -> float | None:
        """Bound on the memory of this process."""
        return self.memory_gb

    def _fits(self, edge: int, n_columns: int, *, n_grids: int) -> bool:
        return n_grids * self._grid_bytes(edge, n_columns) <= self._share

    def _run(
        self,
        loops: Callable[..., None],
        source: tuple[Grid] | tuple[Grid, int],
        geometry: SliceGeometry,
        statistics: tuple[np.ndarray, ...],
        out: tuple[np.ndarray, ...],
    ) -> None:
        """Let loops over particles read a grid and statistics, and fill what comes out."""
        start = (_floats(source[0]), geometry.edge, *source[1:])
        place = (geometry.matrices, _planes(geometry))
        orders = _shares(geometry.order, self.threads)
        do_parts(lambda part: loops(*start, orders[part], *place, *statistics, *out), self.threads)


@dataclass(frozen=True)
class CpuAccumulator:
    """`SliceAccumulator` with a grid for every thread, or for every few that share it.

    Threads that share a grid go through the same particles, and each fills planes of its own.

    Each node holds its data (real and imaginary parts side by side), then its precisions, then
    what fills it up to a multiple of `ALIGNED`: a point touches as few cache lines as it can.
    """

    sums: Float32[np.ndarray, "thread edge edge half float"]
    n_data: int
    n_precision: int
    n_sharing: int = 1

    def add(
        self,
        geometry: SliceGeometry,
        data: Data,
        precision: Precision,
        data_weights: Float32[np.ndarray, "particle data_column"],
        precision_weights: Float32[np.ndarray, "particle precision_column"],
    ) -> None:
        """Insert the weighted slices of some particles; those of weight 0 cost nothing."""
        counts = np.logical_or(data_weights.any(axis=1), precision_weights.any(axis=1))
        orders = _shares(geometry.order[counts[geometry.order]], len(self.sums))
        place = (geometry.matrices, _planes(geometry))
        slices = (_rows(data), precision, data_weights, precision_weights)
        size = (geometry.edge, self.sums.shape[-1])
        grids = self.sums.reshape(len(self.sums), -1)

        def insert(part: int) -> None:
            grid, sharer = divmod(part, self.n_sharing)
            out = (sharer, self.n_sharing, grids[grid])
            _cpu_loops.accumulate(orders[grid], *place, *slices, *size, *out)

        do_parts(insert, len(self.sums) * self.n_sharing)

    def lanes(self) -> list[CpuAccumulator]:
        """Return an accumulator for each grid."""
        return [replace(self, sums=self.sums[k : k + 1]) for k in range(len(self.sums))]

    def total(self) -> SliceSums:
        """Return the sum over everything added so far."""
        total = self.sums[0]
        for own in self.sums[1:]:
            total += own
            own[:] = 0
        return self._finished(0.5 * total)

    def take(self) -> SliceSums:
        """Return the sum, in the memory it was added up in; nothing can be added any more."""
        n_threads, sums = len(self.sums) * self.n_sharing, self.sums

        def add_up(part: int) -> None:
            for plane in range(part, sums.shape[1], n_threads):
                total = sums[0, plane]
                for own in sums[1:, plane]:
                    total += own
                total *= np.float32(0.5)

        do_parts(add_up, n_threads)
        # Its own memory, given back but for the first grid: a copy would be as large again.
        sums.resize((1, *sums.shape[1:]), refcheck=False)
        return self._finished(sums[0])

    def _finished(self, total: Float32[np.ndarray, "edge edge half float"]) -> SliceSums:
        """Make half of a sum over the half plane the half of Hermitian grids, in place."""
        n_floats = 2 * self.n_data
        data = total[..., :n_floats].view(np.complex64)
        precision = total[..., n_floats : n_floats + self.n_precision]
        for part in (data, precision):
            _close_planes(part)
        return SliceSums(data, precision)


def _stride(n_data: int, n_precision: int) -> int:
    """Return the floats of a node."""
    return -(-(2 * n_data + n_precision) // ALIGNED) * ALIGNED


def _shares(order: Int64[np.ndarray, " n"], n: int) -> list[Int64[np.ndarray, " some"]]:
    """Cut an order of particles into as many runs."""
    return [order[k * len(order) // n : (k + 1) * len(order) // n] for k in range(n)]


def _floats(grid: Grid) -> Float32[np.ndarray, " n"]:
    """View a grid as the run of real and imaginary parts it is; a copy only if it is strided."""
    return np.ascontiguousarray(grid).view(np.float32).reshape(-1)


def _planes(geometry: SliceGeometry) -> Float32[np.ndarray, "2 point"]:
    """Return all kx, then all ky: the compiler wants neighbours in memory."""
    return np.ascontiguousarray(geometry.points.T)


def _rows(data: Data) -> np.ndarray:
    """View complex numbers, one row per particle, as the run of real and imaginary parts it is."""
    plain = np.ascontiguousarray(data)
    return _lines(plain.view(np.float32 if data.dtype == np.complex64 else np.uint16))


def _lines(values: np.ndarray) -> np.ndarray:
    """Join all axes but the first; there may be no particle."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _close_planes(half_sums: np.ndarray) -> None:
    """Bring together, in place, the shares of node and mate where both are stored.

    A value of Hermitian weight 2 was added once, at the point or at its mate, whichever is
    stored. Off the planes x = 0 and x = edge/2 both land on one node, which so holds twice its
    share: half of it is right there. On these planes node and mate share what they got.
    """
    edge = half_sums.shape[0]
    planes = [0, edge // 2] if edge % 2 == 0 else [0]
    flip = -np.arange(edge) % edge
    for x in planes:
        plane = half_sums[:, :, x]
        plane += np.conj(plane[flip][:, flip])
