"""Circles and projected masks."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.data.mask import FocusMask
from cryofocus.errors import RegionError
from cryofocus.inference.mask2d.projected_mask import Circle, project_mask, project_sphere, shade
from cryofocus.kernels.cpu import CpuKernels
from samples import PIXEL_SIZE, make_particles, wrap_images

N, CENTRE, RADIUS = 5, (14.0, -9.0, 12.0), 28.0
KERNELS = CpuKernels(2)


def views(box: int) -> tuple[object, FocusMask]:
    """Some views and a sphere."""
    particles = make_particles(N, box, np.random.default_rng(3))
    sphere = (*(c + box // 2 * PIXEL_SIZE for c in CENTRE), RADIUS)
    mask = FocusMask.from_sphere(sphere, box, PIXEL_SIZE, soft_edge_angstrom=0.0)
    return wrap_images(particles, np.zeros((N, box, box), np.float32)), mask


def spread(circle: Circle) -> np.ndarray:
    """Lay a circle's rows out on whole images."""
    full = np.zeros((N, circle.box, circle.box), np.float32)
    full[np.arange(N)[:, None], circle.rows(np.arange(N))] = circle.weights(np.arange(N))
    return full


def distances(circle: Circle) -> np.ndarray:
    """Distance of every pixel from the circle's centre, in pixels."""
    axis = np.arange(circle.box) - circle.box // 2
    x, y = (axis - circle.centres[:, i : i + 1] for i in (0, 1))
    return np.hypot(y[:, :, None], x[:, None, :])


@pytest.mark.parametrize("box", [32, 33])
def test_projected_sphere_mask_is_the_circle(box: int) -> None:
    """A 3-D sphere given as a mask file counts the pixels of the circle, but for its rim."""
    images, mask = views(box)
    circle = project_sphere(images, mask, 0.0)
    shadows = np.empty((N, box, box), np.float32)
    shadow = project_mask(images, mask.data, 0.1, KERNELS, shadows)
    differs = shadow.weights(np.arange(N)) != spread(circle)
    assert not differs[np.abs(distances(circle) - circle.radius) > 1].any()
    assert differs.mean() < 0.02


@pytest.mark.parametrize("box", [32, 33])
def test_hard_circle(box: int) -> None:
    """The rows hold every pixel within the radius and no other; the area counted is pi R^2."""
    images, mask = views(box)
    circle = project_sphere(images, mask, 0.0)
    np.testing.assert_array_equal(spread(circle) > 0, distances(circle) <= circle.radius)
    expected = np.full(N, np.pi * (RADIUS / PIXEL_SIZE) ** 2)
    np.testing.assert_allclose(circle.areas(circle.weights(np.arange(N))), expected)


def test_soft_circle() -> None:
    """One inside, half in the middle of the edge, nothing beyond; its area is its sum."""
    images, mask = views(32)
    circle = project_sphere(images, mask, 12.0)
    full, far = spread(circle), distances(circle) - circle.radius
    assert (full[far <= 0] == 1).all()
    assert (full[far >= circle.edge] == 0).all()
    middle = np.abs(far - circle.edge / 2) < 0.05
    np.testing.assert_allclose(full[middle], 0.5, atol=0.06)
    np.testing.assert_allclose(
        circle.areas(circle.weights(np.arange(N))), full.sum(axis=(1, 2)), rtol=1e-5
    )


def test_a_circle_that_leaves_the_image_keeps_its_pixels_inside() -> None:
    """Rows are clamped to the image; a circle far outside weighs nothing."""
    circle = Circle(16, np.array([[7.0, -9.0], [40.0, 40.0]] + [[0.0, 0.0]] * 3), 3.0)
    rows = circle.rows(np.arange(N))
    assert rows.min() >= 0
    assert rows.max() < 16
    np.testing.assert_array_equal(spread(circle) > 0, distances(circle) <= 3)


def test_soft_shadow_is_the_projection() -> None:
    """With threshold 0 the weights are the relative thickness, 1 where a view is thickest."""
    images, mask = views(32)
    shadows = np.empty((N, 32, 32), np.float32)
    soft = project_mask(images, mask.data, 0.0, KERNELS, shadows).weights(np.arange(N))
    np.testing.assert_allclose(soft.max(axis=(1, 2)), 1)
    far = distances(project_sphere(images, mask, 0.0)) * PIXEL_SIZE / RADIUS
    np.testing.assert_allclose(soft[far < 0.8], np.sqrt(1 - far[far < 0.8] ** 2), atol=0.12)
    np.testing.assert_array_equal(shade(soft, 0.5), soft >= 0.5)


def test_a_mask_that_vanishes_in_projection_is_refused() -> None:
    """A mask that shows nothing is an error that says what to do."""
    images, mask = views(32)
    with pytest.raises(RegionError, match="vanishes when projected along some views"):
        project_mask(images, 0 * mask.data, 0.1, KERNELS, np.empty((N, 32, 32), np.float32))
