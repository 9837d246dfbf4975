"""Files appear whole or not at all: written under a temporary name, flushed, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cryofocus.errors import OutputError

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
PARTIAL_SUFFIX = ".partial"
"""Ending of temporary names; what a killed process leaves under it may be deleted."""


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` only when the block ends well.

    Args:
        path: Final name. Until the end, and for ever if the block fails, it keeps its old content.

    Yields:
        Handle on a temporary file in the same folder.

    Raises:
        OutputError: Disk full, no permission, no such folder.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        with explain_write_errors(path):
            with partial.open("wb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            partial.replace(path)
            _flush_folder(path.parent)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into one clear message.

    Args:
        path: The file that is being written; the message names it.

    Raises:
        OutputError: When the block raises `OSError`: disk full (with the space left), or the
            system's reason.
    """
    try:
        yield
    except OSError as error:
        # NumPy reports a short write without an error number.
        if error.errno in DISK_FULL or error.errno is None:
            raise OutputError(
                f"{path}: disk full while writing; nothing was overwritten. "
                f"{_free_megabytes(path):.0f} MB are free on its file system: free some space or "
                "choose another place. An unfinished classification continues with --resume."
            ) from error
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}); nothing was overwritten. "
            "Check that its folder exists and may be written to, or choose another place."
        ) from error


def _free_megabytes(path: Path) -> float:
    """Measure the space left on the file system that holds, or would hold, a path."""
    existing = next(folder for folder in path.absolute().parents if folder.exists())
    return shutil.disk_usage(existing).free / 1e6


def _flush_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
