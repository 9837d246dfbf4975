"""Surfaces: where they lie, that they are closed, and that noise has none."""

from __future__ import annotations

import numpy as np

from cryofocus.maps.surface import SurfaceMesh, extract_surface, hide_dust
from cryofocus.maths.masks import sphere_mask

BOX, VOXEL, ORIGIN = 24, 2.0, (-10.0, 30.0, 5.0)
CENTRE = (6.0, -4.0, 0.0)


def enclosed_volume(mesh: SurfaceMesh) -> float:
    """Volume by the divergence theorem; positive if triangles are seen from outside."""
    a, b, c = (mesh.vertices_angstrom[mesh.triangles[:, i]].astype(float) for i in range(3))
    return float(np.einsum("ni,ni->n", a, np.cross(b, c)).sum() / 6)


def test_surface_of_a_ball_lies_in_the_frame_of_the_map() -> None:
    """Centre, radius, volume and the way round of the triangles are those of the ball."""
    ball = sphere_mask(BOX, VOXEL, CENTRE, 10.0, 6.0)
    mesh = extract_surface(ball, 0.5, VOXEL, ORIGIN)
    centre = np.asarray(ORIGIN) + BOX // 2 * VOXEL + CENTRE
    distance = np.linalg.norm(mesh.vertices_angstrom - centre, axis=1)
    np.testing.assert_allclose(distance, 13.0, atol=0.3)
    assert np.isclose(enclosed_volume(mesh), 4 / 3 * np.pi * 13.0**3, rtol=0.03)


def test_surface_is_closed_where_the_array_ends() -> None:
    """Density that reaches the faces of the array is closed off there."""
    mesh = extract_surface(np.full((4, 5, 6), 2.0, np.float32), 1.0, 1.0)
    assert 3 * 4 * 5 < enclosed_volume(mesh) < 5 * 6 * 7
    edges = np.sort(mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert set(np.unique(edges, axis=0, return_counts=True)[1].tolist()) == {2}


def test_no_density_has_no_surface() -> None:
    """A level that nothing reaches gives an empty mesh."""
    mesh = extract_surface(np.zeros((4, 4, 4), np.float32), 1.0, 1.0)
    assert mesh.vertices_angstrom.shape == mesh.triangles.shape == (0, 3)


def test_dust_is_hidden_and_the_rest_stays() -> None:
    """A piece of two voxels loses its surface; a ball keeps every voxel, and so does the input."""
    density = sphere_mask(BOX, VOXEL, CENTRE, 10.0, 0.0)
    density[1, 1, 1:3] = 3.0
    before = density.copy()
    shown = hide_dust(density, 0.5, min_voxels=5)
    np.testing.assert_array_equal(density, before)
    assert (shown > 0.5).sum() == (density > 0.5).sum() - 2
    assert len(extract_surface(shown, 0.5, VOXEL).vertices_angstrom) < len(
        extract_surface(density, 0.5, VOXEL).vertices_angstrom
    )
