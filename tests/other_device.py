"""A device that is none: its arrays cannot be mixed with the host's nor read as if they were.

array-api-strict allows on them what the array standard promises and nothing else, so that what
runs here runs with any library that keeps to the standard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_strict
import numpy as np
from numba import cuda

from cryofocus.kernels.contract import SliceAccumulator, SliceGeometry, SliceKernels, SliceSums
from cryofocus.placement import fetch

DEVICE = array_api_strict.Device("device1")


def send(array: Any) -> Any:
    """Copy an array to the device unless it is there."""
    if isinstance(array, np.ndarray):
        return array_api_strict.asarray(array, device=DEVICE)
    assert array.device == DEVICE
    return array


@dataclass(frozen=True)
class OtherDevice:
    """`SliceKernels` of another device: those of the host, on copies."""

    host: SliceKernels

    def send(self, array: Any) -> Any:
        """Bring an array to the device."""
        return send(array)

    def keep(self, *arrays: np.ndarray) -> None:
        """Take note of statistics, which lie on the host."""
        assert all(isinstance(array, np.ndarray) for array in arrays)

    def gather(self, grid: Any, geometry: SliceGeometry) -> Any:
        """Return slices where the grid lies."""
        slices = self.host.gather(fetch(grid), geometry)
        return slices if isinstance(grid, np.ndarray) else send(slices)

    def class_moments(self, grid: Any, *args: Any) -> Any:
        """Return moments."""
        return self.host.class_moments(fetch(grid), args[0], *map(fetch, args[1:]))

    def latent_moments(self, grid: Any, *args: Any) -> Any:
        """Return moments."""
        return self.host.latent_moments(fetch(grid), args[0], *map(fetch, args[1:]))

    def pose_moments(self, grid: Any, *args: Any) -> Any:
        """Return moments."""
        return self.host.pose_moments(fetch(grid), args[0], *map(fetch, args[1:]))

    def accumulator(self, edge: int, n_data: int, n_precision: int) -> OtherAccumulator:
        """Return an empty sum."""
        return OtherAccumulator(self.host.accumulator(edge, n_data, n_precision))

    def halves_at_once(self, edge: int) -> bool:
        """Return what the host does."""
        return self.host.halves_at_once(edge)

    def sums_bytes(self, edge: int, n_columns: int) -> tuple[int, int]:
        """Return what the host does."""
        return self.host.sums_bytes(edge, n_columns)

    @property
    def host_gb(self) -> float | None:
        """Return what the host does."""
        return self.host.host_gb

    def columns_at_once(self, edge: int) -> int:
        """Return what the host says."""
        return self.host.columns_at_once(edge)


@dataclass(frozen=True)
class OtherAccumulator:
    """`SliceAccumulator` of the other device."""

    host: SliceAccumulator

    def add(self, geometry: SliceGeometry, *args: Any) -> None:
        """Insert slices; weights come from the host."""
        assert all(isinstance(array, np.ndarray) for array in args[2:])
        self.host.add(geometry, *map(fetch, args))

    def lanes(self) -> tuple[OtherAccumulator]:
        """Return itself: one thread adds to it."""
        return (self,)

    def take(self) -> SliceSums:
        """Return the sum on the device."""
        return self.total()

    def total(self) -> SliceSums:
        """Return the sum on the device."""
        sums = self.host.total()
        return SliceSums(send(sums.data), send(sums.precision))


class OtherArrays:
    """`DeviceLibrary` of the other device, to and from arrays of Numba's simulator."""

    def send(self, array: Any) -> Any:
        """Bring an array to the device."""
        return send(array)

    def lend(self, array: Any) -> Any:
        """Return an array as loops know it."""
        host = np.ascontiguousarray(fetch(array))
        if host.dtype == np.complex64:
            host = host.view(np.float32).reshape(*host.shape, 2)
        return cuda.to_device(host)

    def adopt(self, array: Any, *, is_complex: bool) -> Any:
        """Return an array of the loops."""
        host = array.copy_to_host()
        return send(host.view(np.complex64)[..., 0] if is_complex else host)

    def held_bytes(self) -> int:
        """Return 0."""
        return 0

    def release(self) -> None:
        """Do nothing."""

    def release_plans(self) -> None:
        """Do nothing."""
