"""Tables written far from their images say which --datadir they need."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.stack_paths import locate_stacks, note_image_folder
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


def test_folders_are_named_without_turns(
    project: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table above the working directory lies in a folder that is named without "..", but for a
    link that leads elsewhere."""
    write(project / "set" / "p.star", "images/a.mrcs")
    monkeypatch.chdir(project / "set" / "images")
    caplog.set_level(logging.INFO, "cryofocus")
    note_image_folder(project.parent / "elsewhere" / "q.star", open_table(Path("../p.star")))
    assert f"count from {project / 'set'};" in caplog.text
    (project / "link").symlink_to(project.parent / "elsewhere")
    (project.parent / "b.mrcs").write_bytes(b"")
    (found,) = locate_stacks(["b.mrcs"], project / "link" / ".." / "p.star", None)
    assert found.samefile(project.parent / "b.mrcs")


def test_every_stack_is_looked_up_in_datadir_first(project: Path) -> None:
    """A stack of the same name in the working directory is not taken, however datadir is given."""
    for folder in (project, project / "set" / "images"):
        (folder / "b.mrcs").write_bytes(b"")
    names, datadir = ["a.mrcs", "b.mrcs"], Path("set/images")
    found = locate_stacks(names, project / "set" / "p.star", datadir)
    assert found == tuple(project / datadir / name for name in names)


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
