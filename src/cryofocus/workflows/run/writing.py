"""Texts, arrays and tables written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cryofocus.arrays import AnyArray
from cryofocus.data.atomic import atomic_file
from cryofocus.errors import OutputError

Cell = str | int | float | np.generic
"""What one field of a table may hold."""


def require_free_space(
    folder: Path,
    n_bytes: int,
    *,
    what: str = "the results",
    otherwise: str = "choose another place with -o",
) -> None:
    """Refuse a long computation whose results would not fit on the disk.

    Args:
        folder: Existing folder that will hold the results.
        n_bytes: Bytes that will be written.
        what: What needs them.
        otherwise: What can be done instead of freeing space.

    Raises:
        OutputError: When less is free.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OutputError(
            f"{folder}: {what} need {n_bytes / 1e6:.0f} MB, but {free / 1e6:.0f} MB are free on "
            f"its file system. Free some space or {otherwise}."
        )


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically.

    Raises:
        OutputError: Disk full, no permission.
    """
    with atomic_file(path) as handle:
        handle.write(text.encode("utf-8"))


def write_json(path: Path, value: object) -> None:
    """Write indented JSON atomically.

    Numbers have to be finite, since JSON knows no NaN.

    Raises:
        OutputError: Disk full, no permission.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_array(path: Path, array: AnyArray) -> None:
    """Write one array as ``.npy`` atomically, without pickle.

    Raises:
        OutputError: Disk full, no permission.
    """
    with atomic_file(path) as handle:
        np.save(handle, array, allow_pickle=False)


def write_table(path: Path, columns: Mapping[str, Sequence[Cell] | np.ndarray]) -> None:
    """Write columns of equal length as CSV atomically.

    Floating-point numbers are written with eight digits.

    Raises:
        OutputError: Disk full, no permission.
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
