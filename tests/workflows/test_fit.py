"""`fit` from file to file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import CryofocusError
from cryofocus.maps.align import FitSettings
from cryofocus.maps.rigid import RigidTransform
from cryofocus.maths.masks import sphere_mask
from cryofocus.workflows.fit import fit

BOX, VOXEL = 24, 3.0
ORIGIN, OTHER_ORIGIN = (10.0, 0.0, -5.0), (0.0, 100.0, 0.0)


@pytest.fixture
def maps(tmp_path: Path) -> dict[str, Path]:
    """A body in two places, in frames of different origin."""
    places = [((0.0, 0.0, 0.0), 9.0), ((15.0, 6.0, -3.0), 5.0), ((-6.0, 12.0, 12.0), 4.0)]
    body = sum(sphere_mask(BOX, VOXEL, place, radius, 9.0) for place, radius in places)
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    moved = RigidTransform(turn, np.array([3.0, -1.5, 2.0])).move_map(body, VOXEL)
    paths = {name: tmp_path / f"{name}.mrc" for name in ("body", "moved", "flat", "coarse")}
    write_volume(paths["body"], body, VOXEL, OTHER_ORIGIN)
    write_volume(paths["moved"], moved, VOXEL, ORIGIN)
    write_volume(paths["flat"], np.ones_like(body), VOXEL)
    write_volume(paths["coarse"], body, 2 * VOXEL)
    return paths


def test_fitted_map_lies_on_the_target(tmp_path: Path, maps: dict[str, Path]) -> None:
    """The written map equals the target, in its frame; the JSON has the motion that did it."""
    made = fit(maps["body"], maps["moved"], tmp_path / "fitted.mrc")
    fitted, target = read_volume(made.path), read_volume(maps["moved"])
    assert np.abs(fitted.data - target.data).max() < 0.05
    assert fitted.origin_angstrom == pytest.approx(ORIGIN)
    said = json.loads(made.description.read_text())
    assert said["angle_degrees"] == pytest.approx(90, abs=0.3)
    np.testing.assert_allclose(said["shift_angstrom"], [3, -1.5, 2], atol=0.1)
    matrix = np.array(said["matrix_in_map_frames"])
    centre = np.array(OTHER_ORIGIN) + BOX // 2 * VOXEL
    expected = np.array(ORIGIN) + BOX // 2 * VOXEL + said["shift_angstrom"]
    np.testing.assert_allclose(matrix[:, :3] @ centre + matrix[:, 3], expected, atol=1e-6)
    assert said["correlation"] > 0.999 > said["correlation_before"]


@pytest.mark.parametrize(
    ("moving", "target", "output", "message"),
    [
        ("flat", "body", "out.mrc", r"flat\.mrc: the same value in every voxel"),
        ("coarse", "body", "out.mrc", r"coarse\.mrc: voxels of 6\.0000 Å, but .*body\.mrc"),
        ("body", "moved", "flat.mrc", r"flat\.mrc: exists"),
        ("body", "moved", "out.map", r"expected a name that ends in \.mrc"),
    ],
)
def test_bad_input(
    tmp_path: Path, maps: dict[str, Path], moving: str, target: str, output: str, message: str
) -> None:
    """What cannot be fitted is refused with one message, and nothing is written."""
    before = {path: path.read_bytes() for path in maps.values()}
    with pytest.raises(CryofocusError, match=message):
        fit(maps[moving], maps[target], tmp_path / output, settings=FitSettings(search="local"))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
