"""The 70S ribosome as Gaussian beads in parts, and how its small subunit moves.

Beads and motions come from the tables that scripts/make_ribosome_beads.py writes. Coordinates are
x, y, z in Å; the box centre is the origin of the atomic models.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

import numpy as np
from jaxtyping import Float, Float64, Int
from scipy.spatial.transform import Rotation

LARGE_PARTS = (
    *("core", "stalk_base", "l4", "h58", "central_protuberance", "bridge", "l16"),
    *("l1_stalk", "ef_g", "trna"),
)
PARTS = (*LARGE_PARTS, "small_body", "small_head")
# The parts that move as one.
BODIES = {"large": LARGE_PARTS, "body": ("small_body",), "head": ("small_head",)}
# How much denser than vitreous ice (0.93 g/ml) a dalton of RNA (0.53 ml/g) and of protein
# (0.73 ml/g) makes its place.
RNA_CONTRAST, PROTEIN_CONTRAST = 1 - 0.93 * 0.53, 1 - 0.93 * 0.73


@dataclass(frozen=True)
class Beads:
    """Beads of some parts.

    Attributes:
        parts: Names of the parts.
        centre_angstrom: Bead centres.
        sigma_angstrom: Standard deviation of each bead's Gaussian.
        weight: Integrated density of each bead.
        mass_kda: Mass of each bead.
        part: Index into `parts`; beads are sorted by it.
    """

    parts: tuple[str, ...]
    centre_angstrom: Float[np.ndarray, "n 3"]
    sigma_angstrom: Float[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]
    mass_kda: Float[np.ndarray, " n"]
    part: Int[np.ndarray, " n"]

    def __post_init__(self) -> None:
        if np.any(np.diff(self.part) < 0):
            raise ValueError("beads must be sorted by part")

    @property
    def part_bounds(self) -> Int[np.ndarray, " parts_plus_1"]:
        """Start of each part among the sorted beads, and their number at the end."""
        return np.searchsorted(self.part, np.arange(len(self.parts) + 1))

    def take(self, names: tuple[str, ...]) -> Beads:
        """Return the beads of some parts, in the order given."""
        numbers = [self.parts.index(name) for name in names]
        rows = np.concatenate([np.flatnonzero(self.part == number) for number in numbers])
        counts = [int(np.sum(self.part == number)) for number in numbers]
        return Beads(
            names,
            self.centre_angstrom[rows],
            self.sigma_angstrom[rows],
            self.weight[rows],
            self.mass_kda[rows],
            np.repeat(np.arange(len(names)), counts),
        )

    def with_gain(self, gain: float) -> Beads:
        """Return the beads with every weight multiplied by `gain`."""
        return replace(self, weight=self.weight * gain)

    def blurred(self, b_factor_square_angstrom: float) -> Beads:
        """Return the beads whose transforms have fallen off by exp(-B s^2 / 4) more."""
        added = b_factor_square_angstrom / (8 * np.pi**2)
        return replace(self, sigma_angstrom=np.sqrt(np.square(self.sigma_angstrom) + added))

    def moved(self, rotation: Float[np.ndarray, "3 3"], shift: Float[np.ndarray, " 3"]) -> Beads:
        """Return the beads rotated about the origin and then shifted."""
        return replace(self, centre_angstrom=self.centre_angstrom @ rotation.T + shift)


@dataclass(frozen=True)
class Placement:
    """Where a body is in each particle: the point r of the model lies at R r + t.

    Attributes:
        rotation: R.
        shift_angstrom: t.
    """

    rotation: Float64[np.ndarray, "n 3 3"]
    shift_angstrom: Float64[np.ndarray, "n 3"]

    def after(self, first: Placement) -> Placement:
        """Return the placement that moves as `first` does and then as this one."""
        shift = np.einsum("nij,nj->ni", self.rotation, first.shift_angstrom)
        return Placement(self.rotation @ first.rotation, shift + self.shift_angstrom)


@dataclass(frozen=True)
class Motion:
    """A rigid motion that can go part of its way: about a pivot, then along a shift.

    Attributes:
        pivot_angstrom: Fixed but for the shift.
        turn_degrees: Rotation vector of the whole way.
        shift_angstrom: Shift of the whole way.
    """

    pivot_angstrom: Float64[np.ndarray, " 3"]
    turn_degrees: Float64[np.ndarray, " 3"]
    shift_angstrom: Float64[np.ndarray, " 3"]

    @property
    def angle_degrees(self) -> float:
        """Angle of the whole way."""
        return float(np.linalg.norm(self.turn_degrees))

    def at(self, fraction: Float64[np.ndarray, " n"]) -> Placement:
        """Return where the motion has carried a body; fractions may be below 0 or above 1."""
        vectors = fraction[:, None] * self.turn_degrees
        rotation = Rotation.from_rotvec(vectors, degrees=True).as_matrix()
        pivot = self.pivot_angstrom
        return Placement(
            rotation, pivot - rotation @ pivot + fraction[:, None] * self.shift_angstrom
        )


def place_bodies(
    ratchet_degrees: Float64[np.ndarray, " n"], swing_degrees: Float64[np.ndarray, " n"]
) -> dict[str, Placement]:
    """Return where body and head of the small subunit are.

    Args:
        ratchet_degrees: How far the small subunit's body has turned; its head turns farther.
        swing_degrees: How far the head swings beside that, about the neck.
    """
    motion = read_motion()
    fraction = ratchet_degrees / motion["body"].angle_degrees
    swing = motion["swing"].at(swing_degrees / motion["swing"].angle_degrees)
    return {"body": motion["body"].at(fraction), "head": motion["head"].at(fraction).after(swing)}


@cache
def read_motion() -> dict[str, Motion]:
    """Read the motions of body and head, and the head's swing."""
    text = resources.files(__package__).joinpath("motion.csv").read_text(encoding="utf-8")
    rows = csv.reader(line for line in text.splitlines() if not line.startswith("#"))
    next(rows)
    numbers = {name: np.array(values, np.float64).reshape(3, 3) for name, *values in rows}
    return {name: Motion(*vectors) for name, vectors in numbers.items()}


@cache
def read_ribosome() -> Beads:
    """Read all beads, in the order of `PARTS`."""
    packed = resources.files(__package__).joinpath("beads.csv.gz").read_bytes()
    lines = gzip.decompress(packed).decode().splitlines()
    rows = csv.reader(line for line in lines if not line.startswith("#"))
    next(rows)
    names, *columns = zip(*rows, strict=True)
    x, y, z, sigma, mass, is_rna = np.array(columns, np.float64)
    return Beads(
        PARTS,
        np.stack([x, y, z], axis=1),
        sigma,
        mass / 1000 * np.where(is_rna, RNA_CONTRAST, PROTEIN_CONTRAST),
        mass / 1000,
        np.array([PARTS.index(name) for name in names]),
    )
