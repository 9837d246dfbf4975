"""Memory of a CUDA device: a bound on what is taken, and arrays that stay while there is room."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numba import cuda
from numba.cuda.cudadrv.driver import CudaAPIError
from numpy.typing import DTypeLike

from cryofocus.errors import DeviceError
from cryofocus.kernels.cuda_arrays import CupyArrays, DeviceArray, DeviceLibrary, HostArrays
from cryofocus.kernels.gpu import IS_SIMULATED

Taken = TypeVar("Taken")

# Of the free memory, what is used if the user sets no bound; and of that, what may stay.
USED_SHARE, KEPT_SHARE = 0.9, 0.75
CUDA_ERROR_OUT_OF_MEMORY = 2
# What running out of memory may look like; `is_shortage` tells it from other faults.
SHORTAGE = (MemoryError, CudaAPIError)


def is_shortage(error: Exception) -> bool:
    """Return whether an error says that the device, or page-locked memory, is full."""
    if isinstance(error, MemoryError):
        return True
    return getattr(error, "code", None) == CUDA_ERROR_OUT_OF_MEMORY


class CudaMemory:
    """Allocates within a bound, which acts as a smaller device would.

    Arrays that are promised not to change are copied to the device when they are first used, and
    stay as long as they live on the host, unless something that cannot do without needs the room.

    Args:
        bound_gb: Memory to use at most, in GB; None takes most of what is free.

    Attributes:
        library: Of the arrays that inference computes with; their memory counts, too.
        used: Bytes of the loops' arrays.
    """

    def __init__(self, bound_gb: float | None) -> None:
        free = cuda.current_context().get_memory_info().free
        self.bound = USED_SHARE * free if bound_gb is None else bound_gb * 1e9
        self.used = 0
        self.library: DeviceLibrary = (
            HostArrays() if IS_SIMULATED else CupyArrays(self._take_for_library)
        )
        self._promised: set[int] = set()
        self._kept: dict[int, DeviceArray] = {}

    def allocate(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> DeviceArray:
        """Return an array, whose memory is free again when nobody holds the array.

        Raises:
            MemoryError: When there is no room (`is_shortage`).
            CudaAPIError: When there is no room (`is_shortage`).
        """
        n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        self._check(n_bytes)
        array = cuda.device_array(tuple(shape), dtype)
        self.used += n_bytes
        weakref.finalize(array, self._give_back, n_bytes)
        return array

    def claim(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> DeviceArray:
        """Return an array that the work cannot do without; kept arrays make room.

        Raises:
            DeviceError: When there is no room even so.
        """
        n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        return self._insist(n_bytes, lambda: self.allocate(shape, dtype))

    def upload(self, array: np.ndarray) -> DeviceArray:
        """Return a copy of an array that the work cannot do without."""
        copy = self.claim(array.shape, array.dtype)
        copy.copy_to_device(np.ascontiguousarray(array))
        return copy

    def promise(self, array: np.ndarray) -> None:
        """Remember that an array will not change as long as it lives."""
        if id(array) not in self._promised:
            self._promised.add(id(array))
            self._kept[id(array)] = None
            weakref.finalize(array, self._forget, id(array))

    def find(self, array: np.ndarray) -> DeviceArray | None:
        """Return the copy of a promised array if there is room for it, as floats or integers.

        What is on the device anyhow is returned as it is.
        """
        if not isinstance(array, np.ndarray):
            return array
        if id(array) not in self._kept:
            return None
        if self._kept[id(array)] is None:
            copy = self._copy_if_room(plain(array))
            if copy is None:
                del self._kept[id(array)]
                return None
            self._kept[id(array)] = copy
        return self._kept[id(array)]

    def drop_kept(self) -> bool:
        """Give up all kept arrays for good; return whether there were any."""
        dropped = bool(self._kept)
        self._kept.clear()
        return dropped

    def explain(self, error: Exception, what: str) -> Exception:
        """Return what to tell the user: what did not fit, or the error itself if it is another."""
        if not is_shortage(error):
            return error
        return DeviceError(
            f"GPU: not enough memory for {what}; {self.bound / 1e9:.2g} GB may be used. Give "
            "more with --memory-gpu, end other programs on the GPU, or compute with --device cpu."
        )

    def _check(self, n_bytes: int) -> None:
        """Raise MemoryError if so many bytes more are too many."""
        if not self._fits(n_bytes, self.bound):
            raise MemoryError

    def _fits(self, n_bytes: int, bound: float) -> bool:
        """Return whether so many bytes more stay within a bound, without what lies idle."""
        for give_back in (self.library.release, self.library.release_plans):
            if self.used + self.library.held_bytes() + n_bytes <= bound:
                return True
            give_back()
        return self.used + self.library.held_bytes() + n_bytes <= bound

    def _take_for_library(self, n_bytes: int, take: Callable[[], Taken]) -> Taken:
        """Let the library take memory; kept arrays make room."""

        def attempt() -> Taken:
            self._check(n_bytes)
            return take()

        return self._insist(n_bytes, attempt)

    def _insist(self, n_bytes: int, attempt: Callable[[], Taken]) -> Taken:
        """Do what takes memory, without kept arrays if need be.

        Raises:
            DeviceError: When there is no room even so.
        """
        try:
            return attempt()
        except SHORTAGE as error:
            if not is_shortage(error):
                raise
        self.drop_kept()
        self.library.release_plans()
        _free_now()
        try:
            return attempt()
        except SHORTAGE as error:
            raise self.explain(error, f"{n_bytes / 1e9:.2g} GB for maps") from error

    def _copy_if_room(self, array: np.ndarray) -> DeviceArray | None:
        if not self._fits(array.nbytes, KEPT_SHARE * self.bound):
            return None
        try:
            copy = self.allocate(array.shape, array.dtype)
        except SHORTAGE as error:
            if not is_shortage(error):
                raise
            return None
        copy.copy_to_device(array)
        return copy

    def _give_back(self, n_bytes: int) -> None:
        self.used -= n_bytes

    def _forget(self, key: int) -> None:
        self._promised.discard(key)
        self._kept.pop(key, None)


def _free_now() -> None:
    """Free what Numba has given up, which it puts off."""
    if not IS_SIMULATED:
        cuda.current_context().deallocations.clear()


def plain(array: np.ndarray) -> np.ndarray:
    """View complex numbers as pairs of floats, contiguous; leave other arrays as they are."""
    contiguous = np.ascontiguousarray(array)
    if array.dtype != np.complex64:
        return contiguous
    return contiguous.view(np.float32).reshape(*array.shape, 2)
