"""Files of our own read back, or a message that says which one is damaged and what to do."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml
from jaxtyping import Float32
from pydantic import ValidationError

from cryofocus.complaints import first_fault
from cryofocus.errors import FormatError

CLASSIFY_AGAIN = "Run the classification again with --overwrite."


@contextmanager
def explain_damage(path: Path, remedy: str) -> Iterator[None]:
    """Turn what can go wrong while a file of our own is read into one message, with a remedy.

    Raises:
        FormatError: When the block could not read or understand the file.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, yaml.YAMLError) as error:
        fault: object = error
        if isinstance(error, ValidationError):
            fault = first_fault(error)
        elif isinstance(error, OSError) and error.strerror:
            fault = error.strerror
        raise FormatError(f"{path}: missing or damaged ({fault}). {remedy}") from error


def read_numbers(path: Path, shape: tuple[int, ...]) -> Float32[np.ndarray, ...]:
    """Read an array of numbers that a classification wrote.

    Args:
        path: The ``.npy`` file.
        shape: Of the array, as job.json or the particle table says it.

    Raises:
        FormatError: When the file is missing or damaged, or has another shape.
    """
    with explain_damage(path, CLASSIFY_AGAIN):
        array = np.load(path, allow_pickle=False)
        if array.shape != shape:
            raise ValueError(f"shape {array.shape}, expected {shape}")
        if not np.isfinite(array).all():
            raise ValueError("some values are not finite")
        return np.asarray(array, dtype=np.float32)
