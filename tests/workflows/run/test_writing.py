"""Atomic files: whole or not at all, with one clear message when the disk refuses."""

from __future__ import annotations

import errno
import json
import os
import socket
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.atomic import atomic_file, explain_write_errors, temporary_name
from cryofocus.errors import OutputError
from cryofocus.workflows.run import writing as atomic


def refuse_to_flush(descriptor: int) -> None:
    """Fail as a full file system does."""
    del descriptor
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_half(path: Path) -> None:
    """Write something and be interrupted."""
    with atomic_file(path) as handle:
        handle.write(b"new")
        raise KeyboardInterrupt


def test_failed_block_keeps_the_old_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    """A block that fails half way leaves the previous content and no temporary file."""
    target = tmp_path / "job.json"
    atomic.write_text(target, "old")
    with pytest.raises(KeyboardInterrupt):
        write_half(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_full_disk_names_path_and_free_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk gives one message with the path and the space left, and keeps the old file."""
    target = tmp_path / "posteriors.npy"
    atomic.write_array(target, np.zeros(3))
    monkeypatch.setattr(os, "fsync", refuse_to_flush)
    with pytest.raises(OutputError) as failure:
        atomic.write_array(target, np.ones(3))
    message = str(failure.value)
    assert message.startswith(f"{target}: disk full while writing; nothing was overwritten. ")
    assert "MB are free on its file system" in message
    assert "--resume" in message
    np.testing.assert_array_equal(np.load(target), np.zeros(3))


def test_short_write_counts_as_full_disk(tmp_path: Path) -> None:
    """NumPy's short write, an OSError without a number, is reported as a full disk."""
    with (
        pytest.raises(OutputError, match="disk full while writing"),
        explain_write_errors(tmp_path / "big.npy"),
    ):
        raise OSError("1000 requested and 10 written")


def test_missing_folder_is_explained(tmp_path: Path) -> None:
    """Writing into a folder that is not there says so instead of showing a traceback."""
    target = tmp_path / "nowhere" / "file.txt"
    with pytest.raises(OutputError, match="cannot be written \\(No such file or directory\\)"):
        atomic.write_text(target, "text")


def test_too_little_space_is_refused_beforehand(tmp_path: Path) -> None:
    """Results that cannot fit are refused before anything is computed."""
    with pytest.raises(OutputError, match="the results need 1000000000000 MB, but"):
        atomic.require_free_space(tmp_path, 10**18)
    atomic.require_free_space(tmp_path, 1)


def test_json_refuses_what_json_cannot_say(tmp_path: Path) -> None:
    """NaN, which other programs cannot read, never reaches a JSON file."""
    target = tmp_path / "job.json"
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.write_json(target, {"log_likelihood": float("nan")})
    atomic.write_json(target, {"unit": "Å"})
    assert json.loads(target.read_text(encoding="utf-8")) == {"unit": "Å"}


def test_table_is_plain_csv(tmp_path: Path) -> None:
    """Columns of numbers, NumPy numbers and text become a plain CSV table."""
    target = tmp_path / "classes.csv"
    columns = {"class": [1, 2], "weight": np.array([0.25, 0.75]), "note": ["a,b", "c"]}
    atomic.write_table(target, columns)
    assert target.read_text() == 'class,weight,note\n1,0.25,"a,b"\n2,0.75,c\n'


def test_table_refuses_columns_of_different_length(tmp_path: Path) -> None:
    """A table with a missing cell is never written."""
    with pytest.raises(ValueError, match="shorter"):
        atomic.write_table(tmp_path / "t.csv", {"class": [1, 2], "weight": [1.0]})
    assert not list(tmp_path.iterdir())


def test_leftovers_of_processes_that_ended_are_swept(tmp_path: Path) -> None:
    """Only half-written files of ours go, and only once nobody can be writing them."""
    ended, here, path = 4194305, socket.gethostname(), tmp_path / "table.star"
    gone = [f".table.star.{ended}@{here}.partial", f".table.star.{ended}.partial"]
    gone.append(f".table.star.{ended}@elsewhere.partial")
    stays = [f".table.star.{os.getppid()}@{here}.partial", f".other.star.{ended}@{here}.partial"]
    stays += [".table.star.partial", "table.star.partial", f".table.star.{ended}@{here}.saved"]
    stays.append(f".table.star.{os.getppid()}@elsewhere.partial")
    for name in (*gone, *stays):
        (tmp_path / name).write_text("half")
    os.utime(tmp_path / gone[2], (0, 0))
    atomic.write_text(path, "whole")
    assert {file.name for file in tmp_path.iterdir()} == {"table.star", *stays}


@pytest.mark.parametrize("planted", ["", ".partial"])
def test_links_in_the_way_are_not_followed(tmp_path: Path, planted: str) -> None:
    """A link under the name of a file, or its temporary one, is replaced; its target stays."""
    precious, path = tmp_path / "precious", tmp_path / "out.star"
    precious.write_text("mine")
    (temporary_name(path) if planted else path).symlink_to(precious)
    with atomic_file(path) as handle:
        handle.write(b"new")
    assert precious.read_text() == "mine"
    assert path.read_text() == "new"
    assert not path.is_symlink()
