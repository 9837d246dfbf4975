"""What computes in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryofocus.errors import SettingError
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.kernels.reference import ReferenceKernels
from cryofocus.kernels.select import available_threads
from cryofocus.workflows.machine.hardware import describe_hardware, offered_memory_gb
from cryofocus.workflows.machine.machine import Machine, read_gigabytes
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


@pytest.mark.parametrize(
    ("text", "gigabytes"),
    [
        ("8", 8.0),
        ("8GB", 8.0),
        ("8 g", 8.0),
        ("500MB", 0.5),
        ("0.5T", 500.0),
        ("2GiB", 2.147483648),
    ],
)
def test_sizes_are_read_with_and_without_a_unit(text: str, gigabytes: float) -> None:
    """A plain number is in GB, as before; units say otherwise."""
    assert read_gigabytes(text) == pytest.approx(gigabytes)


@pytest.mark.parametrize("text", ["0", "-3", "8KB", "much", "8 8"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Nothing, and what has another unit or none that is known, is no size."""
    with pytest.raises(ValueError, match=text):
        read_gigabytes(text)


@pytest.mark.parametrize(
    ("table", "file"),
    [
        ("0::/jobs/mine\n", "jobs/mine/memory.max"),
        ("0::/jobs/mine\n", "jobs/memory.max"),
        ("4:memory:/jobs/mine\n0::/\n", "memory/jobs/mine/memory.limit_in_bytes"),
    ],
)
def test_memory_is_what_a_batch_system_leaves(tmp_path: Path, table: str, file: str) -> None:
    """The smallest limit of the groups a process is in counts, in either version of the system."""
    groups = tmp_path / "sys/fs/cgroup"
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(table)
    whole = offered_memory_gb(tmp_path)
    assert whole == pytest.approx(describe_hardware().memory_gb)
    (groups / file).parent.mkdir(parents=True)
    (groups / file).write_text("123000000\n")
    (groups / "memory.max").write_text("max\n")
    assert offered_memory_gb(tmp_path) == pytest.approx(0.123)
    assert offered_memory_gb(tmp_path / "elsewhere") == whole
