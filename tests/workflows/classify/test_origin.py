"""A configuration means the same files wherever it is read, also after its project moved."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from cryofocus.workflows.classify.origin import Origin
from cryofocus.workflows.classify.request import ClassifyRequest, read_config

ASKED = {"particles": Path("job/t.star"), "mask": Path("m.mrc"), "settings": {"n_classes": 2}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose run was started in its folder, with relative names."""
    folder = tmp_path / "here" / "project"
    (folder / "job").mkdir(parents=True)
    (folder / "runs/one").mkdir(parents=True)
    for name in ("job/t.star", "m.mrc"):
        (folder / name).touch()
    monkeypatch.chdir(folder)
    text = ClassifyRequest(**ASKED).to_yaml(Origin.here(Path("runs/one")))
    (folder / "runs/one/config.yaml").write_text(text)
    return folder


def test_where_it_was_started_names_stay(project: Path) -> None:
    """In the same folder a configuration is the request that it was written from."""
    assert read_config(project / "runs/one/config.yaml") == ClassifyRequest(**ASKED)


def test_elsewhere_names_are_those_files(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another folder the same files are meant, and images are looked for where they were."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.mrc").touch()  # of the same name, and another
    request = read_config(project / "runs/one/config.yaml")
    assert request.particles == project / "job/t.star"
    assert request.mask == project / "m.mrc"
    assert request.datadir == project


@pytest.mark.parametrize("is_absolute", [False, True])
def test_a_project_that_moved(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_absolute: bool
) -> None:
    """Names follow the project to its new place, absolute ones too."""
    if is_absolute:
        asked = {**ASKED, "mask": project / "m.mrc", "particles": project / "job/t.star"}
        text = ClassifyRequest(**asked).to_yaml(Origin.here(Path("runs/one")))
        (project / "runs/one/config.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    moved = Path(shutil.move(project.parent, tmp_path / "there")) / "project"
    request = read_config(moved / "runs/one/config.yaml")
    assert request.particles == moved / "job/t.star"
    assert request.mask == moved / "m.mrc"
    assert request.datadir == moved


def test_what_is_gone_keeps_its_name(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is nowhere is named as it was, for the message that says so."""
    (project / "m.mrc").unlink()
    monkeypatch.chdir(tmp_path)
    assert read_config(project / "runs/one/config.yaml").mask == Path("m.mrc")


def test_written_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a note of where it was, names count from here; a damaged note is no note."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.yaml"
    values = yaml.safe_load(ClassifyRequest(**ASKED).to_yaml())
    path.write_text(yaml.safe_dump({**values, "origin": [1]}))
    assert read_config(path) == ClassifyRequest(**ASKED)
