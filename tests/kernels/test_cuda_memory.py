"""Memory of a CUDA device: chunks, what stays, and what happens when it is full."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from numba import cuda
from numba.cuda.cudadrv.driver import CudaAPIError

from cryofocus.errors import DeviceError
from cryofocus.kernels.cuda import CudaKernels
from cryofocus.kernels.cuda_lanes import open_device

from .test_slices import make_case

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("cuda_device")]

CASE = make_case(8, n_particles=8, n_components=2)
ARGS = (CASE["grid"], CASE["geometry"], CASE["data"], CASE["precision"])
PLENTY = 1.0


@pytest.fixture(autouse=True)
def _unused_device() -> Iterator[None]:
    """Every test starts with a device that holds nothing."""
    open_device.cache_clear()
    yield
    open_device.cache_clear()


def fill(monkeypatch: pytest.MonkeyPatch, free_bytes: int, code: int = 2) -> None:
    """Let the driver refuse lanes beyond some bytes."""
    allocate = cuda.device_array

    def refuse(shape: Any, dtype: Any, **options: Any) -> Any:
        if dtype == np.uint8 and np.prod(shape) > free_bytes:
            error = CudaAPIError(code, f"[{code}] cuMemAlloc")
            error.code = code
            raise error
        return allocate(shape, dtype, **options)

    monkeypatch.setattr(cuda, "device_array", refuse)


def cycle(kernels: CudaKernels) -> tuple[np.ndarray, ...]:
    """Compare with the classes, and insert."""
    accumulator = kernels.accumulator(8, 2, 2)
    accumulator.add(*ARGS[1:], CASE["weights"], CASE["weights"])
    sums = accumulator.total()
    return (*kernels.class_moments(*ARGS), sums.data, sums.precision)


@cache
def expected() -> tuple[np.ndarray, ...]:
    """What a device with plenty of memory finds."""
    return cycle(CudaKernels(PLENTY))


def assert_same(ours: tuple[np.ndarray, ...]) -> None:
    """Compare with what a device with plenty of memory finds; sums differ by their order."""
    for a, b in zip(ours, expected(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * abs(b).max())


def test_all_particles_pass_at_once_where_there_is_room(sent: list[int]) -> None:
    """With plenty of memory an operation is one chunk."""
    CudaKernels(PLENTY).class_moments(*ARGS)
    assert len(sent) == 1


def test_small_memory_means_smaller_chunks(sent: list[int]) -> None:
    """A bound on memory divides the work, and the result stays."""
    assert_same(cycle(CudaKernels(2.4e-5)))
    assert len(sent) > 4


def test_a_full_device_halves_the_chunk_and_goes_on(
    sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the driver refuses memory the chunk is halved until it fits, down to one particle."""
    kernels = CudaKernels(PLENTY)
    expected()
    sent.clear()
    fill(monkeypatch, 2100)
    assert_same(cycle(kernels))
    assert len(sent) > 4


def test_a_device_too_small_for_one_particle_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says what does not fit and what to do."""
    fill(monkeypatch, 1000)
    with pytest.raises(DeviceError) as refused:
        CudaKernels(PLENTY).class_moments(*ARGS)
    assert str(refused.value) == (
        "GPU: not enough memory for 0.0015 MB for one particle; 1 GB may be used. Give more "
        "with --memory-gpu, end other programs on the GPU, or compute with --device cpu."
    )


def test_maps_that_do_not_fit_are_refused() -> None:
    """Grids cannot be divided, so a bound below them is one clear error."""
    with pytest.raises(DeviceError) as refused:
        CudaKernels(4e-6).class_moments(*ARGS)
    assert str(refused.value) == (
        "GPU: not enough memory for 5.1e-06 GB for maps; 4e-06 GB may be used. Give more with "
        "--memory-gpu, end other programs on the GPU, or compute with --device cpu."
    )


def test_other_faults_are_not_taken_for_a_full_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the device is reported as it is."""
    fill(monkeypatch, 1000, code=700)
    with pytest.raises(CudaAPIError, match="700"):
        CudaKernels(PLENTY).class_moments(*ARGS)


def test_what_will_not_change_stays(sent: list[int]) -> None:
    """Promised statistics cross once; weights and poses cross every time."""
    kernels = CudaKernels(PLENTY)
    cycle(kernels)
    passing = min(sent)
    sent.clear()
    kernels.keep(CASE["data"], CASE["precision"])
    assert_same(cycle(kernels))
    assert_same(cycle(kernels))
    assert max(sent) <= passing - CASE["data"].nbytes


def test_memory_of_what_is_gone_is_free_again() -> None:
    """When the host drops promised statistics the device does too."""
    kernels = CudaKernels(PLENTY)
    data = CASE["data"].copy()
    kernels.keep(data)
    memory = kernels.device.memory
    kernels.class_moments(*ARGS[:2], data, ARGS[3])
    with_data = memory.used
    assert memory.find(data) is not None
    n_bytes = data.nbytes
    del data
    assert memory.used == with_data - n_bytes


def test_what_stays_makes_room_for_maps(sent: list[int]) -> None:
    """Kept statistics give way to maps, and pass through from then on."""
    kernels = CudaKernels(2.4e-5)
    kernels.keep(CASE["data"], CASE["precision"], CASE["weights"])
    assert_same(cycle(kernels))
    assert_same(cycle(kernels))
    assert max(sent) > 0
