"""Hints to install optional parts work where they are read."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from cryofocus.extras import install_command


@pytest.mark.parametrize("folder", ["plain", "with blank's"])
def test_from_the_folder_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """A package from a checkout is installed from it again, quoted for a shell."""
    source = tmp_path / folder
    source.mkdir()
    (source / "constraints.txt").touch()
    noted = json.dumps({"url": source.as_uri()})
    found = SimpleNamespace(read_text=lambda _: noted)
    monkeypatch.setattr("cryofocus.extras.distribution", lambda _: found)
    words = shlex.split(install_command("cuda"))
    assert words == ["pip", "install", "-c", f"{source}/constraints.txt", f"{source}[cuda]"]
    (source / "constraints.txt").unlink()
    assert install_command("cuda").startswith("pip install '.[cuda]' (in the folder of")


@pytest.mark.parametrize("noted", [None, '{"url": "https://example.org/x.whl"}'])
def test_from_elsewhere(monkeypatch: pytest.MonkeyPatch, noted: str | None) -> None:
    """Any other installation reads what to type in the folder of the source."""
    found = SimpleNamespace(read_text=lambda _: noted)
    monkeypatch.setattr("cryofocus.extras.distribution", lambda _: found)
    assert install_command("cluster").startswith("pip install '.[cluster]' (in the folder")
