"""The choice of a device, and what is said where it cannot be had."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cryofocus.errors import DeviceError, SettingError
from cryofocus.kernels import gpu
from cryofocus.kernels.cuda import CudaKernels
from cryofocus.kernels.select import select_kernels


@pytest.mark.parametrize(
    ("error", "found"),
    [
        ("CUDA driver library cannot be found.", "no NVIDIA driver was found. Use a machine with"),
        ("CUDA_ERROR_NO_DEVICE (100)", "the NVIDIA driver finds no GPU. Let this process see one"),
        (None, "Numba finds no CUDA compiler. Install it with pip install 'cryofocus[cuda]'"),
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
    assert message.startswith(f"device: cuda was asked for, but {found}")
    assert message.endswith(", or compute with --device cpu.")
    assert "\n" not in message


def test_a_missing_library_of_arrays_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card and a compiler without CuPy are not enough."""
    monkeypatch.setattr(gpu, "IS_SIMULATED", False)
    monkeypatch.setattr(gpu, "driver", SimpleNamespace(is_available=True))
    monkeypatch.setattr(gpu.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    with pytest.raises(DeviceError, match=r"CuPy is not installed\. Install it with pip install"):
        select_kernels("cuda")


def test_a_gpu_is_selected_with_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a GPU the kernels are a recipe that knows how much memory they may use."""
    monkeypatch.setattr(gpu, "find_gpu_fault", lambda: None)
    assert select_kernels("cuda", 2, 1.5) == CudaKernels(1.5)


def test_memory_of_no_gpu_is_not_bounded() -> None:
    """A bound on the GPU's memory without a GPU in use is a mistake that is pointed out."""
    with pytest.raises(SettingError) as refused:
        select_kernels("cpu", 1, 8.0)
    assert str(refused.value) == (
        "memory-gpu: bounds the GPU, but the device is cpu; add --device cuda."
    )
