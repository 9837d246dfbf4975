"""Poses that follow a map that was moved."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import CryofocusError
from cryofocus.maps.align import FitSettings
from cryofocus.maps.rigid import RigidTransform
from cryofocus.maths.rotations import geodesic_degrees, random_rotations
from cryofocus.workflows.align.move import align_move
from cryofocus.workflows.fit import fit
from cryofocus.workflows.reconstruct import ReconstructSettings, reconstruct
from cryofocus.workflows.simulate.humanoid import SimulatedSet


def write_motion(path: Path, transform: RigidTransform, **changes: object) -> Path:
    """Write what `fit` says of a motion."""
    said = {
        "map": "map.mrc",
        "rotation": transform.rotation.tolist(),
        "shift_angstrom": transform.shift_angstrom.tolist(),
    }
    path.write_text(json.dumps(said | changes))
    return path


@pytest.fixture
def motion() -> RigidTransform:
    """A rotation and a shift."""
    rotation = random_rotations(1, np.random.default_rng(3))[0]
    return RigidTransform(rotation, np.array([9.0, -6.0, 4.0]))


def test_moved_particles_make_the_moved_map(tmp_path: Path, small_set: SimulatedSet) -> None:
    """Fit, move, reconstruct: the map of the moved particles is the map that was fitted."""
    table = small_set.directory / "particles.star"
    made = reconstruct(table, tmp_path / "map.mrc")
    volume = read_volume(made.path)
    voxel = volume.voxel_size_angstrom
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    target = RigidTransform(turn, np.array([voxel, 0.0, -voxel])).move_map(volume.data, voxel)
    write_volume(tmp_path / "target.mrc", target, voxel)
    local = FitSettings(max_resolution_angstrom=4 * voxel)
    fitted = fit(made.path, tmp_path / "target.mrc", tmp_path / "fitted.mrc", settings=local)
    moved = align_move(table, fitted.description, tmp_path / "moved.star")
    nearby = ReconstructSettings(datadir=small_set.directory)
    again = reconstruct(moved.path, tmp_path / "again.mrc", nearby)
    pair = [read_volume(path).data.ravel() for path in (again.path, fitted.path)]
    assert np.corrcoef(*pair)[0, 1] > 0.97
    still = np.corrcoef(pair[0], volume.data.ravel())[0, 1]
    assert still < 0.9


def test_there_and_back(tmp_path: Path, small_set: SimulatedSet, motion: RigidTransform) -> None:
    """With --inverse, poses come back to where they were; everything else stays as it was."""
    table = small_set.directory / "particles.star"
    by = write_motion(tmp_path / "fit.json", motion)
    moved = align_move(table, by, tmp_path / "moved.star")
    back = align_move(moved.path, by, tmp_path / "back.star", inverse=True)
    before, there, after = (open_table(p).columns() for p in (table, moved.path, back.path))
    assert geodesic_degrees(before.rotation, there.rotation).min() > 5
    assert geodesic_degrees(before.rotation, after.rotation).max() < 1e-3
    np.testing.assert_allclose(after.shift_angstrom, before.shift_angstrom, atol=1e-3)
    assert moved.n_particles == len(before.rotation)
    assert open_table(moved.path).unread() == open_table(table).unread()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"map": None, "model": "a.pdb"}, "the motion of a model; expected that of a map"),
        ({"rotation": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}, "missing or damaged"),
        ({"shift_angstrom": "far"}, "Give the .json file that cryofocus fit wrote"),
    ],
)
def test_bad_motions(
    tmp_path: Path,
    small_set: SimulatedSet,
    motion: RigidTransform,
    changes: dict[str, object],
    message: str,
) -> None:
    """What is no motion of a map is refused with one message, and nothing is written."""
    by = write_motion(tmp_path / "fit.json", motion, **changes)
    with pytest.raises(CryofocusError, match=message):
        align_move(small_set.directory / "particles.star", by, tmp_path / "moved.star")
    assert [path.name for path in tmp_path.iterdir()] == ["fit.json"]
