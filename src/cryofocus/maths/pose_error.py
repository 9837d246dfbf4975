"""How far poses are from others of the same particles, up to the symmetry of what they show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from cryofocus.maths.rotations import geodesic_degrees
from cryofocus.maths.symmetry import OperatorSet


@dataclass(frozen=True, eq=False)
class PoseErrors:
    """Differences between two poses of each particle.

    Attributes:
        angle_degrees: `(n,)` angle of the rotation from one to the other.
        shift_angstrom: `(n,)` length of the difference of the shifts.
        operator: `(n,)` symmetry operator under which the poses are nearest.
    """

    angle_degrees: Float64[np.ndarray, " n"]
    shift_angstrom: Float64[np.ndarray, " n"]
    operator: Int[np.ndarray, " n"]


def pose_errors(
    pose: tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, "n 2"]],
    true_pose: tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, "n 2"]],
    operators: OperatorSet | None = None,
) -> PoseErrors:
    """Measure the errors of poses, each under the symmetry operator that makes its angle least.

    A symmetric map looks the same at every copy of a pose, so that no image could tell them apart.

    Args:
        pose: Rotations A (n, 3, 3) and shifts in Å (n, 2).
        true_pose: The same of the poses to compare with.
        operators: Of the map; none but the identity if left out.
    """
    operators = operators or OperatorSet.point_group("C1")
    rotation, shift = pose
    copies, shifts = operators.apply(*true_pose)
    angle = geodesic_degrees(np.broadcast_to(rotation[:, None], copies.shape), copies)
    operator = angle.argmin(axis=1)
    rows = np.arange(len(rotation))
    away = np.linalg.norm(shift - shifts[rows, operator], axis=1)
    return PoseErrors(angle[rows, operator], away, operator)
