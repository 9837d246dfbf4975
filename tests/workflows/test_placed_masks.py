"""Masks of shapes placed by eye: ellipsoids and markers, in the map's frame, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.shapes.markers import Ellipsoid, read_markers
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.errors import CryofocusError
from cryofocus.maths.masks import ellipsoid_mask, sphere_mask
from cryofocus.workflows.make_mask import make_sphere_mask
from cryofocus.workflows.placed_masks import make_ellipsoid_mask, make_marker_mask

BOX, VOXEL, ORIGIN = 32, 2.0, (-32.0, 10.0, 5.0)
MARKERS = """<marker_set name="marker set 1">
<!-- placed by hand -->
<marker id="1" x="0" y="42" z="37" r="1" g="1" b="0" radius="8" note="arm"/>
<marker id="2" x="8" y="42" z="37" r="1" g="1" b="0" radius="5"/>
<link id1="1" id2="2" r="1" g="1" b="0" radius="0.5"/>
</marker_set>
"""


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    """A ball of density in the middle of a map whose frame has an origin."""
    path = tmp_path / "map.mrc"
    write_volume(path, sphere_mask(BOX, VOXEL, (0, 0, 0), 12.0, 0.0) * 3, VOXEL, ORIGIN)
    return path


def test_equal_radii_make_a_sphere() -> None:
    """An ellipsoid of equal radii is the sphere, soft edge and centre voxel included."""
    centre, radius, edge = (2.0, -4.0, 6.0), 9.0, 7.0
    np.testing.assert_allclose(
        ellipsoid_mask(BOX, VOXEL, centre, (radius,) * 3, edge),
        sphere_mask(BOX, VOXEL, centre, radius, edge),
        atol=1e-6,
    )


def test_ellipsoid_lies_where_it_is_asked_for(tmp_path: Path, map_file: Path) -> None:
    """Centre, reach along each axis and volume are those asked for, in the map's frame."""
    ellipsoid = Ellipsoid((0.0, 40.0, 37.0), (8.0, 12.0, 16.0))
    made = make_ellipsoid_mask(ellipsoid, map_file, tmp_path / "m.mrc", soft_edge_angstrom=0)
    mask = read_volume(made.path)
    assert mask.origin_angstrom == pytest.approx(ORIGIN)
    inside = np.argwhere(mask.data > 0.5)[:, ::-1] * VOXEL + ORIGIN
    np.testing.assert_allclose(inside.mean(axis=0), (0, 40, 37), atol=0.01)
    np.testing.assert_allclose(np.ptp(inside, axis=0) / 2, (8, 12, 16), atol=VOXEL / 2)
    assert made.content.volume_cubic_angstrom == pytest.approx(4 / 3 * np.pi * 1536, rel=0.05)


def test_soft_edge_is_as_wide_as_asked_for(tmp_path: Path, map_file: Path) -> None:
    """Along its axes the edge falls from 1 to 0 over its width."""
    ellipsoid = Ellipsoid((0.0, 42.0, 37.0), (8.0, 8.0, 16.0))
    made = make_ellipsoid_mask(ellipsoid, map_file, tmp_path / "m.mrc", soft_edge_angstrom=8)
    mask = read_volume(made.path).data
    np.testing.assert_allclose(mask[16, 16, [20, 22, 24]], (1, 0.5, 0), atol=0.01)
    np.testing.assert_allclose(mask[[24, 26, 28], 16, 16], (1, 0.5, 0), atol=0.01)


def test_markers_are_spheres_together(tmp_path: Path, map_file: Path) -> None:
    """Every marker's sphere is in the mask, which is 1 where any of them is."""
    markers = tmp_path / "markers.cmm"
    markers.write_text(MARKERS, encoding="utf-8")
    assert read_markers(markers) == ((0.0, 42.0, 37.0, 8.0), (8.0, 42.0, 37.0, 5.0))
    made = make_marker_mask(markers, map_file, tmp_path / "m.mrc")
    spheres = [
        read_volume(make_sphere_mask(sphere, map_file, tmp_path / f"{n}.mrc").path).data
        for n, sphere in enumerate(read_markers(markers))
    ]
    np.testing.assert_array_equal(read_volume(made.path).data, np.maximum(*spheres))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0, 42, 37, 8, 8, 40), "ellipsoid 0,42,37,8,8,40: reaches 10.0 Å out of .*map.mrc"),
        ((0, 42, 37, 8, 8, -1), "expected a centre and three radii larger than 0. Give X,Y,Z"),
        ((0, np.nan, 37, 8, 8, 8), "ellipsoid 0,nan,37,8,8,8: expected a centre"),
        ((1, 43, 38, 0.5, 0.5, 0.5), "falls between the voxels of 2 Å; expected a region"),
    ],
)
def test_impossible_ellipsoids_are_refused(
    tmp_path: Path, map_file: Path, numbers: tuple[float, ...], words: str
) -> None:
    """What leaves the map, has no size or is no number is named, and nothing is written."""
    x, y, z, a, b, c = map(float, numbers)
    output = tmp_path / "m.mrc"
    with pytest.raises(CryofocusError, match=words):
        make_ellipsoid_mask(
            Ellipsoid((x, y, z), (a, b, c)), map_file, output, soft_edge_angstrom=0
        )
    assert not output.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a marker file"),
        ("marker 1 2 3", "not a marker file"),
        ("<marker_set></marker_set>", "holds no marker; expected markers of ChimeraX"),
        ('<a><marker x="1" y="2" z="3"/></a>', "not a marker file .'radius'.; expected"),
        ('<a><marker x="1" y="2" z="nan" radius="1"/></a>', "not a marker file .z is nan."),
        ('<a><marker x="1" y="2" z="c" radius="1"/></a>', "not a marker file .could not"),
        ('<!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>', "not a marker file; expected markers"),
    ],
)
def test_what_is_no_marker_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """Other files, markers without numbers and entities get one message with what to do."""
    path = tmp_path / "markers.cmm"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CryofocusError, match=rf"markers\.cmm: {words}"):
        read_markers(path)


def test_missing_marker_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(CryofocusError, match=r"none\.cmm: cannot be read \(No such file"):
        read_markers(tmp_path / "none.cmm")
