"""Files that were compressed as a whole, told by their first bytes."""

from __future__ import annotations

from pathlib import Path

from cryofocus.errors import FormatError

# First bytes, name, and the command that unpacks.
KINDS = (
    (b"\x1f\x8b", "gzip", "gunzip -k"),
    (b"BZh", "bzip2", "bunzip2 -k"),
    (b"\xfd7zXZ", "xz", "unxz -k"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
)


def refuse_compressed(path: Path, start: bytes) -> None:
    """Refuse a compressed file: it is not looked at in place.

    Args:
        path: The file.
        start: Its first bytes, six or more.

    Raises:
        FormatError: If it is one; the message says how to unpack it.
    """
    for magic, name, command in KINDS:
        if start.startswith(magic):
            raise FormatError(
                f"{path}: is compressed with {name}; expected the file itself. Unpack it "
                f"({command} {path.name}) and give the result."
            )
