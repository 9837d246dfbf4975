"""Arrays in mapped files: their pages are given back, what was written stays."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data import mapped as mapped_module
from cryofocus.data.mapped import let_go, read_ahead

STATUS = Path("/proc/self/status")


def mapped_pages_kb() -> int:
    """Return the memory of this process that lies in mapped files."""
    kinds = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(kinds["RssFile"].split()[0])


def test_pages_are_given_back_and_read_again(tmp_path: Path) -> None:
    """What was written to a mapped array is there after its pages were given back."""
    n = 40 * mmap.PAGESIZE
    array = np.asarray(np.memmap(tmp_path / "a", np.uint8, "w+", shape=(n, 64)))
    array[:] = 7
    before = mapped_pages_kb()
    let_go(array[3:5])
    assert mapped_pages_kb() <= before - 0.9 * array.nbytes / 1024
    assert (array == 7).all()


def test_arrays_in_memory_stay_as_they_are() -> None:
    """An array that lies in no file is left alone."""
    array = np.arange(5)
    let_go(array)
    np.testing.assert_array_equal(array, np.arange(5))


def test_parts_are_asked_for_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system is asked for whole pages around each run, and for none beyond the file's end."""
    n, header = 3 * mmap.PAGESIZE, 100
    path = tmp_path / "a"
    path.write_bytes(bytes(header + 8 * n))
    asked: list[tuple[int, int]] = []

    class File(mmap.mmap):
        def madvise(self, _: int, start: int, length: int) -> None:
            super().madvise(mmap.MADV_WILLNEED, start, length)
            asked.append((start, start + length))

    with path.open("rb") as file:
        mapped = File(file.fileno(), 0, access=mmap.ACCESS_READ)
    array = np.frombuffer(mapped, np.uint8)[header:].reshape(8, n)
    monkeypatch.setattr(mapped_module, "_file_of", lambda _: mapped)
    read_ahead(array[1:], np.array([0, 1, 4, 6, 7, 9]))
    expected = [(1, 3), (5, 6), (7, 8)]
    for (start, stop), (first, last) in zip(asked, expected, strict=True):
        assert start % mmap.PAGESIZE == 0
        assert 0 <= header + first * n - start < mmap.PAGESIZE
        assert stop == header + last * n
    read_ahead(np.arange(5), np.array([8]))
    assert len(asked) == len(expected)
