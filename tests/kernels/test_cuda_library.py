"""Arrays that inference computes with on a CUDA device: passed to the loops and back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cryofocus.errors import DeviceError
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.kernels.cuda import CudaKernels
from cryofocus.kernels.cuda_arrays import CupyArrays, HostArrays
from cryofocus.kernels.cuda_lanes import open_device
from cryofocus.placement import fetch
from other_device import DEVICE, OtherArrays, send

from .test_slices import make_case

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("cuda_device")]

CASE = make_case(8, n_particles=5, n_components=2)
NAMES = ("data", "precision")


@pytest.fixture
def kernels() -> Iterator[CudaKernels]:
    """Kernels whose device has the arrays of the standard and nothing else."""
    open_device.cache_clear()
    kernels = CudaKernels(1.0)
    kernels.device.memory.library = OtherArrays()
    yield kernels
    open_device.cache_clear()


def assert_close(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Compare with the precision of float32 sums."""
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=3e-5, atol=3e-5 * abs(theirs).max())


def test_slices_lie_where_their_grid_does(kernels: CudaKernels) -> None:
    """A grid on the device gives slices there, a grid of the host gives slices on the host."""
    expected = CpuKernels(1).gather(CASE["grid"], CASE["geometry"])
    there = kernels.gather(kernels.send(CASE["grid"]), CASE["geometry"])
    assert there.device == DEVICE
    assert_close(fetch(there), expected)
    assert_close(kernels.gather(CASE["grid"], CASE["geometry"]), expected)


def test_moments_of_what_lies_on_the_device(kernels: CudaKernels) -> None:
    """Grids and statistics on the device give the numbers of those on the host."""
    host = [CASE[name] for name in NAMES]
    there = [kernels.send(array) for array in host]
    grid, geometry = CASE["grid"], CASE["geometry"]
    wide, shifts = np.repeat(grid, 2, axis=3), np.ones((5, 2), np.float32)
    for name in ("class_moments", "latent_moments"):
        ours = getattr(kernels, name)(kernels.send(grid), geometry, *there)
        theirs = getattr(CpuKernels(1), name)(grid, geometry, *host)
        for a, b in zip(ours, theirs, strict=True):
            assert_close(a, b)
    ours = kernels.pose_moments(kernels.send(wide), geometry, shifts, *there)
    for a, b in zip(ours, kernels.pose_moments(wide, geometry, shifts, *host), strict=True):
        assert_close(a, b)


def test_what_lies_on_the_device_is_summed_there_and_not_copied(
    kernels: CudaKernels, sent: list[int]
) -> None:
    """Only weights, poses and the order cross the bus; the sums stay."""
    totals = []
    for bring in (kernels.send, lambda array: array):
        accumulator = kernels.accumulator(8, 2, 2)
        statistics = [bring(CASE[name]) for name in NAMES]
        weights = CASE["weights"]
        accumulator.add(CASE["geometry"], *statistics, weights, weights)
        totals.append(accumulator.total())
    assert totals[0].data.device == totals[0].precision.device == DEVICE
    assert sent[1] - sent[0] >= CASE["data"].nbytes
    for name in NAMES:
        assert_close(fetch(getattr(totals[0], name)), fetch(getattr(totals[1], name)))


class Adopting(OtherArrays):
    """A library that shares the loops' memory, as CuPy does."""

    def adopt(self, array: Any, *, is_complex: bool) -> Any:
        """Return the array itself."""
        del is_complex
        return array


def test_sums_count_as_long_as_they_live(kernels: CudaKernels) -> None:
    """Memory that inference shares stays in the account until it lets go."""
    memory = kernels.device.memory
    memory.library = Adopting()
    used = memory.used
    total = kernels.accumulator(8, 2, 1).total()
    assert memory.used - used == 8 * 8 * 5 * (2 * 2 + 1) * 4
    del total
    assert memory.used == used


def test_in_the_simulator_inference_keeps_to_the_host(kernels: CudaKernels) -> None:
    """NumPy's arrays are not on the device, and nobody takes them for that."""
    library = HostArrays()
    array = np.ones(2)
    assert library.send(array) is array
    with pytest.raises(TypeError, match="does not lie on the device"):
        library.lend(array)


class Pool:
    """CuPy's pool as far as it is used: it can hold some bytes."""

    def __init__(self) -> None:
        self.taken = 0
        self.free_blocks = 0

    def malloc(self, size: int) -> str:
        """Take memory."""
        self.taken += size
        return "memory"

    def total_bytes(self) -> int:
        """Return what is in use or kept for later."""
        return self.taken + self.free_blocks

    def free_all_blocks(self) -> None:
        """Give back what is kept for later."""
        self.free_blocks = 0


@pytest.fixture
def allocate(
    kernels: CudaKernels, monkeypatch: pytest.MonkeyPatch
) -> tuple[CudaKernels, Pool, Callable[[int], str]]:
    """Kernels with a library that takes memory as CuPy does, its pool and its allocator."""
    allocators: list[Callable[[int], str]] = []
    pool = Pool()
    plans = SimpleNamespace(clear=lambda: None)
    module = SimpleNamespace(
        cuda=SimpleNamespace(MemoryPool=lambda: pool, set_allocator=allocators.append),
        fft=SimpleNamespace(config=SimpleNamespace(get_plan_cache=lambda: plans)),
    )
    monkeypatch.setitem(sys.modules, "cupy", module)
    memory = kernels.device.memory
    memory.library = CupyArrays(memory._take_for_library)
    return kernels, pool, allocators[0]


def test_memory_of_both_libraries_counts(allocate: Any) -> None:
    """One bound holds for the loops' arrays and for inference's; what is idle is given back."""
    kernels, pool, take = allocate
    memory = kernels.device.memory
    memory.bound = memory.used + 1000
    take(400)
    pool.free_blocks = 300
    held = memory.allocate((500,), np.uint8)
    assert pool.free_blocks == 0
    with pytest.raises(MemoryError):
        memory.allocate((200,), np.uint8)
    assert held.size == 500


def test_kept_statistics_give_way_to_inference(allocate: Any) -> None:
    """What would be nice to keep goes when inference needs the room; then there is one error."""
    kernels, pool, take = allocate
    memory = kernels.device.memory
    kernels.keep(CASE["data"])
    assert memory.find(CASE["data"]) is not None
    memory.bound = memory.used + 100
    assert take(200) == "memory"
    assert memory.find(CASE["data"]) is None
    with pytest.raises(DeviceError, match=r"not enough memory for .* GB for maps; .* may be used"):
        take(10**6)
    assert pool.taken == 200


def test_only_arrays_of_the_device_are_taken_for_such() -> None:
    """Sending twice is sending once."""
    there = send(np.ones(3))
    assert send(there) is there
