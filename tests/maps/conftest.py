"""A small particle of blobs, without symmetry, that several tests look at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

BLOBS = np.array([[0, 0, 0], [9, 2, -3], [-6, 8, 1], [2, -9, 6], [-3, -4, -10], [6, 7, 8]], float)
WEIGHTS = np.array([1.0, 0.8, 1.2, 0.7, 0.9, 0.6])

DrawBlobs = Callable[..., np.ndarray]


def draw_blobs(
    box: int = 40,
    rotation: np.ndarray | None = None,
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0),
    *,
    width: float = 2.0,
    blobs: np.ndarray = BLOBS,
    weights: np.ndarray = WEIGHTS,
) -> np.ndarray:
    """Draw Gaussian blobs (x, y, z in voxels from the centre), moved by x' = R x + t, exactly."""
    rotation = np.eye(3) if rotation is None else rotation
    centres = blobs @ rotation.T + np.asarray(shift)
    axis = np.arange(box) - box // 2
    volume = np.zeros((box,) * 3)
    for (x, y, z), weight in zip(centres, weights, strict=True):
        lines = [np.exp(-((axis - c) ** 2) / (2 * width**2)) for c in (z, y, x)]
        volume += weight * lines[0][:, None, None] * lines[1][:, None] * lines[2]
    return volume.astype(np.float32)


@pytest.fixture
def blobs() -> DrawBlobs:
    """The function that draws the particle."""
    return draw_blobs


@pytest.fixture
def some_rotation() -> np.ndarray:
    """A rotation about no special axis."""
    return np.asarray(Rotation.from_euler("ZYZ", [37.0, 61.0, -115.0], degrees=True).as_matrix())
