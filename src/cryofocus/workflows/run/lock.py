"""One process at a time in a run directory, or at a name."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryofocus.data.atomic import explain_write_errors, may_be_alive
from cryofocus.errors import OutputError

_NO_LOCKS_HERE = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP})


@contextmanager
def hold_lock(path: Path, guarded: Path | None = None) -> Iterator[None]:
    """Hold a lock file while the block runs.

    The kernel drops the lock when its process ends, however it ends, so a lock file left by a
    killed process is simply taken over. Its text, ``pid host``, tells people who holds it, and
    decides where the file system knows no locks (some cluster file systems).

    Args:
        path: The lock file; its folder exists.
        guarded: What it guards, for messages; its folder by default.

    Raises:
        OutputError: When another living process holds it, naming that process.
    """
    descriptor = _open_and_acquire(path, guarded or path.parent)
    try:
        with explain_write_errors(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _open_and_acquire(path: Path, guarded: Path) -> int:
    """Return a descriptor of the locked file.

    A holder that ends between our opening and our locking deletes the file we opened; a lock on
    a deleted file keeps nobody out, hence the comparison and the second try.
    """
    while True:
        with explain_write_errors(guarded):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _acquire(descriptor, path, guarded)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, guarded: Path) -> None:
    """Take the lock or say who holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _held(path, guarded, _holder(descriptor)) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS_HERE:
            raise
        holder = _holder(descriptor)
        if _may_be_alive(holder):
            raise _held(path, guarded, holder) from error


def _holder(descriptor: int) -> tuple[int, str]:
    """Read process number and host from a lock file; (0, "") from an empty one."""
    number, _, host = os.pread(descriptor, 256, 0).decode(errors="replace").strip().partition(" ")
    return (int(number), host) if number.isdigit() else (0, "")


def _may_be_alive(holder: tuple[int, str]) -> bool:
    """Tell whether the holder can still be running, other than as this process."""
    number, host = holder
    return number not in (0, os.getpid()) and may_be_alive(number, host)


def _held(path: Path, guarded: Path, holder: tuple[int, str]) -> OutputError:
    """Compose the message for a name in use."""
    number, host = holder
    return OutputError(
        f"{guarded}: another cryofocus process (number {number} on {host or 'this machine'}) "
        f"is writing here. Wait for it or stop it, or choose another place with -o; "
        f"if it is long gone, delete {path}."
    )
