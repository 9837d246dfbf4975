"""napari finds the reader, and gets the maps of a run as layers; it need not be installed."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import yaml

from cryofocus.api.napari_reader import choose_reader
from cryofocus.data.volume import read_volume
from cryofocus.errors import CryofocusError
from cryofocus.workflows.run.directory import RunDirectory

Build = Callable[..., RunDirectory]


def test_manifest_names_the_reader() -> None:
    """The entry point leads to the manifest, and that to the function."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    package, name = project["project"]["entry-points"]["napari.manifest"]["cryofocus"].split(":")
    offered = yaml.safe_load(files(package).joinpath(name).read_text())["contributions"]
    (command,), (reader,) = offered["commands"], offered["readers"]
    assert reader["command"] == command["id"]
    module, function = command["python_name"].split(":")
    assert getattr(import_module(module), function) is choose_reader


def test_run_becomes_layers(build_run: Build) -> None:
    """Consensus, mask and classes are images on their grid in Å, classes in their colours."""
    directory = build_run()
    read = choose_reader(str(directory.path))
    assert read is not None
    layers = read(str(directory.path))
    assert [kind for _, _, kind in layers] == ["image"] * 4
    names = [look["name"] for _, look, _ in layers]
    assert names[:2] == ["consensus", "focus mask"]
    assert names[2].startswith("class 1, ")
    first = read_volume(directory.class_map(1))
    data, look, _ = layers[2]
    np.testing.assert_array_equal(data, first.data)
    assert look["scale"] == (first.voxel_size_angstrom,) * 3
    assert look["translate"] == tuple(reversed(first.origin_angstrom))
    assert look["colormap"] != layers[3][1]["colormap"]


def test_anything_else_is_left_to_others(tmp_path: Path) -> None:
    """Other folders, files and lists have no reader here."""
    (tmp_path / "a.tif").touch()
    paths: list[str | list[str]] = [str(tmp_path), str(tmp_path / "a.tif"), [str(tmp_path)]]
    assert [choose_reader(path) for path in paths] == [None] * 3


def test_missing_maps_are_named(build_run: Build) -> None:
    """A run whose map is gone is a run, and says what is missing."""
    directory = build_run(left_out=("consensus.mrc",))
    read = choose_reader(str(directory.path))
    assert read is not None
    with pytest.raises(CryofocusError, match="consensus"):
        read(str(directory.path))
