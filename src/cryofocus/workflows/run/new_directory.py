"""A directory of results that appears whole, under its name, when everything in it is done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryofocus.data.atomic import PARTIAL_SUFFIX, explain_write_errors
from cryofocus.errors import OutputError


@dataclass(frozen=True)
class DirectoryKind:
    """What a directory of results is called, and the file that proves it is one."""

    name: str
    marker: str

    def require_usable(self, output: Path, *, overwrite: bool) -> None:
        """Refuse a name that is taken, touching nothing.

        Raises:
            OutputError: When the directory exists and `overwrite` is not set, or it is something
                else.
        """
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

    Raises:
        OutputError: As `DirectoryKind.require_usable`, or when the system refuses to write.
    """
    kind.require_usable(output, overwrite=overwrite)
    partial = output.with_name(f".{output.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    retired = partial.with_suffix(".replaced")
    with explain_write_errors(output):
        partial.mkdir(parents=True)
        try:
            yield partial
            if output.exists():
                output.rename(retired)
            partial.rename(output)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(retired, ignore_errors=True)
