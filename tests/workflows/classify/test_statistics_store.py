"""Arrays in memory or on disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from cryofocus.errors import OutputError
from cryofocus.workflows.classify.statistics_store import StatisticsStore
from cryofocus.workflows.machine.hardware import peak_memory_gb


def test_array_on_disk_behaves_like_any_other(tmp_path: Path) -> None:
    """Beyond the bound an array is a plain NumPy array, and its file has no name to leave."""
    store = StatisticsStore(tmp_path, memory_gb=1e-6)
    array = store.allocate((50, 7), np.complex64)
    array[:] = np.arange(7)
    assert type(array) is np.ndarray
    assert array.base is not None
    np.testing.assert_array_equal(array[::2].sum(axis=0), 25 * np.arange(7))
    assert list(tmp_path.iterdir()) == []


def test_what_lies_on_disk_is_told_when_it_has_doubled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Many arrays do not make as many lines."""
    caplog.set_level("INFO", "cryofocus")
    store = StatisticsStore(tmp_path, memory_gb=1e-6)
    for _ in range(9):
        store.allocate((1000, 1000), np.float32)
    assert [line.split(" of maps")[0] for line in caplog.messages] == [
        *("4 MB", "8 MB", "16 MB", "32 MB")
    ]


def test_array_within_the_bound_lies_in_memory(tmp_path: Path) -> None:
    """Without need no disk is used."""
    array = StatisticsStore(tmp_path).allocate((50, 7), np.float32)
    assert array.base is None
    assert (array.shape, array.dtype) == ((50, 7), np.float32)


def test_what_is_needed_later_is_left(tmp_path: Path) -> None:
    """An array that fits now but leaves too little for the cycles lies on disk."""
    shape, bound_gb = (1000, 1000), peak_memory_gb() + 1
    assert StatisticsStore(tmp_path, bound_gb, 0.5).allocate(shape, np.float32).base is None
    assert StatisticsStore(tmp_path, bound_gb, 1.0).allocate(shape, np.float32).base is not None


def test_full_disk_is_reported_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room on disk is reserved at once, so that a full disk is a message and no crash."""

    def refuse(descriptor: int, offset: int, length: int) -> None:
        del descriptor, offset, length
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OutputError, match="disk full"):
        StatisticsStore(tmp_path, memory_gb=1e-6).allocate((50, 7), np.float32)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A machine that does not see the run directory says so, with the whole path."""
    store = StatisticsStore(tmp_path / "RUN", memory_gb=1e-3)
    with pytest.raises(OutputError, match=rf"^{tmp_path}/RUN: folder not found; expected"):
        store.allocate((1000,), np.float32)
