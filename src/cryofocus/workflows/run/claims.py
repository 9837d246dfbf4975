"""Names that a command is going to write, which no other command may write meanwhile.

A command looks whether its output's name is free when it begins, and takes it hours later; what
two of them make under one name would be lost. So each holds a lock beside the name until it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from cryofocus.data.atomic import explain_write_errors
from cryofocus.workflows.run.lock import hold_lock

_SUFFIX = ".lock"
_claims: ContextVar[_Claims | None] = ContextVar("claims", default=None)


class _Claims:
    """The names that a command has claimed."""

    def __init__(self, locks: ExitStack) -> None:
        self._locks = locks
        self._names: set[Path] = set()

    def add(self, path: Path) -> None:
        """Claim a name, once."""
        # A link is replaced by what it leads to, if that is a directory.
        name = path.resolve() if path.is_symlink() else path.parent.resolve() / path.name
        if name in self._names:
            return
        self._make_folder(name.parent)
        lock = name.with_name(f".{name.name}{_SUFFIX}")
        self._locks.enter_context(hold_lock(lock, path))
        self._names.add(name)

    def _make_folder(self, folder: Path) -> None:
        """Make the folder of a lock, which goes again if nothing comes into it."""
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        with explain_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for one in reversed(missing):
            self._locks.callback(_remove_empty, one)


@contextmanager
def names_claimed() -> Iterator[None]:
    """Hold the names that are claimed in the block until it ends."""
    with ExitStack() as locks:
        token = _claims.set(_Claims(locks))
        try:
            yield
        finally:
            _claims.reset(token)


def claim(path: Path) -> None:
    """Claim the name of a file or directory, for the rest of the command that is running.

    Python functions that no command called claim nothing: their programs know what they write.

    Raises:
        OutputError: When another command is writing it, or nothing can be written beside it.
    """
    claims = _claims.get()
    if claims is not None:
        claims.add(path)


def is_claim(name: str) -> bool:
    """Tell whether a file of this name is a lock of a claim, held or left behind."""
    return name.startswith(".") and name.endswith(_SUFFIX)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
