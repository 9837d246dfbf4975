"""What a file was like when it was looked at, to tell later whether it is still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryofocus.complaints import say_unreadable
from cryofocus.errors import FormatError

# Files that are larger together are sampled in blocks, from their first byte to their last.
WHOLE_BYTES = 1 << 30
BLOCK_BYTES = 1 << 18
# Differing files that a message names.
MOST_NAMED = 3


@dataclass(frozen=True)
class FileState:
    """What a file was like.

    Attributes:
        size_bytes: Its length.
        modified_ns: When it was last written, in nanoseconds since 1970.
        digest: Of its content, or of blocks spread evenly over it.
    """

    size_bytes: int
    modified_ns: int
    digest: str

    @property
    def content(self) -> str:
        """Size and digest in words: the same for the same file in another place."""
        return f"{self.size_bytes} bytes, {self.digest}"


def read_states(paths: Sequence[Path], whole_bytes: float = WHOLE_BYTES) -> dict[Path, FileState]:
    """Look at files: at all they hold while that is no more than so much, at samples beyond.

    Args:
        paths: The files.
        whole_bytes: What is read at most of all files together, but for one block of each.

    Raises:
        FormatError: When a file cannot be read.
    """
    try:
        share = _share([path.stat().st_size for path in paths], whole_bytes)
        return {path: _read_state(path, share) for path in paths}
    except OSError as error:
        raise FormatError(say_unreadable(Path(error.filename), error)) from error


def _share(sizes: Sequence[int], whole_bytes: float) -> float:
    """Return the part of files of these sizes that is read."""
    return min(1.0, whole_bytes / max(1, sum(sizes)))


def _read_state(path: Path, share: float) -> FileState:
    with path.open("rb") as handle:
        before = path.stat()
        digest = hashlib.sha256()
        for block in _blocks(handle, before.st_size, share):
            digest.update(block)
    return FileState(before.st_size, before.st_mtime_ns, digest.hexdigest()[:16])


def _blocks(handle: BinaryIO, size: int, share: float) -> Iterator[bytes]:
    """Yield a share of a file in blocks spread evenly over it, its first and last among them."""
    n_blocks = -(-size // BLOCK_BYTES)
    n_read = max(1, round(share * n_blocks))
    for k in range(n_read):
        whole = n_read == n_blocks
        handle.seek(k * BLOCK_BYTES if whole else k * (size - BLOCK_BYTES) // max(1, n_read - 1))
        yield handle.read(BLOCK_BYTES)


def describe_changes(
    before: Mapping[Path, FileState], whole_bytes: float = WHOLE_BYTES
) -> str | None:
    """Say which files are not what they were, and in what; None if all are the same.

    Args:
        before: From `read_states`; the files are looked at again.
        whole_bytes: As it was then.
    """
    share = _share([state.size_bytes for state in before.values()], whole_bytes)
    differences = {path: _difference(path, was, share) for path, was in before.items()}
    changes = [f"{path} {how}" for path, how in differences.items() if how is not None]
    more = len(changes) - MOST_NAMED
    return "; ".join(changes[:MOST_NAMED] + [f"and {more} more"] * (more > 0)) or None


def _difference(path: Path, was: FileState, share: float) -> str | None:
    try:
        now = _read_state(path, share)
    except OSError as error:
        return f"cannot be read any more ({error.strerror})"
    if now.size_bytes != was.size_bytes:
        return f"had {was.size_bytes} bytes and has {now.size_bytes}"
    if now.digest != was.digest:
        return "has other content"
    if now.modified_ns != was.modified_ns:
        return "was written to, though its size and what was compared of it are the same"
    return None
