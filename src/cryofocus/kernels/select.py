"""The explicit choice of a device; there is no hidden default."""

from __future__ import annotations

import os
import sys

from cryofocus.errors import SettingError
from cryofocus.kernels.contract import SliceKernels
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.kernels.reference import ReferenceKernels


def select_kernels(device: str, n_threads: int | None = None) -> SliceKernels:
    """Return the slice kernels of a device.

    Parameters
    ----------
    device : "cpu" (Numba threads) or "reference" (NumPy, slow).
    n_threads : threads for "cpu"; None takes every processor this process may use.

    Raises
    ------
    SettingError
        For an unknown device or less than one thread.
    """
    if device == "reference":
        return ReferenceKernels()
    if device != "cpu":
        message = f"device: found {device!r}, expected 'cpu' or 'reference'; choose one of these."
        raise SettingError(message)
    if n_threads is not None and n_threads < 1:
        message = f"threads: found {n_threads}, expected at least 1; give a positive number."
        raise SettingError(message)
    return CpuKernels(n_threads or available_threads())


def available_threads() -> int:
    """Return the number of processors this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
