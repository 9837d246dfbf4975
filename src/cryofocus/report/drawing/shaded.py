"""Shaded pictures of surfaces for pages, seen from one side without perspective.

Along each line of sight the first voxel above the level is found, and its slope says how much
light it returns.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates

from cryofocus.report.drawing.surfaces import Cube

STEPS_PER_VOXEL = 1.5
LIGHT = np.array([0.35, 0.5, 0.79])
"""Towards the light, in the picture's frame: right, up, towards the viewer."""
AMBIENT = 0.45
TRIAL_PIXELS = 48
NEAR_VOXELS = 1.5
# A side from which x points to the left, unlike on other pages, has to show so much more.
MIRRORED = 1.5

Picture = Float[np.ndarray, "rows columns"]
Turn = Float[np.ndarray, "3 3"]
"""Directions of the picture as rows: right, up, towards the viewer; each in x, y, z."""


@dataclass(frozen=True, eq=False)
class Relief:
    """What is seen of a surface.

    Attributes:
        is_hit: Pixels in which there is a surface; rows run upwards.
        place: `(3, rows, columns)` voxel z, y, x that is seen.
        outward: `(3, rows, columns)` unit vector out of the surface, z, y, x.
        light: Light that it returns, from 0 to 1.
    """

    is_hit: Bool[np.ndarray, "rows columns"]
    place: Float[np.ndarray, "3 rows columns"]
    outward: Float[np.ndarray, "3 rows columns"]
    light: Picture

    def strongest(self, values: Cube) -> Picture:
        """Sample a map on the surface and just beside it; the value farthest from zero counts."""
        beside = [
            map_coordinates(values, self.place + step * self.outward, order=1)
            for step in (-NEAR_VOXELS, 0.0, NEAR_VOXELS)
        ]
        stack = np.stack(beside)
        chosen = np.abs(stack).argmax(axis=0)[None]
        return np.asarray(np.take_along_axis(stack, chosen, axis=0)[0] * self.is_hit)


def turn_towards(direction: Float[np.ndarray, " 3"]) -> Turn:
    """Look from a direction (x, y, z), with z up, or y where z points at the viewer."""
    towards = direction / np.linalg.norm(direction)
    up = np.array([0.0, 0.0, 1.0]) if abs(towards[2]) < 0.95 else np.array([0.0, 1.0, 0.0])
    up = up - (up @ towards) * towards
    up /= np.linalg.norm(up)
    return np.stack([np.cross(up, towards), up, towards])


def directions() -> Float[np.ndarray, "26 3"]:
    """List sides to look from: faces, edges and corners of a cube."""
    steps = np.stack(np.meshgrid(*[(-1.0, 0.0, 1.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(steps[np.abs(steps).sum(axis=1) > 0])


def choose_turn(density: Cube, level: float, weight: Cube) -> Turn:
    """Find the side from which most of a weight is seen on a surface.

    Args:
        density: Whose surface.
        level: Of the surface.
        weight: What matters, not negative, on the same grid.
    """
    turns = [turn_towards(direction) for direction in directions()]
    seen = [
        float(trace_surface(density, level, turn, TRIAL_PIXELS).strongest(weight).sum())
        / (1.0 if _is_to_the_right(turn) else MIRRORED)
        for turn in turns
    ]
    return turns[int(np.argmax(seen))]


def _is_to_the_right(turn: Turn) -> bool:
    """Whether x points to the right; y, where x points at the viewer or away."""
    right_x, right_y = turn[0, :2]
    return bool(right_x > 1e-9 or (abs(right_x) <= 1e-9 and right_y > 0))


def name_view(turn: Turn) -> str:
    """Say from where a picture is taken, such as `from -y, z up, x to the right`."""
    right, up, towards = turn
    sides = "".join(
        f"{'+' if part > 0 else '-'}{axis}"
        for part, axis in zip(towards, "xyz", strict=True)
        if abs(part) > 0.1
    )
    upwards = "xyz"[int(np.abs(up).argmax())]
    sideways = int(np.abs(right).argmax())
    where = "right" if right[sideways] > 0 else "left"
    return f"from {sides}, {upwards} up, {'xyz'[sideways]} to the {where}".replace("-", "\u2212")


def trace_surface(density: Cube, level: float, turn: Turn, n_pixels: int) -> Relief:
    """Look at the surface of a map.

    Args:
        density: Cube around the particle.
        level: Of the surface.
        turn: From where.
        n_pixels: Edge of the picture, which shows as much as the cube's edge.
    """
    stack, (matrix, offset, n_steps) = _look_through(density, level, turn, n_pixels)
    above = stack > level
    is_hit = np.asarray(above.any(axis=2))
    first = np.where(is_hit, above.argmax(axis=2), n_steps // 2)
    before = np.take_along_axis(stack, np.maximum(first - 1, 0)[..., None], axis=2)[..., 0]
    at = np.take_along_axis(stack, first[..., None], axis=2)[..., 0]
    rise = np.where(at > before, at - before, 1.0)
    depth = first - np.clip((at - level) / rise, 0.0, 1.0) * is_hit
    rows, columns = np.indices(is_hit.shape)
    pixel = np.stack([rows, columns, depth]).reshape(3, -1)
    place = (matrix @ pixel + offset[:, None]).reshape(3, *is_hit.shape)
    smooth = gaussian_filter(density, 0.7)
    slope = np.stack([map_coordinates(g, place, order=1) for g in np.gradient(smooth)])
    outward = -slope / np.maximum(np.linalg.norm(slope, axis=0), 1e-12)
    in_picture = np.tensordot(turn, outward[::-1], axes=1)
    light = np.clip(np.tensordot(LIGHT / np.linalg.norm(LIGHT), in_picture, axes=1), 0.0, 1.0)
    return Relief(is_hit, place, outward, (AMBIENT + (1 - AMBIENT) * light) * is_hit)


def project_region(mask: Cube, turn: Turn, n_pixels: int) -> Picture:
    """Give the highest value of a mask along each line of sight, for its outline."""
    return np.asarray(_look_through(mask, 0.0, turn, n_pixels)[0].max(axis=2))


def _look_through(
    values: Cube, level: float, turn: Turn, n_pixels: int
) -> tuple[
    Float[np.ndarray, "rows columns steps"],
    tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"], int],
]:
    """Sample a cube on lines of sight, and say how pixel and step become a voxel z, y, x.

    Only where values may exceed a level; elsewhere stands the lowest.
    """
    edge = len(values)
    # Corners of the cube stick out of the picture; what they hold is seen all the same.
    n_steps = int(np.ceil(STEPS_PER_VOXEL * edge * 1.3))
    right, up, towards = turn[:, ::-1]
    scale = edge / n_pixels
    matrix = np.stack([up * scale, right * scale, -towards / STEPS_PER_VOXEL], axis=1)
    middle = np.array([(n_pixels - 1) / 2, (n_pixels - 1) / 2, (n_steps - 1) / 2])
    offset = (edge - 1) / 2 - matrix @ middle
    shape = (n_pixels, n_pixels, n_steps)
    # Far corners of lines leave the cube; nothing is there.
    lowest = float(min(values.min(), 0.0))
    stack = np.full(shape, lowest, values.dtype)
    above = np.argwhere(values > level)
    if len(above):
        # Two voxels around, which samples between voxels reach.
        ends = np.stack([above.min(axis=0) - 2, above.max(axis=0) + 2], axis=1)
        corners = np.array(list(itertools.product(*ends)))
        sampled = (corners - offset) @ np.linalg.inv(matrix).T
        low = np.clip(np.floor(sampled.min(axis=0)).astype(int), 0, shape)
        high = np.clip(np.ceil(sampled.max(axis=0)).astype(int) + 1, low, shape)
        block = tuple(map(slice, low, high))
        stack[block] = affine_transform(
            values,
            matrix,
            offset + matrix @ low,
            output_shape=tuple(high - low),
            order=1,
            mode="constant",
            cval=lowest,
        )
    return stack, (matrix, offset, n_steps)
