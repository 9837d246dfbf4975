"""Even samplings of directions and of rotations."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from cryofocus.maths.rotations import rotation_from_euler
from cryofocus.maths.symmetry import OperatorSet

GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))
# Alexa (2022), table 1: the irrational numbers of the most even spiral.
SPIRAL_PHI = float(np.sqrt(2.0))
SPIRAL_PSI = 1.533751168755204288118041
HEALPIX_DEGREES = float(np.degrees(np.sqrt(np.pi / 3)))
"""Square root of the area of a cell, times n_side."""
# On no axis and no mirror plane of any point group.
GENERIC_DIRECTION = np.array([0.31, 0.52, 0.79])


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


def healpix_directions(n_side: int) -> Float64[np.ndarray, "n 3"]:
    """Spread `12 n_side**2` unit vectors x, y, z over the sphere, each in a cell of one area.

    Centres of the HEALPix cells, ring by ring (Gorski et al. 2005, equations 2 to 9), for any
    `n_side` from 1. Neighbours are about `58.6 / n_side` degrees apart.
    """
    ring = np.arange(1, 4 * n_side)
    from_pole = np.minimum(ring, 4 * n_side - ring)
    is_cap = from_pole < n_side
    n_in_ring = np.where(is_cap, 4 * from_pole, 4 * n_side)
    height = np.where(
        is_cap,
        np.sign(2 * n_side - ring) * (1 - from_pole**2 / (3 * n_side**2)),
        4 / 3 - 2 * ring / (3 * n_side),
    )
    # Polar rings start half a cell from x, every other ring of the belt too.
    offset = np.where(is_cap | ((ring - n_side) % 2 == 0), 0.5, 0.0)
    first = np.cumsum(n_in_ring) - n_in_ring
    place = np.arange(12 * n_side**2) - np.repeat(first, n_in_ring)
    longitude = (
        2 * np.pi * (place + np.repeat(offset, n_in_ring)) / np.repeat(n_in_ring, n_in_ring)
    )
    z = np.repeat(height, n_in_ring)
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(longitude), radius * np.sin(longitude), z], axis=1)


def view_directions(
    step_degrees: float, operators: OperatorSet | None = None
) -> Float64[np.ndarray, "n 3"]:
    """Spread viewing directions no farther apart than a step, over one asymmetric unit.

    An operator R makes the view along v and that along R v the same (`maths.symmetry`). The
    asymmetric unit is the Dirichlet cell of a direction that no operator keeps; directions up to
    half a step outside it are kept too, so that every direction has one of an equivalent view
    within reach.

    Args:
        step_degrees: Largest distance between neighbours, about.
        operators: Point group; none for the whole sphere.
    """
    directions = healpix_directions(int(np.ceil(HEALPIX_DEGREES / step_degrees)))
    if operators is None or len(operators) == 1:
        return directions
    centre = GENERIC_DIRECTION / np.linalg.norm(GENERIC_DIRECTION)
    away = np.degrees(np.arccos(np.clip(directions @ (operators.rotation @ centre).T, -1, 1)))
    return np.asarray(directions[away[:, 0] <= away.min(axis=1) + step_degrees])


def rotations_to_views(direction: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3 3"]:
    """Rotations A that look along some directions (their third rows), with psi 0."""
    rot = np.arctan2(direction[:, 1], direction[:, 0])
    tilt = np.arccos(np.clip(direction[:, 2], -1, 1))
    return rotation_from_euler(np.degrees(np.stack([rot, tilt, np.zeros_like(rot)], axis=1)))


def turns_in_plane(angle_degrees: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 3 3"]:
    """Rotations Z that turn an image by some angles from x towards y: its pose A becomes Z A."""
    return np.asarray(Rotation.from_euler("z", angle_degrees[:, None], degrees=True).as_matrix())


def neighbouring_turns(step_degrees: float) -> Float64[np.ndarray, "27 3 3"]:
    """Rotations around none at all: 0 or plus or minus a step about each of three axes."""
    line = np.radians(step_degrees) * np.array([0.0, -1.0, 1.0])
    vectors = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(Rotation.from_rotvec(vectors).as_matrix())


def shifts_in_disc(step: float, radius: float) -> Float64[np.ndarray, "n 2"]:
    """Points x, y of a hexagonal lattice with some step, no farther from the origin than a radius.

    The origin is one of them. No point of the disc is farther than `step / sqrt(3)` from the
    lattice.
    """
    reach = int(np.ceil(radius / (step * np.sqrt(0.75))))
    count = np.arange(-reach, reach + 1)
    y, x = np.meshgrid(count, count, indexing="ij")
    points = np.stack([x + 0.5 * (y % 2), np.sqrt(0.75) * y], axis=-1).reshape(-1, 2) * step
    return np.asarray(points[np.hypot(points[:, 0], points[:, 1]) <= radius * (1 + 1e-9)])
