"""Files appear whole or not at all: written under a temporary name, flushed, then renamed."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cryofocus.errors import OutputError

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
PARTIAL_SUFFIX = ".partial"
"""Ending of temporary names; what a killed process leaves under it may be deleted."""

# .NAME.PROCESS@HOST.partial; earlier versions left the host out.
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)(?:@(?P<host>[^/]+))?(?P<ending>\.\w+)")
# Nothing is known of processes of other hosts, but that they write more often than this.
LONG_SECONDS = 7 * 24 * 3600


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` only when the block ends well.

    Args:
        path: Final name. Until the end, and for ever if the block fails, it keeps its old content.

    Yields:
        Handle on a temporary file in the same folder. What killed processes left of the same file
            is deleted.

    Raises:
        OutputError: Disk full, no permission, no such folder.
    """
    partial = temporary_name(path)
    sweep(path.parent, path.name)
    try:
        with explain_write_errors(path):
            partial.unlink(missing_ok=True)
            # A file that is new, whatever link somebody may have put in its place.
            with partial.open("xb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            partial.replace(path)
            _flush_folder(path.parent)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def temporary_name(path: Path, ending: str = PARTIAL_SUFFIX) -> Path:
    """Return a hidden name beside a file or folder, which says whose it is."""
    return path.with_name(f".{path.name}.{os.getpid()}@{socket.gethostname()}{ending}")


def is_temporary(name: str) -> bool:
    """Tell whether a file or folder of this name is one that is being written, or was."""
    return _TEMPORARY.fullmatch(name) is not None


def final_name(path: Path) -> Path:
    """Return the name that what has, or lies under, a temporary name will have."""
    matches = [(part, _TEMPORARY.fullmatch(part)) for part in path.parts]
    return Path(*(part if match is None else match["name"] for part, match in matches))


def leftovers(
    folder: Path, name: str | None = None, ending: str = PARTIAL_SUFFIX
) -> Iterator[Path]:
    """Yield what processes that have ended left under temporary names in a folder.

    Args:
        folder: Where; it may be missing.
        name: Final name of what they were writing; any by default.
        ending: As it was given to `temporary_name`.
    """
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            match = _TEMPORARY.fullmatch(path.name)
            if match is None or match["ending"] != ending or name not in (None, match["name"]):
                continue
            if _has_ended(int(match["process"]), match["host"] or socket.gethostname(), path):
                yield path


def _has_ended(process: int, host: str, path: Path) -> bool:
    """Tell whether the process that a temporary name names has ended, to our best knowledge."""
    if host == socket.gethostname():
        return process != os.getpid() and not may_be_alive(process, host)
    return time.time() - path.lstat().st_mtime > LONG_SECONDS


def sweep(folder: Path, name: str | None = None) -> None:
    """Delete what processes that have ended left half written in a folder.

    Args:
        folder: Where; it may be missing.
        name: Final name of what they were writing; any by default.
    """
    for path in leftovers(folder, name):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def may_be_alive(process: int, host: str) -> bool:
    """Tell whether a process can still be running; of another host nothing is known."""
    if host != socket.gethostname():
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


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
        place = final_name(path)
        # NumPy reports a short write without an error number.
        if error.errno in DISK_FULL or error.errno is None:
            raise OutputError(
                f"{place}: disk full while writing; nothing was overwritten. "
                f"{_free_megabytes(path):.0f} MB are free on its file system: free some space or "
                "choose another place. An unfinished classification continues with --resume."
            ) from error
        raise OutputError(
            f"{place}: cannot be written ({error.strerror}); nothing was overwritten. "
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
