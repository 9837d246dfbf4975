"""The choice of a device, and what is said where it cannot be had."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from cryofocus.errors import DeviceError, SettingError
from cryofocus.kernels import cuda_lanes, gpu
from cryofocus.kernels.cuda import CudaKernels
from cryofocus.kernels.select import select_kernels


@pytest.mark.parametrize(
    ("error", "found"),
    [
        ("CUDA driver library cannot be found.", "no NVIDIA driver was found. Use a machine with"),
        ("CUDA_ERROR_NO_DEVICE (100)", "the NVIDIA driver finds no GPU. Let this process see one"),
        (None, "Numba finds no CUDA compiler. Install it with pip install "),
    ],
)
def test_a_missing_gpu_is_explained_in_one_line(
    error: str | None, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Driver, device or compiler: what is missing is named, and what to do."""
    driver = SimpleNamespace(is_available=error is None, initialization_error=error)
    monkeypatch.setattr(gpu, "IS_SIMULATED", False)
    monkeypatch.setattr(gpu, "driver", driver)
    monkeypatch.setattr(gpu.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError) as refused:
        select_kernels("cuda")
    message = str(refused.value)
    assert message.startswith(f"device: cuda was requested, but {found}")
    assert message.endswith(", or compute with --device cpu.")
    assert "\n" not in message


def test_a_missing_library_of_arrays_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card and a compiler without CuPy are not enough."""
    monkeypatch.setattr(gpu, "IS_SIMULATED", False)
    monkeypatch.setattr(gpu, "driver", SimpleNamespace(is_available=True))
    monkeypatch.setattr(gpu.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "CUPY_MODULES", ("no_such_library",))
    with pytest.raises(DeviceError, match=r"CuPy cannot be used \(No module .*\)\. Install it"):
        select_kernels("cuda")


def test_a_worker_without_a_gpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that travelled to where there is no GPU name what is missing there."""
    monkeypatch.setattr(cuda_lanes, "find_gpu_fault", lambda: "no NVIDIA driver was found. Use")
    cuda_lanes.open_device.cache_clear()
    with pytest.raises(DeviceError, match=r"^GPU: no NVIDIA driver was found"):
        CudaKernels(2.5).send(np.ones(2))


def test_a_gpu_is_selected_with_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a GPU the kernels are a recipe that knows how much memory they may use."""
    monkeypatch.setattr(gpu, "find_gpu_fault", lambda: None)
    assert select_kernels("cuda", 2, 1.5) == CudaKernels(1.5)


def test_memory_of_no_gpu_is_not_bounded() -> None:
    """A bound on the GPU's memory without a GPU in use is a mistake that is pointed out."""
    with pytest.raises(SettingError) as refused:
        select_kernels("cpu", 1, 8.0)
    assert str(refused.value) == (
        "memory-gpu: limits GPU memory, but the device is cpu; add --device cuda."
    )
