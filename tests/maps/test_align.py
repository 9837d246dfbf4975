"""Fitting: known motions are found again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryofocus.maps.align import FitSettings, FittedTransform, fit_rigid
from cryofocus.maths.masks import sphere_mask
from cryofocus.maths.rotations import geodesic_degrees

BOX, VOXEL = 32, 2.0
SHIFT = (1.3, -2.4, 0.7)
Blobs = Callable[..., np.ndarray]


def errors(found: FittedTransform, rotation: np.ndarray, shift: object) -> tuple[float, float]:
    """Error of the rotation in degrees and of the shift in voxels."""
    angle = float(geodesic_degrees(found.transform.rotation, rotation))
    miss = found.transform.shift_angstrom / VOXEL - np.asarray(shift)
    return angle, float(np.linalg.norm(miss))


@pytest.mark.parametrize("box", [32, 33])
def test_any_motion_is_found(box: int, blobs: Blobs, some_rotation: np.ndarray) -> None:
    """A large rotation and a shift come back within 0.1 degree and 0.1 voxel."""
    volume, target = blobs(box, width=1.6), blobs(box, some_rotation, SHIFT, width=1.6)
    before = volume.copy()
    found = fit_rigid(volume, target, VOXEL)
    angle, shift = errors(found, some_rotation, SHIFT)
    assert angle < 0.1
    assert shift < 0.1
    assert found.correlation > 0.999
    assert found.correlation_before < 0.5
    np.testing.assert_array_equal(volume, before)


def test_small_motion_in_noise(blobs: Blobs) -> None:
    """Without a search, a small motion between noisy maps is found within the same bounds."""
    generator = np.random.default_rng(1)
    rotation = Rotation.from_rotvec([5.0, -3.0, 4.0], degrees=True).as_matrix()
    shift = (0.6, -0.4, 0.3)
    volume, target = (
        (density + generator.normal(0, 0.02, density.shape)).astype(np.float32)
        for density in (blobs(BOX), blobs(BOX, rotation, shift))
    )
    settings = FitSettings(max_resolution_angstrom=5 * VOXEL, search="local")
    angle, miss = errors(fit_rigid(volume, target, VOXEL, settings=settings), rotation, shift)
    assert angle < 0.1
    assert miss < 0.1


def test_mask_says_what_counts(blobs: Blobs) -> None:
    """A part that moved on its own does not disturb the fit of what is inside the mask."""
    rotation = Rotation.from_rotvec([2.0, 5.0, -3.0], degrees=True).as_matrix()
    part = np.array([[0.0, 0.0, -12.0]])
    weight = np.array([3.0])
    volume = blobs(BOX) + blobs(BOX, blobs=part, weights=weight)
    elsewhere = np.array([[5.0, 3.0, -13.0]])
    target = blobs(BOX, rotation) + blobs(BOX, blobs=elsewhere, weights=weight)
    mask = sphere_mask(BOX, 1.0, (0, 0, 6.0), 7.0, 3.0)
    settings = FitSettings(search="local")
    with_mask, _ = errors(fit_rigid(volume, target, VOXEL, mask, settings), rotation, (0, 0, 0))
    without, _ = errors(fit_rigid(volume, target, VOXEL, None, settings), rotation, (0, 0, 0))
    assert with_mask < 1
    assert without > 3 * with_mask
