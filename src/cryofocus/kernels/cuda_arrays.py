"""Arrays of a CUDA device that inference computes with, beside those of the compiled loops.

CuPy has the operations of the array standard, Fourier transforms among them; Numba has the loops.
Both see the same memory: an array passes from one to the other without being copied.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any, Protocol

import numpy as np
from numba import cuda

from cryofocus.placement import Array, is_on_host

# Arrays of numba.cuda carry no types.
DeviceArray = Any


class DeviceLibrary(Protocol):
    """A library of arrays on the device, and how they pass to the loops and back."""

    def send(self, array: Array) -> Array:
        """Return an array as the library's, copied if it is the host's."""
        ...

    def lend(self, array: Array) -> DeviceArray:
        """Return an array of the library as loops know it, complex numbers as pairs."""
        ...

    def adopt(self, array: DeviceArray, *, is_complex: bool) -> Array:
        """Return an array of the loops as the library's; pairs in its last axis may be complex."""
        ...

    def held_bytes(self) -> int:
        """Return the memory it holds, in use or kept for later."""
        ...

    def release(self) -> None:
        """Give back memory that it keeps for later."""
        ...

    def release_plans(self) -> None:
        """Give back plans of transforms and their memory, too."""
        ...


class CupyArrays:
    """`DeviceLibrary` by CuPy, whose memory comes from a pool of our own.

    Args:
        make_room: Called before memory is taken from the device, with the bytes wanted and what
            takes them; may run it again, once there is room.
    """

    def __init__(self, make_room: Callable[[int, Callable[[], Any]], Any]) -> None:
        import cupy

        self._cupy = cupy
        self._make_room = make_room
        self._pool = cupy.cuda.MemoryPool()
        # Every thread has plans of its own.
        self._plans: dict[int, Any] = {}
        cupy.cuda.set_allocator(self._allocate)

    def send(self, array: Array) -> Array:
        """Return an array as CuPy's.

        CuPy's own way keeps a page-locked copy of every size for good.
        """
        if not is_on_host(array):
            return array
        copy = self._cupy.empty(array.shape, array.dtype)
        copy.set(np.ascontiguousarray(array))
        return copy

    def lend(self, array: Array) -> DeviceArray:
        """Return an array as loops know it; a copy only if it is not contiguous."""
        contiguous = self._cupy.ascontiguousarray(array)
        if contiguous.dtype == np.complex64:
            contiguous = contiguous.view(np.float32).reshape(*array.shape, 2)
        return cuda.as_cuda_array(contiguous)

    def adopt(self, array: DeviceArray, *, is_complex: bool) -> Array:
        """Return an array of the loops as CuPy's, which keeps its memory alive."""
        seen = self._cupy.asarray(array)
        return seen.view(np.complex64)[..., 0] if is_complex else seen

    def held_bytes(self) -> int:
        """Return the memory of the pool."""
        return int(self._pool.total_bytes())

    def release(self) -> None:
        """Give back the pool's free blocks."""
        self._pool.free_all_blocks()

    def release_plans(self) -> None:
        """Give back the plans of transforms of all threads, and free blocks."""
        for plans in list(self._plans.values()):
            plans.clear()
        self._pool.free_all_blocks()

    def _allocate(self, size: int) -> Any:
        self._plans[get_ident()] = self._cupy.fft.config.get_plan_cache()
        return self._make_room(size, lambda: self._pool.malloc(size))


class HostArrays:
    """`DeviceLibrary` where there is none: in the simulator, inference computes with NumPy."""

    def send(self, array: Array) -> Array:
        """Return the array itself."""
        return array

    def lend(self, array: Array) -> DeviceArray:
        """Refuse: what inference computes with is never on the device."""
        raise TypeError(f"{type(array).__name__} does not lie on the device")

    def adopt(self, array: DeviceArray, *, is_complex: bool) -> Array:
        """Return a copy of an array of the loops."""
        copy = array.copy_to_host()
        return copy.view(np.complex64)[..., 0] if is_complex else copy

    def held_bytes(self) -> int:
        """Return 0."""
        return 0

    def release(self) -> None:
        """Do nothing."""

    def release_plans(self) -> None:
        """Do nothing."""
