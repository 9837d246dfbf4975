"""Files that are given where a particle table is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryofocus.data.formats import open_table
from cryofocus.errors import FormatError, InputError


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "particles.mrcs",
            "holds images or a map, no table of particles. Give the table that names the images "
            "and has their poses, such as run_data.star or J24_particles.cs.",
        ),
        (
            "J24_particles.csg",
            "lists the files of a cryoSPARC result. Give the .cs file of particles beside it.",
        ),
    ],
)
def test_other_files_are_told_for_what_they_are(tmp_path: Path, name: str, message: str) -> None:
    """What is often given in place of the table is named, and so is the table that is meant."""
    path = tmp_path / name
    path.write_bytes(b"anything")
    with pytest.raises(FormatError) as caught:
        open_table(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    """A folder is refused; if it holds one table, the message names it."""
    with pytest.raises(InputError, match=r"is a folder\. Give the particle table in it, such as"):
        open_table(tmp_path)
    (tmp_path / "run_data.star").write_text("")
    with pytest.raises(InputError) as caught:
        open_table(tmp_path)
    named = tmp_path / "run_data.star"
    assert str(caught.value) == f"{tmp_path}: is a folder. Give the particle table in it: {named}."


def test_a_picture_is_no_table(tmp_path: Path) -> None:
    """A picture in place of a table is called a picture."""
    path = tmp_path / "classes.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(FormatError, match=r"block\. It looks like a picture \(PNG\)\. Check"):
        open_table(path)
