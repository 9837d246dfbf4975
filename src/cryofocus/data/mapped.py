"""Arrays that lie in files: mapped into memory, and given back."""

from __future__ import annotations

import mmap

from cryofocus.arrays import AnyArray


def let_go(array: AnyArray) -> None:
    """Give back the pages of an array that lies in a mapped file; others stay as they are.

    What was written is kept, and what is read again comes from the system's cache or the file,
    but pages that are not needed no longer count as memory of this process, which is held to a
    bound.
    """
    base = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None:
        base.madvise(mmap.MADV_DONTNEED)
