"""Chunks of particles on their way through a CUDA device.

A chunk passes through a *lane*: a block of page-locked host memory and its mirror on the device,
so that all arrays of a chunk are one copy. Two lanes with a stream each take turns: while one
works, the other is filled. Where memory ends, lanes are halved and the work goes on.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock

import numpy as np
from numba import cuda
from numpy.typing import DTypeLike

from cryofocus.errors import DeviceError
from cryofocus.kernels.contract import SliceGeometry
from cryofocus.kernels.cuda_arrays import DeviceArray
from cryofocus.kernels.cuda_memory import SHORTAGE, CudaMemory, is_shortage
from cryofocus.kernels.gpu import find_gpu_fault

Launch = Callable[..., None]

# Copies of this size reach the full rate of the bus.
LANE_BYTES = 1 << 28
LANE_SHARE = 1 / 8
# Where arrays begin in a lane.
ALIGNMENT = 256


@cache
def open_device(memory_gb: float | None) -> CudaDevice:
    """Return this process's device, the same one whenever it is asked for.

    Args:
        memory_gb: Memory to use at most, in GB; None takes most of what is free.

    Raises:
        DeviceError: Where there is no GPU, or what it takes is not installed: a worker may lack
            it.
    """
    if fault := find_gpu_fault():
        raise DeviceError(f"GPU: {fault}, or compute with --device cpu.")
    return CudaDevice(memory_gb)


class CudaDevice:
    """One device: its memory, and two lanes through which particles pass.

    Args:
        memory_gb: Memory to use at most, in GB; None takes most of what is free.
    """

    def __init__(self, memory_gb: float | None) -> None:
        # Numba warns where a chunk does not fill the device, which is nobody's fault.
        warnings.filterwarnings("ignore", message="Grid size")
        self.memory = CudaMemory(memory_gb)
        # Lanes must leave the memory to maps and statistics.
        self._lane_bytes = int(min(LANE_BYTES, LANE_SHARE * self.memory.bound))
        self._lanes: list[_Lane] = []
        self._busy = Lock()

    def run(
        self,
        geometry: SliceGeometry,
        inputs: Sequence[np.ndarray | DeviceArray],
        outputs: Sequence[np.ndarray | DeviceArray],
        launch: Launch,
    ) -> None:
        """Work on all particles, chunk by chunk, until the outputs are filled.

        Args:
            geometry: Of the slices.
            inputs: Arrays over particles, the host's or the device's; those promised not to change
                may be there already.
            outputs: Arrays over particles, the host's or the device's.
            launch: Starts the work on a chunk, given the stream and the chunk's arrays on the
                device: order of the particles, matrices, inputs, outputs.

        Raises:
            DeviceError: When there is no room for a single particle.
        """
        done, inputs = 0, (geometry.matrices, *inputs)
        with self._busy:
            while done < len(geometry.matrices):
                passing = [
                    array for array in (*inputs, *outputs) if self.memory.find(array) is None
                ]
                needed = _Need.of(passing)
                try:
                    done = self._pass_chunk(geometry, done, needed, (inputs, outputs), launch)
                except SHORTAGE as error:
                    if not is_shortage(error):
                        raise
                    self._halve(error, needed)
            self._finish()

    def _pass_chunk(
        self,
        geometry: SliceGeometry,
        start: int,
        needed: _Need,
        arrays: tuple[Sequence[np.ndarray | DeviceArray], Sequence[np.ndarray | DeviceArray]],
        launch: Launch,
    ) -> int:
        """Start the next chunk on its way; return where the one after it starts."""
        n_particles = len(geometry.matrices)
        lane = self._next_lane(needed, n_particles)
        lane.finish()
        rows = slice(start, min(start + needed.room(lane.n_bytes), n_particles))
        is_all = rows == slice(0, n_particles)
        order = (geometry if is_all else geometry.take(rows)).order
        inputs, outputs = arrays
        parameters = [lane.send(order.astype(np.int32))]
        for array in inputs:
            resident = self.memory.find(array)
            parameters.append(lane.send(array[rows]) if resident is None else resident[rows])
        for array in outputs:
            is_here = isinstance(array, np.ndarray)
            parameters.append(lane.expect(array[rows]) if is_here else array[rows])
        lane.work(launch, parameters)
        return rows.stop

    def _next_lane(self, needed: _Need, n_particles: int) -> _Lane:
        """Return the lane that was not used last, made or enlarged if need be."""
        n_bytes = max(needed.bytes(1), min(self._lane_bytes, needed.bytes(n_particles)))
        lane = self._lanes.pop(0) if len(self._lanes) == 2 else None
        if lane is not None and lane.n_bytes < n_bytes:
            lane.finish()
            lane = None  # its memory is free before more is taken
        if lane is None:
            lane = _Lane(self.memory, n_bytes)
        self._lanes.append(lane)
        return lane

    def _halve(self, error: Exception, needed: _Need) -> None:
        """Make room: shorter lanes as long as they hold a particle, then nothing that is kept."""
        self._finish()
        longest = max((lane.n_bytes for lane in self._lanes), default=self._lane_bytes)
        self._lanes.clear()
        self._lane_bytes = min(self._lane_bytes, longest)
        if longest > needed.bytes(1):
            self._lane_bytes = max(self._lane_bytes // 2, needed.bytes(1))
        elif not self.memory.drop_kept():
            what = f"{needed.bytes(1) / 1e6:.2g} MB for one particle"
            raise self.memory.explain(error, what) from error

    def _finish(self) -> None:
        for lane in self._lanes:
            lane.finish()


class _Lane:
    """A block of page-locked memory, its mirror on the device, and a stream."""

    def __init__(self, memory: CudaMemory, n_bytes: int) -> None:
        self.n_bytes = n_bytes
        self._device = memory.allocate((n_bytes,), np.uint8)
        self._host = cuda.pinned_array(n_bytes, np.uint8)
        self._stream = cuda.stream()
        self._filled = 0
        self._sent = 0
        self._expected: list[tuple[np.ndarray, np.ndarray]] = []

    def send(self, array: np.ndarray) -> DeviceArray:
        """Put an array into the lane; return its mirror, complex numbers as pairs."""
        host, device = self._place(array.shape, array.dtype)
        np.copyto(host, array)
        self._sent = self._filled
        return device

    def expect(self, array: np.ndarray) -> DeviceArray:
        """Make room for results; they will be in `array` when the lane has finished."""
        host, device = self._place(array.shape, array.dtype)
        self._expected.append((array, host))
        return device

    def work(self, launch: Launch, parameters: list[DeviceArray]) -> None:
        """Copy what was sent, start the work, and copy what is expected; wait for nothing."""
        sent = self._sent
        self._device[:sent].copy_to_device(self._host[:sent], stream=self._stream)
        launch(self._stream, *parameters)
        if self._filled > sent:
            expected = slice(sent, self._filled)
            self._device[expected].copy_to_host(self._host[expected], stream=self._stream)

    def finish(self) -> None:
        """Wait for the work and hand over its results; the lane is empty then."""
        self._stream.synchronize()
        for array, host in self._expected:
            np.copyto(array, host)
        self._expected.clear()
        self._filled = self._sent = 0

    def _place(self, shape: tuple[int, ...], dtype: DTypeLike) -> tuple[np.ndarray, DeviceArray]:
        """Return a place for an array in the block and in its mirror."""
        dtype = np.dtype(dtype)
        start, stop = self._filled, self._filled + math.prod(shape) * dtype.itemsize
        self._filled = -(-stop // ALIGNMENT) * ALIGNMENT
        host = self._host[start:stop].view(dtype).reshape(shape)
        device = self._device[start:stop]
        if dtype == np.complex64:
            return host, device.view(np.float32).reshape(*shape, 2)
        return host, device.view(dtype).reshape(*shape)


@dataclass(frozen=True)
class _Need:
    """What particles need of a lane: bytes for each, and what the gaps between arrays take."""

    each: int
    gaps: int

    @classmethod
    def of(cls, arrays: Sequence[np.ndarray]) -> _Need:
        """Return the need of some arrays over particles, and of the order."""
        rows = sum(array.nbytes // len(array) for array in arrays)
        return cls(rows + np.dtype(np.int32).itemsize, ALIGNMENT * (1 + len(arrays)))

    def bytes(self, n_particles: int) -> int:
        """Return the length of a lane for so many particles."""
        return self.gaps + n_particles * self.each

    def room(self, n_bytes: int) -> int:
        """Return how many particles a lane of some length takes."""
        return (n_bytes - self.gaps) // self.each
