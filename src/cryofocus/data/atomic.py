"""Files appear whole or not at all: written under a temporary name, flushed, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cryofocus.errors import OutputError

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` only when the block ends well.

    Parameters
    ----------
    path : Path
        Final name. Until the end, and for ever if the block fails, it keeps its old content.

    Yields
    ------
    BinaryIO
        Handle on a temporary file in the same folder.

    Raises
    ------
    OutputError
        Disk full, no permission, no such folder.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
    except OSError as error:
        raise OutputError(_explain(path, error)) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _explain(path: Path, error: OSError) -> str:
    # NumPy reports a short write without an error number.
    if error.errno in DISK_FULL or error.errno is None:
        return (
            f"{path}: disk full while writing; nothing was overwritten. "
            "Free some space or choose another place."
        )
    return (
        f"{path}: cannot be written ({error.strerror}); nothing was overwritten. "
        "Check that its folder exists and may be written to, or choose another place."
    )
