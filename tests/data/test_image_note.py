"""Tables written far from their images say which --datadir they need."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.stack_paths import note_image_folder
from cryofocus.data.star.document import write_star


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to start in, a set below it and a stack in the set."""
    (tmp_path / "project" / "set" / "images").mkdir(parents=True)
    (tmp_path / "project" / "set" / "images" / "a.mrcs").write_bytes(b"")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def write(path: Path, name: str) -> Path:
    """Write a table of one image."""
    write_star(path, {"particles": {"rlnImageName": [f"1@{name}"], "rlnAngleRot": np.zeros(1)}})
    return path


@pytest.mark.parametrize(
    ("name", "folder"),
    [("images/a.mrcs", "set"), ("other/a.mrcs", "set/images")],
    ids=["relative to the table", "by its bare name in --datadir"],
)
def test_the_folder_is_named(
    project: Path, caplog: pytest.LogCaptureFixture, name: str, folder: str
) -> None:
    """The note names the folder that image names count from."""
    table = open_table(write(project / "set" / "p.star", name))
    caplog.set_level(logging.INFO, "cryofocus")
    datadir = project / "set" / "images" if folder == "set/images" else None
    note_image_folder(project.parent / "elsewhere" / "q.star", table, datadir=datadir)
    said = project / folder
    assert caplog.messages == [
        f"{project.parent}/elsewhere/q.star: its image names count from {said}; start later "
        f"commands there, or add --datadir {said}"
    ]


def test_nothing_is_said_without_need(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Names that count from the working directory or above, absolute or missing: no note."""
    caplog.set_level(logging.INFO, "cryofocus")
    stack = project / "set" / "images" / "a.mrcs"
    for name in ("set/images/a.mrcs", str(stack), "nowhere.mrcs"):
        table = open_table(write(project / "set" / "p.star", name))
        note_image_folder(project.parent / "elsewhere" / "q.star", table)
    table = open_table(write(project / "set" / "p.star", "images/a.mrcs"))
    note_image_folder(project / "set" / "q.star", table)
    assert caplog.messages == []
