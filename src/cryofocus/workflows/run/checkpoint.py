"""The state of an unfinished run, and the proof that it belongs to the same job."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cryofocus.arrays import AnyArray
from cryofocus.data.atomic import atomic_file, explain_write_errors
from cryofocus.data.file_state import FileState, read_states
from cryofocus.errors import FormatError, SettingError
from cryofocus.placement import fetch
from cryofocus.version import __version__

# To be raised whenever an array of a checkpoint changes its name, its shape or its meaning.
FORMAT = 2

_FINGERPRINT_KEY = "__fingerprint__"
_SEAL_BYTES = hashlib.sha256().digest_size
_PIECE_BYTES = 1 << 20
# Of what has changed, so much is named.
_MOST_NAMED = 5

Arrays = dict[str, AnyArray]
Fingerprint = dict[str, str]


def fingerprint_run(
    settings: Mapping[str, object],
    inputs: Sequence[Path],
    stacks: Mapping[Path, FileState] | None = None,
) -> Fingerprint:
    """Collect what must be the same when a run is resumed.

    Args:
        settings: Every setting that changes the result, by the name users know; values that JSON
            can say (leave out threads, memory and verbosity, which may change freely).
        inputs: Files that were read, small enough to be read again whole. A file counts as the
            same when its content is, so that a moved project resumes.
        stacks: Image stacks as they were before they were read, from `read_states`.

    Returns:
        One line per setting or file, so that a difference can be named.

    Raises:
        FormatError: When an input file cannot be read.
    """
    lines = {"cryofocus": f"version {__version__} (checkpoints of format {FORMAT})"}
    lines |= {name: json.dumps(value, default=str) for name, value in settings.items()}
    for path in inputs:
        _add(lines, path, read_states([path], math.inf)[path])
    for path, state in (stacks or {}).items():
        _add(lines, path, state)
    return lines


def _add(lines: Fingerprint, path: Path, state: FileState) -> None:
    """Add the line of a file; files in several folders may have one name."""
    name, number = f"input {path.name}", 1
    while name in lines:
        number += 1
        name = f"input {path.name} ({number})"
    lines[name] = state.content


@dataclass(frozen=True)
class Checkpoint:
    """The state of an unfinished run, in a file that proves which job it belongs to.

    The file is NumPy's ``.npz`` followed by the SHA-256 digest of all before it: nothing of a file
    is looked into unless every byte is the one that was written.

    Attributes:
        path: The file.
        fingerprint: From `fingerprint_run` with the settings and files of now.
    """

    path: Path
    fingerprint: Fingerprint

    def save(self, arrays: Mapping[str, AnyArray]) -> None:
        """Write the state atomically; a process killed at any moment leaves the previous one.

        Args:
            arrays: The state, by name; numeric or text arrays, scalars as arrays of no dimension.

        Raises:
            OutputError: Disk full, no permission.
        """
        proof = np.frombuffer(json.dumps(self.fingerprint).encode(), np.uint8)
        with atomic_file(self.path) as handle:
            sealed = _Sealed(handle)
            with zipfile.ZipFile(sealed, "w") as archive:
                for name, array in {**arrays, _FINGERPRINT_KEY: proof}.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, fetch(array), allow_pickle=False)
            handle.write(sealed.digest.digest())

    def load(self) -> Arrays | None:
        """Read the state back after checking that it belongs to this job; None if there is none.

        Raises:
            SettingError: When a setting, an input file or the version of the program has changed,
                naming each with old and new value.
            FormatError: When the file is damaged, or no checkpoint.
        """
        if not self.path.exists():
            return None
        try:
            with self.path.open("rb") as handle:
                self._require_seal(handle)
                handle.seek(0)
                with np.load(handle, allow_pickle=False) as stored:
                    arrays = {name: stored[name] for name in stored.files}
        except OSError as error:
            raise FormatError(
                f"{self.path}: cannot be read ({error.strerror}). {_AFRESH}"
            ) from error
        self._require_same(json.loads(arrays.pop(_FINGERPRINT_KEY).tobytes()))
        return arrays

    def _require_seal(self, handle: BinaryIO) -> None:
        """Refuse a file that is not, byte for byte, what `save` wrote."""
        left, digest = handle.seek(0, io.SEEK_END) - _SEAL_BYTES, hashlib.sha256()
        handle.seek(0)
        while left > 0 and (piece := handle.read(min(left, _PIECE_BYTES))):
            digest.update(piece)
            left -= len(piece)
        if handle.read() != digest.digest():
            raise FormatError(
                f"{self.path}: not a readable checkpoint: it is damaged, or another version of "
                f"cryofocus wrote it (the digest at its end is not that of its content). {_AFRESH}"
            )

    def _require_same(self, saved: Fingerprint) -> None:
        now = self.fingerprint
        changes = [
            f"{name} was {saved.get(name, 'not given')}, now {now.get(name, 'not given')}"
            for name in sorted(saved.keys() | now.keys())
            if saved.get(name) != now.get(name)
        ]
        more = len(changes) - _MOST_NAMED
        if changes:
            named = "; ".join(changes[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
            raise SettingError(
                f"{self.path.parent}: --resume continues a run exactly as it was started, but "
                f"{named}. Resume with what it was started with, or start afresh with --overwrite "
                "or another -o."
            )

    def remove(self) -> None:
        """Delete the file, once the run has finished.

        Raises:
            OutputError: No permission.
        """
        with explain_write_errors(self.path):
            self.path.unlink(missing_ok=True)


_AFRESH = "Start the run afresh with --overwrite, which replaces it."


class _Sealed:
    """Passes on what is written, from first byte to last, and takes its digest."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.digest = hashlib.sha256()

    def write(self, data: bytes, /) -> int:
        """Write."""
        self.digest.update(data)
        return self._handle.write(data)

    def flush(self) -> None:
        """Bring it to the file."""
        self._handle.flush()

    def close(self) -> None:
        """Leave the file to whoever opened it."""
