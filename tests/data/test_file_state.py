"""Files are told from what they were, wherever they changed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data import file_state
from cryofocus.data.file_state import describe_changes, read_states
from cryofocus.errors import FormatError

SIZE = 64_000


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two files, each of as many small blocks."""
    monkeypatch.setattr(file_state, "BLOCK_BYTES", 1000)
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.write_bytes(np.random.default_rng(1).bytes(SIZE))
    return paths


def change(path: Path, position: int) -> None:
    """Change one byte and put the clock back."""
    when = path.stat()
    with path.open("r+b") as handle:
        handle.seek(position)
        byte = handle.read(1)
        handle.seek(position)
        handle.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(when.st_atime_ns, when.st_mtime_ns))


@pytest.mark.parametrize("position", [0, 999, 1000, 31_415, SIZE - 1])
def test_any_byte_counts(files: list[Path], position: int) -> None:
    """Files that are read whole differ when a byte does, even if the time was put back."""
    before = read_states(files)
    assert describe_changes(before) is None
    change(files[1], position)
    assert describe_changes(before) == f"{files[1]} has other content"


def test_samples_are_spread_over_the_file(files: list[Path]) -> None:
    """Of large files as much is read as was asked for, from the first byte to the last."""
    before = read_states(files, whole_bytes=16_000)
    seen = []
    for position in range(0, SIZE, 500):
        change(files[0], position)
        if describe_changes(before, whole_bytes=16_000) is not None:
            seen.append(position)
        change(files[0], position)
    assert len(seen) == 16  # two places in each of eight blocks
    assert seen[:2] == [0, 500]
    assert seen[-1] == SIZE - 500
    assert max(np.diff(seen)) < 10_000


def test_each_change_is_said(files: list[Path]) -> None:
    """Another length, another time and a file that has gone are named as such."""
    before = read_states(files)
    files[0].write_bytes(b"short")
    assert describe_changes(before) == f"{files[0]} had 64000 bytes and has 5"
    before = read_states(files)
    os.utime(files[1], ns=(0, 0))
    said = describe_changes(before)
    assert said is not None
    assert said.startswith(f"{files[1]} was written to, though its size")
    before = read_states(files)
    files[1].unlink()
    said = describe_changes(before)
    assert said is not None
    assert said.startswith(f"{files[1]} cannot be read any more (No such file")


def test_many_changes_are_counted(tmp_path: Path) -> None:
    """Of many files a few are named."""
    paths = [tmp_path / f"{number}.mrcs" for number in range(9)]
    for path in paths:
        path.write_bytes(b"old")
    before = read_states(paths)
    for path in paths:
        path.write_bytes(b"new")
    said = describe_changes(before)
    assert said is not None
    assert said.count("has other content") == 3
    assert said.endswith("; and 6 more")


def test_a_missing_file_has_a_neighbour(files: list[Path]) -> None:
    """What cannot be read is named, with what may be meant; a folder is said to be one."""
    meant = files[0].rename(files[0].with_name("particles.star"))
    with pytest.raises(FormatError, match=f"Did you mean {meant}"):
        read_states([meant.with_name("partcles.star")])
    with pytest.raises(FormatError, match="is a folder"):
        read_states([meant.parent])
