"""The explicit choice of a device; there is no hidden default."""

from __future__ import annotations

import os
import sys

from cryofocus.calls import checked
from cryofocus.errors import DeviceError, SettingError
from cryofocus.kernels.contract import SliceKernels
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.kernels.reference import ReferenceKernels

DEVICES = ("cpu", "cuda", "reference")
# Every thread has a grid of its own.
MOST_THREADS = 1024


@checked
def select_kernels(
    device: str,
    threads: int | None = None,
    memory_gpu_gb: float | None = None,
    *,
    memory_gb: float | None = None,
) -> SliceKernels:
    """Return the slice kernels of a device.

    Args:
        device: "cpu" (Numba threads), "cuda" (an NVIDIA GPU) or "reference" (NumPy, slow).
        threads: Threads for "cpu"; None takes every processor this process may use.
        memory_gpu_gb: Memory of the GPU to use at most, in GB; None takes most of what is free.
        memory_gb: Bound on the memory of the process, of which grids for "cpu" take a part.

    Raises:
        SettingError: For an unknown device, less than one thread or too many, or memory where
            there is no GPU to bound.
        DeviceError: When this machine cannot compute on a GPU.
    """
    if device not in DEVICES:
        message = f"device: found {device!r}, expected one of {', '.join(DEVICES)}."
        raise SettingError(message)
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        message = f"threads: found {threads}, expected 1 to {MOST_THREADS}; give what you have."
        raise SettingError(message)
    if memory_gpu_gb is not None and device != "cuda":
        message = f"memory-gpu: limits GPU memory, but the device is {device}; add --device cuda."
        raise SettingError(message)
    if device == "cuda":
        return _select_gpu(memory_gpu_gb)
    if device == "reference":
        return ReferenceKernels()
    return CpuKernels(threads or available_threads(), memory_gb)


def _select_gpu(memory_gb: float | None) -> SliceKernels:
    """Return the kernels of the GPU, if there is one; only who asks for it loads what it needs."""
    from cryofocus.kernels.cuda import CudaKernels
    from cryofocus.kernels.gpu import find_gpu_fault

    if fault := find_gpu_fault():
        raise DeviceError(
            f"device: cuda was requested, but {fault}, or compute with --device cpu."
        )
    return CudaKernels(memory_gb)


def available_threads() -> int:
    """Return the number of processors this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
