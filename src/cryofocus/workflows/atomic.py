"""Files appear whole or not at all: written under a temporary name, flushed, then renamed."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped

from cryofocus.errors import OutputError

PARTIAL_SUFFIX = ".partial"
"""Ending of temporary names; what a killed process leaves under it may be deleted."""

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

AnyArray = Shaped[np.ndarray, "..."]
"""An array of any shape and element type."""

Cell = str | int | float | np.generic
"""What one field of a table may hold."""


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into one clear message.

    Parameters
    ----------
    path
        The file that is being written; the message names it.

    Raises
    ------
    OutputError
        When the block raises ``OSError``: disk full (with the space left), or the system's reason.
    """
    try:
        yield
    except OSError as error:
        # NumPy reports a short write without an error number.
        if error.errno in _DISK_FULL or error.errno is None:
            raise OutputError(
                f"{path}: disk full while writing; {_free_megabytes(path):.0f} MB are free on its "
                "file system. Free some space or choose another place with -o; a classification "
                "continues with --resume."
            ) from error
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}). Check the permissions of its folder "
            "or choose another place with -o."
        ) from error


def _free_megabytes(path: Path) -> float:
    """Measure the space left on the file system that holds (or would hold) a path, in MB."""
    existing = next(folder for folder in path.absolute().parents if folder.exists())
    return shutil.disk_usage(existing).free / 1e6


def require_free_space(folder: Path, n_bytes: int) -> None:
    """Refuse a long computation whose results would not fit on the disk.

    Parameters
    ----------
    folder
        Existing folder that will hold the results.
    n_bytes
        Bytes that will be written.

    Raises
    ------
    OutputError
        When less is free.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OutputError(
            f"{folder}: the results need {n_bytes / 1e6:.0f} MB, but {free / 1e6:.0f} MB are free "
            "on its file system. Free some space or choose another place with -o."
        )


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces ``path`` only when the block ends well.

    Parameters
    ----------
    path
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
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    with explain_write_errors(path):
        try:
            with partial.open("wb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            partial.replace(path)
            _flush_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise


def _flush_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically.

    Parameters
    ----------
    path
        Where to.
    text
        Content, written as it is.

    Raises
    ------
    OutputError
        Disk full, no permission.
    """
    with atomic_file(path) as handle:
        handle.write(text.encode("utf-8"))


def write_json(path: Path, value: object) -> None:
    """Write indented JSON atomically.

    Parameters
    ----------
    path
        Where to.
    value
        Anything JSON can say; numbers have to be finite, since JSON knows no NaN.

    Raises
    ------
    OutputError
        Disk full, no permission.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_array(path: Path, array: AnyArray) -> None:
    """Write one array as ``.npy`` atomically, without pickle.

    Parameters
    ----------
    path
        Where to.
    array
        Any shape and numeric type.

    Raises
    ------
    OutputError
        Disk full, no permission.
    """
    with atomic_file(path) as handle:
        np.save(handle, array, allow_pickle=False)


def write_table(path: Path, columns: Mapping[str, Sequence[Cell] | np.ndarray]) -> None:
    """Write columns of equal length as CSV atomically.

    Parameters
    ----------
    path
        Where to.
    columns
        Column name to values; floating-point numbers are written with eight digits.

    Raises
    ------
    OutputError
        Disk full, no permission.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        table.writerow([_cell_text(cell) for cell in row])
    write_text(path, text.getvalue())


def _cell_text(cell: Cell) -> str:
    """Format a number or text as CSV shows it."""
    return f"{cell:.8g}" if isinstance(cell, float | np.floating) else str(cell)
