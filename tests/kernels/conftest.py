"""What tests of kernels share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from cryofocus.kernels import cuda_lanes
from cryofocus.kernels.gpu import find_gpu_fault


@pytest.fixture(scope="session")
def cuda_device() -> Iterator[None]:
    """A CUDA device, or Numba's simulator of one."""
    if fault := find_gpu_fault():
        pytest.skip(f"{fault}, or simulate one with NUMBA_ENABLE_CUDASIM=1 as scripts/test does")
    # The simulator's threads take turns; they wait for each other at every barrier.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(interval / 10)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes that each chunk brought to the device."""
    chunks: list[int] = []
    work = cuda_lanes._Lane.work

    def count(lane: Any, *args: Any) -> None:
        chunks.append(lane._sent)
        work(lane, *args)

    monkeypatch.setattr(cuda_lanes._Lane, "work", count)
    return chunks
