"""One table from the poses that particles have in their most probable classes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.labels import pose_columns
from cryofocus.errors import CryofocusError, FormatError, OutputError, ParticleError, SettingError
from cryofocus.maths.rotations import geodesic_degrees, random_rotations
from cryofocus.workflows.align.combine import align_combine
from cryofocus.workflows.run.directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path, finished: RunDirectory) -> RunDirectory:
    """A finished run, to spoil."""
    return RunDirectory(Path(shutil.copytree(finished.path, tmp_path / "RUN")))


def make_poses(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses of n particles in two classes."""
    rng = np.random.default_rng(4)
    return random_rotations(2 * n, rng).reshape(n, 2, 3, 3), rng.normal(0, 5, (n, 2, 2))


def expect_poses(path: Path, rotation: np.ndarray, shift: np.ndarray) -> None:
    """Compare with what a table says."""
    columns = open_table(path).columns()
    assert geodesic_degrees(columns.rotation, rotation).max() < 1e-4
    np.testing.assert_allclose(columns.shift_angstrom, shift, atol=1e-5)


def labels_of(run: RunDirectory) -> np.ndarray:
    """Most probable class of each particle."""
    return np.asarray(np.load(run.posteriors).argmax(axis=1))


def test_poses_of_the_run(run: RunDirectory, caplog: pytest.LogCaptureFixture) -> None:
    """Of the poses that a run kept for all classes, each particle gets that of its class."""
    caplog.set_level("INFO")
    labels = labels_of(run)
    rotation, shift = make_poses(len(labels))
    np.savez(run.path / "poses.npz", rotation=rotation, shift_angstrom=shift)
    made = align_combine(run.path, run.path.parent / "combined.star")
    rows = np.arange(len(labels))
    expect_poses(made.path, rotation[rows, labels], shift[rows, labels])
    assert made.n_of_class == tuple(np.bincount(labels))
    assert "combined.star: its image names count from" in caplog.text
    before, after = open_table(run.particles), open_table(made.path)
    assert after.unread() == before.unread()
    np.testing.assert_array_equal(after.classes().class_index, before.classes().class_index)


def test_one_pose_a_particle(run: RunDirectory) -> None:
    """Poses that a run refined for all classes together are taken as they are."""
    n = len(labels_of(run))
    rotation, shift = (array[:, 0] for array in make_poses(n))
    np.savez(run.path / "poses.npz", rotation=rotation, shift_angstrom=shift)
    made = align_combine(run.path, run.path.parent / "combined.star")
    expect_poses(made.path, rotation, shift)


def write_class_tables(run: RunDirectory, poses: tuple[np.ndarray, np.ndarray]) -> list[Path]:
    """Write each class's particles, in another order, with poses of that class."""
    table, labels = open_table(run.particles), labels_of(run)
    paths = []
    for number in range(2):
        rows = np.flatnonzero(labels == number)[::-1]
        columns = pose_columns(poses[0][:, number], poses[1][:, number])
        path = run.path.parent / f"class{number + 1}.star"
        table.write(path, {label: column[rows] for label, column in columns.items()}, rows)
        paths.append(path)
    return paths


def test_poses_of_tables(run: RunDirectory) -> None:
    """Tables of the classes are joined by image, whatever the order of their rows."""
    labels = labels_of(run)
    poses = make_poses(len(labels))
    tables = write_class_tables(run, poses)
    made = align_combine(run.path, run.path.parent / "combined.star", tables=tables)
    rows = np.arange(len(labels))
    expect_poses(made.path, poses[0][rows, labels], poses[1][rows, labels])


def refuse(run: RunDirectory, error: type[CryofocusError], match: str, *tables: Path) -> None:
    """Expect a message, and nothing written."""
    output = run.path.parent / "combined.star"
    with pytest.raises(error, match=match):
        align_combine(run.path, output, tables=tables)
    assert not output.exists()


def test_what_cannot_be_combined(run: RunDirectory) -> None:
    """One pose for all classes, damaged poses, and tables that do not fit the run are refused."""
    tables = write_class_tables(run, make_poses(len(labels_of(run))))
    refuse(run, SettingError, "found 1 tables, but the run has 2 classes", tables[0])
    lacks = r"class2\.star: lacks \d+ of the \d+ particles of class 1, such as 0.*particles\.mrcs"
    refuse(run, ParticleError, lacks, *tables[::-1])
    (run.path / "poses.npz").unlink(missing_ok=True)
    refuse(run, SettingError, "have one pose each, the same in all classes")
    (run.path / "poses.npz").write_bytes(b"no archive")
    refuse(run, FormatError, r"poses\.npz: missing or damaged")
    np.savez(run.path / "poses.npz", rotation=np.zeros((3, 3, 3)), shift_angstrom=np.zeros((3, 2)))
    refuse(run, FormatError, r"arrays of shapes \(3, 3, 3\) and \(3, 2\), but the run has")


def test_outputs_that_are_taken(run: RunDirectory) -> None:
    """An existing table and another format are refused."""
    with pytest.raises(OutputError, match="is the table to read"):
        align_combine(run.path, run.particles)
    with pytest.raises(SettingError, match=r"expected a name that ends in \.star"):
        align_combine(run.path, run.path.parent / "combined.cs")
