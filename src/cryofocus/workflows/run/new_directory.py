"""A directory of results that appears whole, under its name, when everything in it is done."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryofocus.data.atomic import explain_write_errors, leftovers, sweep, temporary_name
from cryofocus.errors import OutputError
from cryofocus.workflows.run.claims import claim

RETIRED_SUFFIX = ".replaced"
# Of Linux; see renameat2(2).
_HERE, _EXCHANGE = -100, 2


def leave(made: object) -> None:
    """Add nothing to a directory before it gets its name."""
    del made


@dataclass(frozen=True)
class DirectoryKind:
    """What a directory of results is called, and the file that proves it is one."""

    name: str
    marker: str

    def require_usable(self, output: Path, *, overwrite: bool) -> None:
        """Refuse a name that is taken, and claim it.

        What a process that was killed had moved aside is put back; nothing else is touched.

        Raises:
            OutputError: When the directory exists and `overwrite` is not set, it is something
                else, or another command is making it.
        """
        _put_back(_place(output))
        self._refuse_taken(output, overwrite=overwrite)
        claim(output)
        # Whoever was making it may have finished until then.
        self._refuse_taken(output, overwrite=overwrite)

    def _refuse_taken(self, output: Path, *, overwrite: bool) -> None:
        if output.exists() and not overwrite:
            raise OutputError(
                f"{output}: already exists; choose another directory with -o, or replace it with "
                "--overwrite"
            )
        if output.exists() and not (output / self.marker).is_file():
            raise OutputError(
                f"{output}: is not a {self.name} (it holds no {self.marker}), so it is not "
                "overwritten; remove it yourself or choose another directory with -o"
            )


@contextmanager
def new_directory(output: Path, kind: DirectoryKind, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary directory that takes the name `output` when the block ends well.

    What has the name is deleted only after that. A process killed at any moment leaves one of
    the two under the name, or, where the file system cannot exchange names, leaves the former
    where the next use of the name finds it and puts it back.

    Raises:
        OutputError: As `DirectoryKind.require_usable`, or when the system refuses to write.
    """
    kind.require_usable(output, overwrite=overwrite)
    place = _place(output)
    partial, retired = temporary_name(place), temporary_name(place, RETIRED_SUFFIX)
    sweep(place.parent, place.name)
    with explain_write_errors(output):
        partial.mkdir(parents=True)
        try:
            yield partial
            if place.exists() and not overwrite:
                raise OutputError(
                    f"{output}: appeared while it was being made, and is not replaced; choose "
                    "another directory with -o, or replace it with --overwrite"
                )
            if place.exists() and not _exchange(partial, place):
                place.rename(retired)
            if partial.exists() and not place.exists():
                partial.rename(place)
        finally:
            if retired.exists() and not place.exists():
                retired.rename(place)
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(retired, ignore_errors=True)


def _place(output: Path) -> Path:
    """Return where a directory lies: behind the name, if that is a link to it."""
    return output.resolve() if output.is_symlink() else output


def _exchange(first: Path, second: Path) -> bool:
    """Let two directories change names in one step; False where the system cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    paths = os.fsencode(first), os.fsencode(second)
    return bool(rename(_HERE, paths[0], _HERE, paths[1], _EXCHANGE) == 0)


def _put_back(place: Path) -> None:
    """Give a directory its name back that a killed process had moved aside for a new one."""
    for retired in leftovers(place.parent, place.name, RETIRED_SUFFIX):
        with explain_write_errors(place):
            if place.exists():
                shutil.rmtree(retired, ignore_errors=True)
            else:
                retired.rename(place)
