"""The state of an unfinished run, and the proof that it belongs to the same job."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryofocus.arrays import AnyArray
from cryofocus.data.atomic import atomic_file, explain_write_errors
from cryofocus.errors import FormatError, SettingError
from cryofocus.placement import fetch

_FINGERPRINT_KEY = "__fingerprint__"
_DIGEST_BYTES = 1 << 20

Arrays = dict[str, AnyArray]
Fingerprint = dict[str, str]


def fingerprint_run(settings: Mapping[str, object], inputs: Sequence[Path]) -> Fingerprint:
    """Collect what must be the same when a run is resumed.

    Args:
        settings: Every setting that changes the result, by the name users know; values that JSON
            can say (leave out threads, memory and verbosity, which may change freely).
        inputs: Files that were read. A file counts as the same when its size and its first and
            last mebibyte are, so that a moved project resumes and large stacks cost nothing.

    Returns:
        One line per setting or file, so that a difference can be named.

    Raises:
        FormatError: When an input file cannot be read.
    """
    lines = {name: json.dumps(value, default=str) for name, value in settings.items()}
    return lines | {f"input {path.name}": _describe_file(path) for path in inputs}


def _describe_file(path: Path) -> str:
    """Describe a file by its size and a digest of both its ends."""
    try:
        with path.open("rb") as handle:
            digest = hashlib.sha256(handle.read(_DIGEST_BYTES))
            size = path.stat().st_size
            handle.seek(max(size - _DIGEST_BYTES, 0))
            digest.update(handle.read(_DIGEST_BYTES))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror}).") from error
    return f"{size} bytes, {digest.hexdigest()[:16]}"


@dataclass(frozen=True)
class Checkpoint:
    """The state of an unfinished run, in a file that proves which job it belongs to.

    Attributes:
        path: The ``.npz`` file.
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
        proof = np.array(json.dumps(self.fingerprint))
        with atomic_file(self.path) as handle:
            on_host = {name: fetch(array) for name, array in arrays.items()}
            np.savez(handle, allow_pickle=False, **on_host, **{_FINGERPRINT_KEY: proof})

    def load(self) -> Arrays | None:
        """Read the state back after checking that it belongs to this job; None if there is none.

        Raises:
            SettingError: When a setting or an input file has changed, naming each with old and new
                value.
            FormatError: When the file is damaged.
        """
        if not self.path.is_file():
            return None
        try:
            # Opened here because NumPy leaves the file open when the archive in it is damaged.
            with self.path.open("rb") as handle, np.load(handle, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            saved: Fingerprint = json.loads(str(arrays.pop(_FINGERPRINT_KEY)))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise FormatError(
                f"{self.path}: not a readable checkpoint ({error}). Start the run afresh with "
                "--overwrite."
            ) from error
        self._require_same(saved)
        return arrays

    def _require_same(self, saved: Fingerprint) -> None:
        now = self.fingerprint
        changes = [
            f"{name} was {saved.get(name, 'not given')}, now {now.get(name, 'not given')}"
            for name in sorted(saved.keys() | now.keys())
            if saved.get(name) != now.get(name)
        ]
        if changes:
            raise SettingError(
                f"{self.path.parent}: --resume continues a run exactly as it was started, but "
                f"{'; '.join(changes)}. Resume with the old settings, or start afresh with "
                "--overwrite or another -o."
            )

    def remove(self) -> None:
        """Delete the file, once the run has finished.

        Raises:
            OutputError: No permission.
        """
        with explain_write_errors(self.path):
            self.path.unlink(missing_ok=True)
