"""The slice operations on a CUDA device: typed wrappers around the loops that run there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Complex64, Float32, Float64, Int64, Shaped
from numba.cuda.cudadrv.driver import device_memset

from cryofocus.kernels import _cuda_loops, _cuda_pose_loops
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
    UnboundedHost,
)
from cryofocus.kernels.cuda_arrays import DeviceArray
from cryofocus.kernels.cuda_lanes import CudaDevice, Launch, open_device
from cryofocus.kernels.cuda_memory import plain
from cryofocus.placement import Array, is_on_host

# Where the entries of a pose's quadratic moments lie among its sums; those that vanish do not.
_POSE = np.array(
    [
        [6, 7, 8, 9, -1, -1],
        [7, 10, 11, 12, 16, 19],
        [8, 11, 13, 14, 17, 20],
        [9, 12, 14, 15, 18, 21],
        [-1, 16, 17, 18, 22, 23],
        [-1, 19, 20, 21, 23, 24],
    ]
)


@dataclass(frozen=True)
class CudaKernels(UnboundedHost):
    """`SliceKernels` by a CUDA device, which is opened when it is first needed.

    What is pickled is this recipe; whoever gets it opens a device of its own.

    Attributes:
        memory_gb: Device memory to use at most, in GB; None takes most of what is free.
    """

    memory_gb: float | None = None

    @property
    def device(self) -> CudaDevice:
        """The device of this process."""
        return open_device(self.memory_gb)

    def send(self, array: Shaped[Array, ...]) -> Shaped[Array, ...]:
        """Return an array in the device's memory, as one of its library."""
        return self.device.memory.library.send(array)

    def keep(self, *arrays: np.ndarray) -> None:
        """Be told that arrays will not change: they stay on the device while there is room."""
        for array in arrays:
            self.device.memory.promise(array)

    def gather(self, grid: Grid, geometry: SliceGeometry) -> Slices:
        """Return every component's slice at every point."""
        n_points, n_components = len(geometry.points), grid.shape[3]
        size = (len(geometry.matrices), n_points, n_components)
        is_here = is_on_host(grid)
        memory = self.device.memory
        slices = np.empty(size, np.complex64) if is_here else memory.claim((*size, 2))
        shape = (_parts(n_points, _cuda_loops.POINTS), _block(n_components))
        launch = _launcher(_cuda_loops.gather_slices, shape, self._place(grid, geometry))
        self.device.run(geometry, (), (slices,), launch)
        return slices if is_here else memory.library.adopt(slices, is_complex=True)

    def class_moments(
        self, grid: Grid, geometry: SliceGeometry, data: Data, precision: Precision
    ) -> ClassMoments:
        """Return Re<data, slice_k> and <slice_k, precision slice_k> of every particle."""
        component = np.arange(grid.shape[3])
        moments = self._moments(grid, geometry, (data, precision), (component, component))
        linear, quadratic = np.split(moments, 2, axis=1)
        return np.ascontiguousarray(linear), np.ascontiguousarray(quadratic)

    def latent_moments(
        self, grid: Grid, geometry: SliceGeometry, data: Data, precision: Precision
    ) -> LatentMoments:
        """Return Re<data, slice_k> and Re<slice_k, precision slice_l> of every particle."""
        n_components = grid.shape[3]
        pairs = np.tril_indices(n_components)
        moments = self._moments(grid, geometry, (data, precision), pairs)
        place = np.empty((n_components, n_components), np.int64)
        place[pairs] = place.T[pairs] = n_components + np.arange(len(pairs[0]))
        return np.ascontiguousarray(moments[:, :n_components]), moments[:, place]

    def pose_moments(
        self,
        grid: Complex64[Array, "edge edge half 4"],
        geometry: SliceGeometry,
        shifts: Float32[np.ndarray, "particle 2"],
        data: Data,
        precision: Precision,
    ) -> PoseMoments:
        """Return moments of the slice of a map and of its derivatives by the pose."""
        moments = np.empty((len(geometry.matrices), _POSE.max() + 1))
        shape = (1, (_cuda_loops.THREADS, 1))
        launch = _launcher(_cuda_pose_loops.pose_moments, shape, self._place(grid, geometry))
        inputs = (shifts, self.lend(data), self.lend(precision))
        self.device.run(geometry, inputs, (moments,), launch)
        quadratic = np.where(_POSE < 0, 0.0, moments[:, _POSE])
        return np.ascontiguousarray(moments[:, :6]), quadratic

    def columns_at_once(self, edge: int) -> int:
        """Return how many maps to accumulate in one pass: the device holds each once."""
        del edge
        return COLUMNS_AT_ONCE

    def accumulator(self, edge: int, n_data: int, n_precision: int) -> CudaAccumulator:
        """Return an empty sum over particles on a grid of `edge`, with so many columns."""
        n_nodes = edge * edge * (edge // 2 + 1)
        sums = self.device.memory.claim((n_nodes * (2 * n_data + n_precision),))
        device_memset(sums, 0, sums.nbytes)
        return CudaAccumulator(self, edge, (n_data, n_precision), sums)

    def _moments(
        self,
        grid: Grid,
        geometry: SliceGeometry,
        statistics: tuple[Data, Precision],
        pairs: tuple[Int64[np.ndarray, " pair"], Int64[np.ndarray, " pair"]],
    ) -> Float64[np.ndarray, "particle product"]:
        """Return the linear moments, then the quadratic ones of some pairs of components."""
        n_components = grid.shape[3]
        if n_components > _cuda_loops.TILE:
            raise ValueError(f"{n_components} components, at most {_cuda_loops.TILE} on a GPU")
        linear = np.stack([np.arange(n_components), np.full(n_components, -1)], axis=1)
        products = np.concatenate([linear, np.stack(pairs, axis=1)]).astype(np.int32)
        moments = np.empty((len(geometry.matrices), len(products)))
        shape = (_parts(len(products), _cuda_loops.SUMS), _block(n_components))
        common = (*self._place(grid, geometry), self.device.memory.upload(products), n_components)
        launch = _launcher(_cuda_loops.quadratic_moments, shape, common)
        inputs = [self.lend(array) for array in statistics]
        self.device.run(geometry, inputs, (moments,), launch)
        return moments

    def lend(self, array: Shaped[Array, ...]) -> np.ndarray | DeviceArray:
        """Return an array of the device's library as loops know it, one of the host as it is."""
        return array if is_on_host(array) else self.device.memory.library.lend(array)

    def _place(self, grid: Grid, geometry: SliceGeometry) -> tuple[DeviceArray, int, DeviceArray]:
        """Return, on the device, a grid as the run of floats it is, its edge, and the points."""
        upload = self.device.memory.upload
        flat = upload(plain(grid).reshape(-1)) if is_on_host(grid) else self.lend(grid).reshape(-1)
        return flat, geometry.edge, upload(geometry.points)


@dataclass(frozen=True, eq=False)
class CudaAccumulator:
    """`SliceAccumulator` in the device's memory, to which all threads add atomically.

    Attributes:
        kernels: Of the device.
        edge: Of the grid.
        n_columns: Of data and of precisions.
        sums: On the device; as the loops know it.
    """

    kernels: CudaKernels
    edge: int
    n_columns: tuple[int, int]
    sums: DeviceArray

    def add(
        self,
        geometry: SliceGeometry,
        data: Data,
        precision: Precision,
        data_weights: Float32[np.ndarray, "particle data_column"],
        precision_weights: Float32[np.ndarray, "particle precision_column"],
    ) -> None:
        """Insert the weighted slices of some particles."""
        device, n_points = self.kernels.device, len(geometry.points)
        n_data, n_precision = self.n_columns
        shape = (_parts(n_points, _cuda_loops.POINTS), _block(2 * n_data + n_precision))
        common = (self.edge, device.memory.upload(geometry.points), self.sums)
        launch = _launcher(_cuda_loops.accumulate, shape, common)
        lend = self.kernels.lend
        inputs = (data_weights, precision_weights, lend(data), lend(precision))
        device.run(geometry, inputs, (), launch)

    def take(self) -> SliceSums:
        """Return the sum over everything added."""
        return self.total()

    def lanes(self) -> tuple[CudaAccumulator]:
        """Return itself: one thread adds to it."""
        return (self,)

    def total(self) -> SliceSums:
        """Return the sum over everything added so far."""
        memory, (n_data, n_precision) = self.kernels.device.memory, self.n_columns
        shape = (self.edge, self.edge, self.edge // 2 + 1)
        n_nodes = int(np.prod(shape))
        data, precision = memory.claim((*shape, n_data, 2)), memory.claim((*shape, n_precision))
        flat = data.reshape(n_nodes, n_data, 2), precision.reshape(n_nodes, n_precision)
        _cuda_loops.fold[_spread(n_nodes)](self.sums, self.edge, *flat)
        return SliceSums(
            memory.library.adopt(data, is_complex=True),
            memory.library.adopt(precision, is_complex=False),
        )


def _launcher(loops: Any, shape: tuple[int, tuple[int, int]], common: Sequence[Any]) -> Launch:
    """Return what starts loops on a chunk, in so many blocks of a shape for every particle."""
    n_parts, block = shape

    def launch(stream: Any, order: DeviceArray, *arrays: DeviceArray) -> None:
        loops[(order.shape[0], n_parts), block, stream](*common, order, *arrays)

    return launch


def _block(n_columns: int) -> tuple[int, int]:
    """Return the shape of a block: columns of a point beside each other, as many points as fit."""
    across = min(n_columns, _cuda_loops.THREADS)
    return across, _cuda_loops.THREADS // across


def _parts(n: int, at_once: int) -> int:
    """Return in how many parts `n` things are worked on."""
    return max(1, -(-n // at_once))


def _spread(n: int) -> tuple[int, int]:
    """Return blocks and threads for `n` independent things, over which they stride."""
    return min(_parts(n, _cuda_loops.THREADS), _cuda_loops.BLOCKS), _cuda_loops.THREADS
