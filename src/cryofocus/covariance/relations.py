"""How the units of a symmetric molecule lie to each other: neighbours, opposites and so on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from cryofocus.maths.symmetry import OperatorSet

# Derived from poses that were written with six decimals, or refined a little afterwards.
SAME_MOTION = 0.05


@dataclass(frozen=True, eq=False)
class Relation:
    """All pairs of units that lie to each other in the same way.

    Attributes:
        pairs: `(pair, 2)` columns of the operators: the first unit sees the second in the same
            place in every pair.
        angle_degrees: Of the rotation from one to the other; None where operators are unknown.
        shift_angstrom: Length of the move that goes with it; None likewise.
        is_mutual: Whether the second sees the first as the first sees the second, so that the
            order within a pair means nothing.
    """

    pairs: Int[np.ndarray, "pair 2"]
    angle_degrees: float | None
    shift_angstrom: float | None
    is_mutual: bool


def find_relations(n_units: int, operators: OperatorSet | None) -> list[Relation]:
    """Sort the pairs of units by the motion that carries one to the other.

    The copy under operator u shows unit u in the focus. There, unit v lies where
    `g = T_u T_v^-1` carries the focus; g and its inverse are one relation.

    Args:
        n_units: Number of operators of the expanded set.
        operators: The operators, in the same order; None where poses do not tell, and every pair
            is a relation of its own.

    Returns:
        By rotation angle, then by shift.
    """
    first, second = np.triu_indices(n_units, 1)
    if operators is None:
        return [
            Relation(np.array([[u, v]]), None, None, is_mutual=False)
            for u, v in zip(first.tolist(), second.tolist(), strict=True)
        ]
    motions = _motions(operators)
    relations: list[tuple[Float64[np.ndarray, "4 4"], list[tuple[int, int]], bool]] = []
    for u, v in zip(first.tolist(), second.tolist(), strict=True):
        motion = motions[u] @ np.linalg.inv(motions[v])
        back = np.linalg.inv(motion)
        for known, pairs, _ in relations:
            if _same(known, motion):
                pairs.append((u, v))
                break
            if _same(known, back):
                pairs.append((v, u))
                break
        else:
            relations.append((motion, [(u, v)], _same(motion, back)))
    found = [
        Relation(np.array(pairs), _angle(motion), _shift(motion), is_mutual)
        for motion, pairs, is_mutual in relations
    ]
    return sorted(found, key=lambda r: (round(r.angle_degrees or 0), r.shift_angstrom or 0))


def _motions(operators: OperatorSet) -> Float64[np.ndarray, "n 4 4"]:
    """Operators as homogeneous matrices."""
    motions = np.tile(np.eye(4), (len(operators), 1, 1))
    motions[:, :3, :3] = operators.rotation
    motions[:, :3, 3] = operators.translation_angstrom
    return motions


def _same(first: Float64[np.ndarray, "4 4"], second: Float64[np.ndarray, "4 4"]) -> bool:
    rotations = np.abs(first[:3, :3] - second[:3, :3]).max() < SAME_MOTION
    # Å, not matrix elements: poses that wobble by a hundredth turn move a unit by Å.
    return bool(rotations and np.abs(first[:3, 3] - second[:3, 3]).max() < 20 * SAME_MOTION)


def _angle(motion: Float64[np.ndarray, "4 4"]) -> float:
    cosine = (np.trace(motion[:3, :3]) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _shift(motion: Float64[np.ndarray, "4 4"]) -> float:
    return float(np.linalg.norm(motion[:3, 3]))
