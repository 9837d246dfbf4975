"""Arrays in mapped files: their pages are given back, what was written stays."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np

from cryofocus.data.mapped import let_go

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
