"""A phantom as an analytic density: Gaussian beads grouped into parts.

Beads are filled from a short table of primitives (tapered capsules), so that the whole geometry
can be read, committed and changed as a handful of numbers. The table describes the body's axis
and the near side (x > 0); the far side is its mate under the two-fold axis along z.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np
from jaxtyping import Float, Int

from cryofocus.errors import FormatError, SettingError

SIDE_PARTS = ("arm_down", "arm_up", "hand_down", "hand_up", "foot")
PARTS = ("body", *(f"near_{p}" for p in SIDE_PARTS), *(f"far_{p}" for p in SIDE_PARTS))
# What moves as one: an arm or hand is in one of two places, or, if a hand, in none.
MOVING_REGIONS = {
    f"{side}_{part}": tuple(name for name in PARTS if name.startswith(f"{side}_{part}"))
    for side in ("near", "far")
    for part in ("arm", "hand", "foot")
}

GEOMETRIES = ("standard", "slim", "stocky")
_TABLE_COLUMNS = ("part", "x0", "y0", "z0", "x1", "y1", "z1", "r0", "r1", "flatten", "density")
_BEAD_SPACING_ANGSTROM = 7.0
_BEAD_SIGMA_ANGSTROM = 3.5
# Irrational steps of the three-dimensional low-discrepancy sequence of Roberts (2018): points
# that fill a solid evenly, are irregular like atoms, and need no random generator.
_PLASTIC = 1.2207440846057596
_STEPS = (_PLASTIC**-1, _PLASTIC**-2, _PLASTIC**-3)


@dataclass(frozen=True)
class Sphere:
    """A sphere in the frame of the box centre.

    Attributes:
        centre_angstrom: x, y, z from the box centre, in Å.
        radius_angstrom: Radius in Å.
    """

    centre_angstrom: tuple[float, float, float]
    radius_angstrom: float

    def distance_angstrom(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Distance of points (Å, from the box centre) from the sphere's centre, in Å."""
        return np.asarray(np.linalg.norm(points - np.asarray(self.centre_angstrom), axis=1))


@dataclass(frozen=True)
class Phantom:
    """Gaussian beads and the part each belongs to.

    Coordinates are x, y, z in Å from the box centre. A bead of weight w integrates
    to w over space, so a projection's zero-frequency coefficient is the sum of the weights.

    Attributes:
        centre_angstrom: Bead centres.
        sigma_angstrom: Standard deviation of each bead's Gaussian.
        weight: Integrated density of each bead.
        part: Index into `PARTS`; beads are sorted by it.
        focus: The sphere around the near arm and hand.
        control: A sphere on the near leg where nothing moves.
    """

    centre_angstrom: Float[np.ndarray, "n 3"]
    sigma_angstrom: Float[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]
    part: Int[np.ndarray, " n"]
    focus: Sphere
    control: Sphere

    def __post_init__(self) -> None:
        if np.any(np.diff(self.part) < 0):
            raise SettingError("phantom: beads must be sorted by part; sort the table by `part`")
        if np.any(self.sigma_angstrom <= 0) or np.any(self.weight <= 0):
            raise SettingError("phantom: every bead needs a positive sigma and weight")

    def __len__(self) -> int:
        """Return the number of beads."""
        return len(self.weight)

    @property
    def part_bounds(self) -> Int[np.ndarray, " parts_plus_1"]:
        """Start of each part among the sorted beads, and their number at the end."""
        return np.searchsorted(self.part, np.arange(len(PARTS) + 1))

    def extent_angstrom(self) -> float:
        """Radius about the box centre that holds every bead to three standard deviations."""
        radius = np.linalg.norm(self.centre_angstrom, axis=1)
        return float((radius + 3.0 * self.sigma_angstrom).max())

    def scaled(self, factor: float) -> Phantom:
        """Return the phantom with every length multiplied by `factor`, masses unchanged."""
        return replace(
            self,
            centre_angstrom=self.centre_angstrom * factor,
            sigma_angstrom=self.sigma_angstrom * factor,
            focus=_scaled_sphere(self.focus, factor),
            control=_scaled_sphere(self.control, factor),
        )

    def with_gain(self, gain: float) -> Phantom:
        """Return the phantom with every weight multiplied by `gain`."""
        return replace(self, weight=self.weight * gain)


def humanoid(geometry: str = "standard") -> Phantom:
    """Build the humanoid from its committed table.

    Args:
        geometry: One of `GEOMETRIES`. `standard` is the one of docs/humanoid.md; the others are
            for checking that nothing was tuned to one shape.

    Returns:
        Beads of the body, both arms in both positions, hands and feet.

    Raises:
        SettingError: If the geometry is unknown.
    """
    if geometry not in GEOMETRIES:
        raise SettingError(
            f"geometry: found {geometry!r}, expected one of {', '.join(GEOMETRIES)}"
        )
    spheres: dict[str, Sphere] = {}
    beads: dict[str, list[np.ndarray]] = {part: [] for part in PARTS}
    for row in _read_table(f"humanoid_{geometry}.csv"):
        part, numbers = row
        if part in ("focus", "control"):
            spheres[part] = Sphere((numbers[0], numbers[1], numbers[2]), numbers[6])
        elif part == "body":
            beads["body"].extend(_two_fold_pair(_fill(numbers)))
        else:
            near, far = _two_fold_pair(_fill(numbers))
            beads[f"near_{part}"].append(near)
            beads[f"far_{part}"].append(far)
    stacked = [np.concatenate(beads[part]) for part in PARTS]
    table = np.concatenate(stacked)
    return Phantom(
        centre_angstrom=table[:, :3],
        sigma_angstrom=np.full(len(table), _BEAD_SIGMA_ANGSTROM),
        weight=table[:, 3],
        part=np.repeat(np.arange(len(PARTS)), [len(b) for b in stacked]),
        focus=spheres["focus"],
        control=spheres["control"],
    )


def _read_table(name: str) -> Iterator[tuple[str, list[float]]]:
    """Yield part name and numbers of every primitive of a committed table."""
    text = resources.files("cryofocus.simulate").joinpath(name).read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    if tuple(rows.fieldnames or ()) != _TABLE_COLUMNS:
        raise FormatError(f"{name}: found columns {rows.fieldnames}, expected {_TABLE_COLUMNS}")
    for row in rows:
        yield row["part"], [float(row[column]) for column in _TABLE_COLUMNS[1:]]


def _fill(primitive: list[float]) -> np.ndarray:
    """Fill a tapered capsule with beads; returns (n, 4) of x, y, z, weight.

    A primitive whose axis lies on z is halved at x = 0: its mate fills the other half, which
    makes the body exactly two-fold symmetric. `flatten` scales the thickness along y.
    """
    start, end = np.array(primitive[0:3]), np.array(primitive[3:6])
    radius_start, radius_end, flatten, density = primitive[6:10]
    largest = max(radius_start, radius_end)
    low, high = np.minimum(start, end) - largest, np.maximum(start, end) + largest
    n_candidates = int(np.ceil(np.prod(high - low) / _BEAD_SPACING_ANGSTROM**3))
    fraction = np.mod(0.5 + np.outer(np.arange(1, n_candidates + 1), _STEPS), 1.0)
    points = low + fraction * (high - low)
    axis = end - start
    along = np.clip((points - start) @ axis / max(float(axis @ axis), 1e-12), 0.0, 1.0)
    offset = points - start - along[:, None] * axis
    inside = np.linalg.norm(offset, axis=1) <= radius_start + along * (radius_end - radius_start)
    if start[0] == 0.0 and end[0] == 0.0:
        inside &= points[:, 0] > 0.0
    points = points[inside] * (1.0, flatten, 1.0)
    return np.column_stack([points, np.full(len(points), density)])


def _two_fold_pair(beads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return beads and their mates under the two-fold axis along z."""
    return beads, beads * (-1.0, -1.0, 1.0, 1.0)


def _scaled_sphere(sphere: Sphere, factor: float) -> Sphere:
    x, y, z = sphere.centre_angstrom
    return Sphere((x * factor, y * factor, z * factor), sphere.radius_angstrom * factor)
