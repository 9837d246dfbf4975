"""Whether this machine can compute on a GPU, and which one it is."""

from __future__ import annotations

from importlib import import_module

from numba import config, cuda
from numba.cuda.cudadrv.driver import driver
from numba.cuda.cudadrv.error import CudaSupportError

from cryofocus.extras import install_command

# CuPy and its libraries, which it loads when they are first used.
CUPY_MODULES = ("cupy", "cupy.cuda.cufft", "cupy_backends.cuda.libs.cublas")
# The configuration's names are set at run time.
IS_SIMULATED: bool = config.ENABLE_CUDASIM  # type: ignore[attr-defined]


def find_gpu_fault() -> str | None:
    """Return what keeps this machine from computing on a GPU and what to do; None if nothing."""
    if IS_SIMULATED:
        return None
    try:
        works = driver.is_available
    except CudaSupportError:
        works = False
    if not works:
        if "NO_DEVICE" in str(driver.initialization_error):
            return "the NVIDIA driver finds no GPU. Let this process see one"
        return "no NVIDIA driver was found. Use a machine with an NVIDIA GPU and its driver"
    if not cuda.is_available():
        return f"Numba finds no CUDA compiler. Install it with {install_command('cuda')}"
    try:
        for module in CUPY_MODULES:
            import_module(module)
    except ImportError as error:
        return f"CuPy cannot be used ({error}). Install it with {install_command('cuda')}"
    return None


def describe_gpu() -> str:
    """Return name and memory of the GPU that is used."""
    if IS_SIMULATED:
        return "Numba's simulator of a GPU"
    context = cuda.current_context()
    name = context.device.name
    text = name.decode() if isinstance(name, bytes) else str(name)
    return f"{text}, {context.get_memory_info().total / 1e9:.0f} GB"
