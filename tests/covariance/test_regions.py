"""Named regions: what belongs to them, their pieces, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.covariance.regions import Region, require_distinct, separate
from cryofocus.errors import RegionError
from cryofocus.maths.masks import sphere_mask

BOX = 16


def block(name: str, *starts: int, edge: int = 3) -> Region:
    """A region of cubes on the diagonal."""
    inside = np.zeros((BOX,) * 3, dtype=bool)
    for start in starts:
        inside[start : start + edge, start : start + edge, start : start + edge] = True
    return Region(name, inside)


def test_soft_edge_counts_from_a_half() -> None:
    """A voxel belongs to a region where its mask reaches a half."""
    mask = np.linspace(0, 1, BOX**3, dtype=np.float32).reshape((BOX,) * 3)
    assert Region.from_mask("ramp", mask).n_voxels == BOX**3 // 2


def test_places_of_a_part_are_pieces() -> None:
    """Two cubes apart are two pieces that together are the region."""
    region = block("hand", 1, 9)
    pieces = region.pieces()
    assert len(pieces) == 2
    np.testing.assert_array_equal(pieces[0] | pieces[1], region.inside)
    assert not (pieces[0] & pieces[1]).any()


def test_splinters_go_with_their_neighbour() -> None:
    """A single voxel beside two cubes makes no third piece, and is not lost."""
    region = block("hand", 1, 9)
    region.inside[5, 5, 5] = True
    pieces = region.pieces()
    assert [int(piece.sum()) for piece in pieces] == [28, 27]


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ([block("hand", 1)], "regions: found 1, expected at least two"),
        ([block("hand", 1), block("hand", 9)], "the name hand is given 2 times"),
        ([block("hand", 1), block("foot")], "region foot: empty"),
        ([block("hand", 1), block("arm", 1, edge=5)], "hand and arm: overlap entirely"),
    ],
)
def test_unusable_regions(regions: list[Region], message: str) -> None:
    """One region, a repeated name, an empty region and regions that overlap are refused."""
    with pytest.raises(RegionError, match=message):
        require_distinct(regions)


def test_shared_voxels_belong_to_no_region() -> None:
    """What two regions share is taken from both; the rest stays."""
    hand, arm = separate([block("hand", 1, edge=4), block("arm", 4, edge=4)])
    assert (hand.n_voxels, arm.n_voxels) == (63, 63)
    assert not (hand.inside & arm.inside).any()


@pytest.mark.parametrize(("box", "coarse"), [(40, 20), (41, 27)])
def test_a_region_on_a_coarser_grid_is_at_its_place(box: int, coarse: int) -> None:
    """The same share of the box, around the same centre, in larger voxels."""
    fine = Region("ball", sphere_mask(box, 1.0, (6.0, -4.0, 3.0), 7.0, 0.0) > 0)
    found = fine.on_box(coarse)
    assert found.inside.shape == (coarse,) * 3
    assert found.n_voxels / coarse**3 == pytest.approx(fine.n_voxels / box**3, rel=0.1)
    centres = [
        (np.argwhere(region.inside).mean(axis=0) - size // 2) / size
        for region, size in ((fine, box), (found, coarse))
    ]
    np.testing.assert_allclose(centres[0], centres[1], atol=0.01)
    assert fine.on_box(box) is fine
