"""Even samplings of directions and of rotations."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))
# Alexa (2022), table 1: the irrational numbers of the most even spiral.
SPIRAL_PHI = float(np.sqrt(2.0))
SPIRAL_PSI = 1.533751168755204288118041


def hemisphere_directions(n: int) -> Float64[np.ndarray, "n 3"]:
    """Spread unit vectors x, y, z evenly over the half sphere z > 0 (Fibonacci spiral).

    Opposite directions count as one; n directions are about `sqrt(20627 / n)` degrees apart.
    """
    z = (np.arange(n) + 0.5) / n
    radius, angle = np.sqrt(1 - z**2), GOLDEN_ANGLE * np.arange(n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def even_rotations(n: int) -> Float64[np.ndarray, "n 3 3"]:
    """Spread rotations evenly over all rotations (super-Fibonacci spiral, Alexa 2022)."""
    s = np.arange(n) + 0.5
    t = s / n
    inner, outer = np.sqrt(t), np.sqrt(1 - t)
    alpha, beta = 2 * np.pi * s / SPIRAL_PHI, 2 * np.pi * s / SPIRAL_PSI
    quaternions = np.stack(
        [inner * np.sin(alpha), inner * np.cos(alpha), outer * np.sin(beta), outer * np.cos(beta)],
        axis=1,
    )
    return np.asarray(Rotation.from_quat(quaternions).as_matrix())
