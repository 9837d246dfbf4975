"""Arrays that lie in files: mapped into memory, and given back."""

from __future__ import annotations

import mmap

import numpy as np
from jaxtyping import Int, Shaped

from cryofocus.arrays import AnyArray


def let_go(array: AnyArray) -> None:
    """Give back the pages of an array that lies in a mapped file; others stay as they are.

    What was written is kept, and what is read again comes from the system's cache or the file,
    but pages that are not needed no longer count as memory of this process, which is held to a
    bound.
    """
    base = _file_of(array)
    if base is not None:
        base.madvise(mmap.MADV_DONTNEED)


def read_ahead(array: Shaped[np.ndarray, "n ..."], which: Int[np.ndarray, " m"]) -> None:
    """Have the system begin to read parts of an array that lies in a mapped file.

    Args:
        array: In memory, nothing is done.
        which: Indices along the first axis, ascending; those it does not have are left out.
    """
    base, which = _file_of(array), which[which < len(array)]
    if base is None or not len(which):
        return
    first, size = array.ctypes.data - np.frombuffer(base, np.uint8).ctypes.data, array[0].nbytes
    for run in np.split(which, np.flatnonzero(np.diff(which) > 1) + 1):
        start = first + int(run[0]) * size
        start -= start % mmap.PAGESIZE
        base.madvise(mmap.MADV_WILLNEED, start, first + (int(run[-1]) + 1) * size - start)


def _file_of(array: AnyArray) -> mmap.mmap | None:
    """Return the mapped file that an array lies in, if it does."""
    base = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    return base
