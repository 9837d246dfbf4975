"""Rigid motions of maps, and of the poses of the particles that belong to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from cryofocus.arrays import Volume
from cryofocus.calls import require_kinds
from cryofocus.maths.fourier import resize_volume
from cryofocus.maths.rotations import geodesic_degrees

OVERSAMPLING = 2
TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """A rotation about the box centre, then a shift: x' = R x + t.

    Points are x, y, z in Å from the box centre (voxel `box//2`).

    Attributes:
        rotation: `(3, 3)` R.
        shift_angstrom: `(3,)` t, x, y, z.

    Raises:
        ValueError: When the matrix is not a rotation.
    """

    rotation: Float64[np.ndarray, "3 3"]
    shift_angstrom: Float64[np.ndarray, " 3"]

    def __post_init__(self) -> None:
        require_kinds(self)
        product = self.rotation @ self.rotation.T
        if not np.allclose(product, np.eye(3), atol=TOLERANCE) or np.linalg.det(self.rotation) < 0:
            raise ValueError(f"{self.rotation.tolist()} is no rotation matrix")

    @classmethod
    def identity(cls) -> RigidTransform:
        """Leave everything where it is."""
        return cls(np.eye(3), np.zeros(3))

    @property
    def angle_degrees(self) -> float:
        """Angle of the rotation."""
        return float(geodesic_degrees(self.rotation, np.eye(3)))

    @property
    def axis(self) -> Float64[np.ndarray, " 3"]:
        """Axis of the rotation, a unit vector x, y, z; zero if there is none."""
        vector = Rotation.from_matrix(self.rotation).as_rotvec()
        length = float(np.linalg.norm(vector))
        return np.asarray(vector / length if length > 0 else vector)

    def inverse(self) -> RigidTransform:
        """Return the motion that takes everything back."""
        return RigidTransform(self.rotation.T.copy(), -self.rotation.T @ self.shift_angstrom)

    def move_map(self, volume: Volume, voxel_size_angstrom: float) -> Volume:
        """Move a map: density at x goes to R x + t.

        The map is sampled twice as finely in Fourier space, so that cubic splines reproduce it up
        to its Nyquist frequency. What moves in from outside the box is zero.
        """
        box = volume.shape[0]
        fine = resize_volume(volume, OVERSAMPLING * box)
        # Arrays have z first: reversing rows and columns turns a matrix for x, y, z into theirs.
        back = self.rotation.T[::-1, ::-1]
        centre = box // 2 + self.shift_angstrom[::-1] / voxel_size_angstrom
        offset = OVERSAMPLING * box // 2 - OVERSAMPLING * (back @ centre)
        moved = affine_transform(
            fine, OVERSAMPLING * back, offset, output_shape=volume.shape, order=3, mode="constant"
        )
        return np.asarray(moved, np.float32)

    def move_poses(
        self, rotation: Float[np.ndarray, "n 3 3"], shift_angstrom: Float[np.ndarray, "n 2"]
    ) -> tuple[Float64[np.ndarray, "n 3 3"], Float64[np.ndarray, "n 2"]]:
        """Poses under which the moved map has the projections that the map had under the old ones.

        A point a of the map is seen at (A a)[:2] minus the shift s. With a = R^T (a' - t),
        A' = A R^T and s' = s + (A' t)[:2].

        Args:
            rotation: A, the volume to the image (docs/conventions.md).
            shift_angstrom: s, x and y, what centres the particle.

        Returns:
            A' and s'.
        """
        moved = np.asarray(rotation, np.float64) @ self.rotation.T
        return moved, shift_angstrom + (moved @ self.shift_angstrom)[:, :2]
