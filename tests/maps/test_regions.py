"""Regions: density, surroundings, atoms, and what a mask holds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from cryofocus.maps import regions
from cryofocus.maps.regions import (
    dense_region,
    describe_region,
    find_molecule,
    mask_around_points,
    soft_mask,
)
from cryofocus.maths.masks import cosine_edge


def test_largest_component_is_the_largest_and_whole() -> None:
    """Of two pieces the larger stays, held together by a corner; the level belongs to it."""
    density = np.zeros((12, 12, 12), np.float32)
    density[1:4, 1:4, 1:4] = 2
    density[4, 4, 4] = 1
    density[8:10, 8:10, 8:10] = 5
    assert dense_region(density, 1.0).sum() == 27 + 1 + 8
    kept = dense_region(density, 1.0, largest_component=True)
    assert kept.sum() == 28
    assert kept[4, 4, 4]
    assert not dense_region(density, 9.0, largest_component=True).any()


def test_soft_mask_depends_on_the_distance_to_the_region() -> None:
    """The mask is 1 up to the extension, half in the middle of the edge, and 0 beyond, in Å."""
    region = np.zeros((25, 25, 25), bool)
    region[12, 12, 12] = True
    line = soft_mask(region, 2.0, 6.0, 8.0)[12, 12, 12:]
    np.testing.assert_allclose(line[:9], [1, 1, 1, 1, 0.853553, 0.5, 0.146447, 0, 0], atol=1e-6)
    with pytest.raises(ValueError, match="empty"):
        soft_mask(np.zeros_like(region), 2.0, 6.0, 8.0)


@pytest.mark.parametrize("planes", [1, 3, 40])
@pytest.mark.parametrize(("extend", "edge"), [(0.0, 0.0), (3.0, 5.0), (0.0, 9.0)])
def test_masks_do_not_depend_on_how_many_planes_are_worked_on(
    monkeypatch: pytest.MonkeyPatch, planes: int, extend: float, edge: float
) -> None:
    """A few planes at a time give the mask of distances in the whole box, gaps and all."""
    monkeypatch.setattr(regions, "BLOCK_VOXELS", planes * 33**2)
    region = np.random.default_rng(8).uniform(size=(33,) * 3) < 0.002
    region[10:26] = False
    whole = distance_transform_edt(~region) * 1.7
    expected = cosine_edge(whole - extend, edge)
    np.testing.assert_array_equal(soft_mask(region, 1.7, extend, edge), expected)


@pytest.mark.parametrize("box", [15, 16])
def test_mask_around_points_is_exact(box: int) -> None:
    """Every voxel has the value that its distance to the nearest point gives, written as loops."""
    voxel, radius, edge = 1.7, 3.0, 4.0
    points = np.array([[4.3, 9.1, 12.2], [15.0, 15.9, 3.3], [-2.5, 10.0, 10.0], [80.0, 5.0, 5.0]])
    mask = mask_around_points(points, box, voxel, radius, edge)
    expected = np.zeros((box, box, box))
    for z, y, x in np.ndindex(expected.shape):
        distance = min(np.linalg.norm(point - voxel * np.array([x, y, z])) for point in points)
        expected[z, y, x] = cosine_edge(np.array([distance - radius]), edge)[0]
    np.testing.assert_allclose(mask, expected, atol=1e-6)
    assert mask.dtype == np.float32


def test_content_counts_positive_density_and_finds_the_edge() -> None:
    """The share of density is weighted by the mask; negative density does not count."""
    density = np.full((6, 6, 6), -1.0, np.float32)
    density[2, 2, 2], density[3, 3, 3] = 3, 1
    mask = np.zeros_like(density)
    mask[2, 2, 2], mask[3, 3, 3] = 1, 0.5
    content = describe_region(mask, density, 2.0)
    assert content.density_fraction == pytest.approx(3.5 / 4)
    assert content.volume_cubic_angstrom == pytest.approx(1.5 * 8)
    assert not content.touches_edge
    mask[3, 5, 3] = 0.1
    assert describe_region(mask, density, 2.0).touches_edge


def test_the_molecule_is_where_any_map_has_density() -> None:
    """A part that one map alone shows belongs to it, a speck does not, nor does empty space."""
    generator = np.random.default_rng(4)
    noise = 0.3 * generator.standard_normal((2, 32, 32, 32)).astype(np.float32)
    first, second = noise
    for volume in (first, second):
        volume[10:20, 10:20, 10:20] += 3
    second[10:20, 10:20, 20:26] += 1.5
    first[28, 28, 28] += 4
    where = find_molecule((first, second), 3.0)
    assert where[10:20, 10:20, 10:26].all()
    assert not where[28, 28, 28]
    assert not where[:6].any()
    assert not where[:, :, 31].any()


def test_where_nothing_stands_out_everything_counts() -> None:
    """Maps without a molecule have nothing that could be left out."""
    assert find_molecule([np.zeros((8, 8, 8), np.float32)], 2.0).all()
    with pytest.raises(ValueError, match="no map"):
        find_molecule([], 2.0)
