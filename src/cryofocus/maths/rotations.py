"""Rotation matrices of particle poses and RELION's Euler angles.

The rotation A of a particle carries the volume into the image: the point `a` (Å, x,y,z from the
box centre) lands at `(A a)[:2]`, so that the image's transform at `(kx, ky)` is the volume's at
`A^T (kx, ky, 0)`. RELION's `(rot, tilt, psi)` give A as the transpose of the intrinsic ZYZ
rotation `Rz(rot) Ry(tilt) Rz(psi)` of active factors.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

# Rings of views, from the pole to the equator, along which views are ordered.
VIEW_RINGS = 20


def rotation_from_euler(euler_degrees: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3 3"]:
    """Rotation matrices of RELION's Euler angles.

    Args:
        euler_degrees: Array (n, 3) rot, tilt, psi in degrees.

    Returns:
        A, as defined in the module's docstring.
    """
    active = Rotation.from_euler("ZYZ", np.asarray(euler_degrees, np.float64), degrees=True)
    return np.ascontiguousarray(np.swapaxes(active.as_matrix(), -1, -2))


def euler_from_rotation(rotation: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 3"]:
    """RELION's Euler angles of rotation matrices; the inverse of `rotation_from_euler`.

    Where the tilt is 0 or 180 degrees only rot+psi or rot-psi is defined; the returned triple
    still gives back the matrix.

    Args:
        rotation: A, as defined in the module's docstring.

    Returns:
        rot and psi in (-180, 180], tilt in [0, 180], degrees.
    """
    a = np.asarray(rotation, np.float64)
    view_x, view_y, view_z = a[:, 2, 0], a[:, 2, 1], a[:, 2, 2]
    rot = np.arctan2(view_y, view_x)
    tilt = np.arctan2(np.hypot(view_x, view_y), view_z)
    # psi is read with rot already removed: rot and psi stay consistent where the tilt vanishes.
    sin_psi = np.cos(rot) * a[:, 0, 1] - np.sin(rot) * a[:, 0, 0]
    cos_psi = np.cos(rot) * a[:, 1, 1] - np.sin(rot) * a[:, 1, 0]
    psi = np.arctan2(sin_psi, cos_psi)
    return np.asarray(np.degrees(np.stack([rot, tilt, psi], axis=-1)))


def geodesic_degrees(
    a: Float[np.ndarray, "*batch 3 3"], b: Float[np.ndarray, "*batch 3 3"]
) -> Float[np.ndarray, "*batch"]:
    """Angle of the rotation between two rotations, in degrees, exact for small angles too.

    From `|A - B|_F^2 = 8 sin^2(angle/2)`.
    """
    chord = np.linalg.norm(np.asarray(a) - np.asarray(b), axis=(-2, -1)) / np.sqrt(8.0)
    return np.asarray(np.degrees(2.0 * np.arcsin(np.minimum(chord, 1.0))))


def random_rotations(n: int, rng: np.random.Generator) -> Float[np.ndarray, "n 3 3"]:
    """Uniformly distributed rotations, from normalised four-dimensional Gaussian quaternions."""
    if n == 0:
        return np.zeros((0, 3, 3))
    return np.asarray(Rotation.from_quat(rng.normal(size=(n, 4))).as_matrix())


def order_by_view(axis: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, " n"]:
    """Order views so that neighbours look along similar axes, whatever their sense.

    Slices of similar views touch the same nodes of a grid, which are then still in the cache. A
    slice does not depend on the in-plane angle as a set of points, nor on which of two opposite
    views it is, so views are sorted along rings of the hemisphere, there and back.

    Args:
        axis: (n, 3) unit vectors, the third rows of the rotations.

    Returns:
        Indices of the views in their order.
    """
    upward = axis * np.where(axis[:, 2:] < 0, -1, 1)
    # Rings of equal height have equal areas.
    ring = np.minimum((VIEW_RINGS * (1 - upward[:, 2])).astype(np.int64), VIEW_RINGS - 1)
    longitude = np.arctan2(upward[:, 1], upward[:, 0])
    return np.lexsort((np.where(ring % 2, longitude, -longitude), ring))
