"""What `deposit` gathers is the run's own, named as the EMDB asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from cryofocus.cli.main import app
from cryofocus.data.volume import read_volume
from cryofocus.errors import OutputError, SettingError
from cryofocus.workflows.deposit import deposit
from cryofocus.workflows.run.directory import RunDirectory

Build = Callable[..., RunDirectory]


@pytest.fixture(scope="module")
def run(build_shared_run: Build) -> RunDirectory:
    """Two classes."""
    return build_shared_run()


def test_files_are_those_of_the_class(run: RunDirectory, tmp_path: Path) -> None:
    """Primary map and half maps are the class's, FSC and numbers fit them."""
    made = deposit(run.path, 2, tmp_path / "out", mask=run.focus_mask)
    for name, source in (
        ("main.map", run.class_map(2)),
        ("half_map_1.map", run.half_map(2, 1)),
        ("half_map_2.map", run.half_map(2, 2)),
        ("mask_1.map", run.focus_mask),
    ):
        own, other = read_volume(made.folder / name), read_volume(source)
        np.testing.assert_array_equal(own.data, other.data)
        assert own.voxel_size_angstrom == other.voxel_size_angstrom
    points = ElementTree.parse(made.folder / "fsc.xml").findall("coordinate")
    assert len(points) == len(read_volume(run.consensus).data) // 2 + 1
    labels = np.load(run.posteriors).argmax(axis=1)
    assert made.n_particles == (labels == 1).sum()
    readme = (made.folder / "README.txt").read_text()
    assert f"Particles in the map    {made.n_particles}" in readme
    assert f"{made.resolution_angstrom:.2f} Å, FSC 0.143" in readme
    assert f"{made.resolution_angstrom:.2f} Å" in made.summary()


def test_the_command_says_where_it_lies(run: RunDirectory, tmp_path: Path) -> None:
    """One folder, named on the command line."""
    folder = tmp_path / "EMDB"
    typed = ["deposit", str(run.path), "--class", "1", "-o", str(folder)]
    result = CliRunner().invoke(app, typed)
    assert result.exit_code == 0, result.stderr
    assert str(folder) in result.stdout
    assert (folder / "half_map_2.map").is_file()


def test_main_map_may_be_another(run: RunDirectory, tmp_path: Path) -> None:
    """A sharpened map takes the place of the class map; without a mask none is written."""
    made = deposit(run.path, 1, tmp_path / "out", main=run.consensus)
    main = read_volume(made.folder / "main.map").data
    np.testing.assert_array_equal(main, read_volume(run.consensus).data)
    assert not (made.folder / "mask_1.map").exists()
    assert "as given" in (made.folder / "README.txt").read_text()


def test_wrong_requests_are_refused(run: RunDirectory, tmp_path: Path) -> None:
    """An unknown class is named with those there are; nothing is replaced unasked."""
    with pytest.raises(SettingError, match="class: found 3, expected 1 to 2"):
        deposit(run.path, 3, tmp_path / "out")
    deposit(run.path, 1, tmp_path / "out")
    with pytest.raises(OutputError, match="already exists"):
        deposit(run.path, 1, tmp_path / "out")
    assert deposit(run.path, 2, tmp_path / "out", overwrite=True).class_number == 2
