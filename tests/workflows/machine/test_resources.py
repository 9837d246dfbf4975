"""What computes in this process."""

from __future__ import annotations

import pytest

from cryofocus.errors import SettingError
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.kernels.reference import ReferenceKernels
from cryofocus.kernels.select import available_threads
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.resources import use_process


def test_all_processors_unless_told() -> None:
    """Without a word the processors of this process compute, within most of the memory."""
    found = use_process()
    assert isinstance(found.kernels, CpuKernels)
    assert found.threads == found.kernels.threads == available_threads()
    assert found.kernels.memory_gb is not None
    assert found.memory_gb is None


def test_what_is_asked_for() -> None:
    """Device, threads and memory are those of the machine."""
    found = use_process(Machine(threads=3, memory_gb=2.5))
    assert found.kernels == CpuKernels(3, 2.5)
    assert isinstance(use_process(Machine(device="reference")).kernels, ReferenceKernels)


def test_a_cluster_is_refused() -> None:
    """What would not be spread over workers does not start any."""
    with pytest.raises(SettingError, match="cluster: found local:2, but only a classification"):
        use_process(Machine(cluster="local:2"))
