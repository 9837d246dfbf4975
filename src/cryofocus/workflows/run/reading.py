"""Files of our own read back, or a message that says which one is damaged and what to do."""

from __future__ import annotations

import csv
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml
from jaxtyping import Float32
from pydantic import ValidationError

from cryofocus.arrays import AnyArray
from cryofocus.complaints import cut, first_fault
from cryofocus.errors import FormatError

# What libraries raise over files that are not what they say; an array that no memory holds, too,
# an archive that seems to be encrypted or packed in another way (RuntimeError), and an array's
# header that is no Python (SyntaxError).
DAMAGE = (
    *(OSError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, MemoryError),
    *(RuntimeError, zipfile.BadZipFile, zlib.error, csv.Error, yaml.YAMLError),
    *(tokenize.TokenError, SyntaxError),
)
CLASSIFY_AGAIN = "Run the classification again with --overwrite."


@contextmanager
def explain_damage(path: Path, remedy: str) -> Iterator[None]:
    """Turn what can go wrong while a file of our own is read into one message, with a remedy.

    Raises:
        FormatError: When the block could not read or understand the file.
    """
    try:
        yield
    except DAMAGE as error:
        fault: object = error
        if isinstance(error, ValidationError):
            fault = first_fault(error)
        elif isinstance(error, OSError) and error.strerror:
            fault = error.strerror
        raise FormatError(f"{path}: missing or damaged ({cut(str(fault))}). {remedy}") from error


def map_array(path: Path) -> AnyArray:
    """Map an array of a ``.npy`` file, read-only.

    What its header promises is compared with the file before memory is spent on it.

    Raises:
        ValueError: When it is no such file; or another of `DAMAGE`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about headers of Python 2, which nobody can do without
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def read_numbers(path: Path, shape: tuple[int, ...]) -> Float32[np.ndarray, ...]:
    """Read an array of numbers that a classification wrote.

    Args:
        path: The ``.npy`` file.
        shape: Of the array, as job.json or the particle table says it.

    Raises:
        FormatError: When the file is missing or damaged, or has another shape.
    """
    with explain_damage(path, CLASSIFY_AGAIN):
        array = map_array(path)
        if array.shape != shape:
            raise ValueError(f"shape {array.shape}, expected {shape}")
        if not np.isfinite(array).all():
            raise ValueError("some values are not finite")
        with np.errstate(over="raise"):
            return np.array(array, dtype=np.float32)
