"""Focus regions: where a sphere lands, and which spheres and masks are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.mask import FocusMask
from cryofocus.data.volume import write_volume
from cryofocus.errors import RegionError

BOX, VOXEL = 16, 2.0


def sphere(*numbers: float, origin: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> FocusMask:
    """A sphere with a hard edge."""
    return FocusMask.from_sphere(
        numbers, BOX, VOXEL, soft_edge_angstrom=0.0, origin_angstrom=origin
    )


def mask_file(folder: Path, data: np.ndarray, voxel: float = VOXEL) -> Path:
    """A mask on disk."""
    write_volume(folder / "mask.mrc", data.astype(np.float32), voxel, (5.0, 6.0, 7.0))
    return folder / "mask.mrc"


@pytest.mark.parametrize("box", [16, 17])
def test_sphere_lies_where_chimerax_shows_it(box: int) -> None:
    """A sphere of one voxel at x, y, z Å is the voxel z/2, y/2, x/2, in even and odd boxes."""
    mask = FocusMask.from_sphere((6.0, 12.0, 20.0, 1.0), box, VOXEL, soft_edge_angstrom=0.0)
    assert np.argwhere(mask.data > 0).tolist() == [[10, 6, 3]]
    assert mask.centre_angstrom == (6.0, 12.0, 20.0)


def test_sphere_follows_the_origin_of_the_map() -> None:
    """With a map whose voxel (0, 0, 0) lies elsewhere, coordinates count from there."""
    moved = sphere(106.0, 112.0, 120.0, 1.0, origin=(100.0, 100.0, 100.0))
    np.testing.assert_array_equal(moved.data, sphere(6.0, 12.0, 20.0, 1.0).data)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((16.0, 16.0, 16.0, 0.0), "the radius is 0 Å; expected more than 0"),
        ((16.0, 16.0, 16.0, -3.0), "the radius is -3 Å"),
        ((16.0, 16.0, 28.0, 6.0), r"extends 4\.0 Å outside the box, which spans 0 to 30\.0"),
        ((-200.0, 16.0, 16.0, 6.0), r"extends 206\.0 Å outside the box"),
        ((1e308, 16.0, 16.0, 6.0), r"extends 1e\+308 Å outside the box"),
        ((float("nan"), 16.0, 16.0, 6.0), r"not all of these are numbers"),
        ((15.0, 15.0, 15.0, 0.5), "falls between the voxels of 2 Å"),
    ],
)
def test_unusable_sphere_is_refused(numbers: tuple[float, ...], message: str) -> None:
    """A sphere without extent or outside the box gives one message with the numbers."""
    with pytest.raises(RegionError, match=message):
        sphere(*numbers)


def test_a_sphere_given_in_voxels_is_refused() -> None:
    """A sphere of which no voxel is inside but for its soft edge is told to be given in Å."""
    with pytest.raises(RegionError, match="Å, not in voxels; give a larger radius"):
        FocusMask.from_sphere((15.0, 15.0, 15.0, 0.5), BOX, VOXEL, soft_edge_angstrom=2.0)


def test_mask_file_is_read_with_its_origin(tmp_path: Path) -> None:
    """Values and place of a mask file are kept, and a mask that fills the box is fine."""
    mask = FocusMask.from_file(mask_file(tmp_path, np.ones((BOX,) * 3)), BOX, VOXEL)
    assert mask.data.all()
    assert mask.origin_angstrom == (5.0, 6.0, 7.0)
    assert mask.path == tmp_path / "mask.mrc"


@pytest.mark.parametrize(
    ("data", "voxel", "message"),
    [
        (np.ones((8, 8, 8)), VOXEL, "8 x 8 x 8 voxels, but the particles have 16 x 16 pixels"),
        (np.ones((BOX, BOX, 8)), VOXEL, "a mask of 8 x 16 x 16 voxels"),
        (np.ones((BOX,) * 3), 2.5, r"voxels of 2\.5000 Å, but .* pixels of 2\.0000 Å"),
        (np.full((BOX,) * 3, 1.5), VOXEL, r"values from 1\.5 to 1\.5; expected a mask from 0 to"),
        (np.full((BOX,) * 3, -0.1), VOXEL, r"values from -0\.1"),
        (np.zeros((BOX,) * 3), VOXEL, r"empty \(largest value 0\)"),
    ],
)
def test_unusable_mask_file_is_refused(
    tmp_path: Path, data: np.ndarray, voxel: float, message: str
) -> None:
    """A mask off the grid, outside [0, 1] or empty gives one message that names the file."""
    path = mask_file(tmp_path, data, voxel)
    with pytest.raises(RegionError, match=message) as caught:
        FocusMask.from_file(path, BOX, VOXEL)
    assert str(caught.value).startswith(str(path))


def test_mask_in_memory_must_lie_on_the_grid() -> None:
    """A mask made for other particles is refused too."""
    mask = sphere(16.0, 16.0, 16.0, 6.0)
    mask.require_grid(BOX, VOXEL)
    with pytest.raises(
        RegionError, match="a mask of 16 x 16 x 16 voxels, but the particles have 20 x 20"
    ):
        mask.require_grid(20, VOXEL)


def test_rounding_beyond_0_and_1_is_clipped(tmp_path: Path) -> None:
    """A voxel of 1.0000001 is no reason to refuse a mask."""
    data = np.zeros((BOX,) * 3, np.float32)
    data[4:8, 4:8, 4:8] = 1.0
    data[5, 5, 5], data[0, 0, 0] = 1.0000001, -1e-7
    mask = FocusMask.from_file(mask_file(tmp_path, data), BOX, VOXEL)
    assert (mask.data.min(), mask.data.max()) == (0, 1)
