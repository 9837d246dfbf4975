"""Symmetry operators: point groups in RELION's axis settings, helices, and lists of one's own.

An operator carries the volume point x (Å from the box centre) to `R x + t`. A symmetric map is
the same at both. A particle with pose A and shift o (see `cryofocus.maths.rotations`) shows,
under the operator, what lies at x in the place `R x + t`, if its pose is replaced by

    A' = A R^T,    o' = o + (A' t)[:2],

because `A' (R x + t) - A' t = A x` and the particle sits at minus the shift. The image stays the
same; only the frame in which it is described changes.

Axes of the point groups, as in RELION (Reference > Conventions > Symmetry; Scheres 2012) and
nearly those of Heymann, Chagoyen and Belnap, J. Struct. Biol. 151 (2005) 196:

===========  ==================================================================================
Cn           n-fold on z
Dn           n-fold on z, 2-fold on x
T            3-fold on z, 2-fold on (0, sqrt(2/3), sqrt(1/3)); Heymann has the 2-folds on x, y, z
O            4-folds on x, y, z
I2 (also I)  2-folds on x, y, z; the 5-folds next to z lie in the xz plane (Crowther's 222)
I1           2-folds on x, y, z; the 5-folds next to z lie in the yz plane
I3           5-fold on z, 2-fold on y; the next 5-fold lies in the xz plane, towards -x
I4           5-fold on z, 2-fold on y; the next 5-fold lies in the xz plane, towards +x
===========  ==================================================================================

A helix runs along z. Its operators are powers of one screw: a right-handed turn about z by the
twist together with a move along z by the rise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from cryofocus.calls import checked, require_kinds
from cryofocus.errors import SettingError
from cryofocus.maths.rotations import geodesic_degrees

EXACT = 1e-9
# Operators nearer to each other than this (in matrix elements, and in Å) are the same.
SAME = 1e-6
MAX_FOLD = 360
# Poses are written with six decimals; a smaller move than this is their rounding.
MEASURABLE_ANGSTROM = 1e-3
# Copies that were refined after the expansion are still near to their operators.
LARGEST_WOBBLE_DEGREES = 10.0
GOLDEN = (1 + np.sqrt(5)) / 2
# Generators of the groups that are neither Cn nor Dn: (axis, fold).
_GENERATORS: dict[str, tuple[tuple[tuple[float, float, float], int], ...]] = {
    "T": (((0, 0, 1), 3), ((0, np.sqrt(2), 1), 2)),
    "O": (((0, 0, 1), 4), ((1, 1, 1), 3)),
    "I1": (((0, 0, 1), 2), ((0, 1, GOLDEN), 5)),
    "I2": (((0, 0, 1), 2), ((1, 0, GOLDEN), 5)),
    "I3": (((0, 0, 1), 5), ((-1, 0, GOLDEN), 2)),
    "I4": (((0, 0, 1), 5), ((1, 0, GOLDEN), 2)),
}
_CYCLIC_OR_DIHEDRAL = re.compile(r"([CD])([1-9]\d{0,2})")


@dataclass(frozen=True, eq=False)
class OperatorSet:
    """Symmetry operators `x -> R x + t`, the identity first.

    Attributes:
        name: How to speak of them: "C2", "helix of 5", "operators.txt".
        rotation: R, acting on (x, y, z).
        translation_angstrom: t in Å; the rotation is about the box centre.
        is_group: Whether products of any two are in the set again. Helices and lists need not be.

    Raises:
        ValueError: If a matrix is no rotation, the first operator is not the identity, two are the
            same, or a group is not closed.
    """

    name: str
    rotation: Float[np.ndarray, "n 3 3"]
    translation_angstrom: Float[np.ndarray, "n 3"]
    is_group: bool = False

    def __post_init__(self) -> None:
        require_kinds(self)
        rotation, translation = self.rotation, self.translation_angstrom
        if np.abs(rotation @ np.swapaxes(rotation, 1, 2) - np.eye(3)).max() > EXACT:
            raise ValueError(f"{self.name}: a matrix is not orthogonal")
        if (np.linalg.det(rotation) < 0).any():
            raise ValueError(f"{self.name}: a matrix is a reflection")
        if np.abs(rotation[0] - np.eye(3)).max() > EXACT or translation[0].any():
            raise ValueError(f"{self.name}: the first operator is not the identity")
        tree = cKDTree(self._coordinates())
        if tree.query_pairs(SAME):
            raise ValueError(f"{self.name}: two operators are the same")
        if self.is_group:
            products = np.einsum("aij,bjk->abik", rotation, rotation).reshape(-1, 9)
            distance = np.asarray(tree.query(np.pad(products, ((0, 0), (0, 3))))[0])
            if translation.any() or distance.max() > SAME:
                raise ValueError(f"{self.name}: not closed under multiplication")

    @classmethod
    @checked
    def point_group(cls, name: str) -> OperatorSet:
        """Make the operators of a point group.

        Args:
            name: C1, C2, ..., D1, D2, ..., T, O, I (the same as I2), I1, I2, I3 or I4, in either
                case. Axes as in the module's docstring.

        Raises:
            SettingError: If there is no such group; the message lists those there are.
        """
        wanted = name.strip().upper()
        match = _CYCLIC_OR_DIHEDRAL.fullmatch(wanted)
        if match and int(match[2]) <= MAX_FOLD:
            turns = _turn((0, 0, 1), int(match[2]), np.arange(int(match[2])))
            if match[1] == "D":
                turns = np.concatenate([turns, turns @ np.diag([1.0, -1.0, -1.0])])
        elif generators := _GENERATORS.get("I2" if wanted == "I" else wanted):
            turns = _generate([_turn(axis, fold, np.ones(1))[0] for axis, fold in generators])
        else:
            raise SettingError(
                f"symmetry: found {name!r}, expected a point group: Cn or Dn with n from 1 to "
                f"{MAX_FOLD}, T, O, I (the same as I2), I1, I2, I3 or I4. For a helix give "
                "--helical, for operators of your own --operators."
            )
        return cls(wanted, turns, np.zeros((len(turns), 3)), is_group=True)

    @classmethod
    @checked
    def helix(cls, twist_degrees: float, rise_angstrom: float, n: int) -> OperatorSet:
        """Make n operators of a helix along z, those nearest to the identity: 0, 1, -1, 2, ...

        Args:
            twist_degrees: Turn about z from one subunit to the next, right-handed.
            rise_angstrom: Way along z from one subunit to the next, in Å.
            n: Number of copies.

        Raises:
            SettingError: If n is below 1, a number is not finite, or two subunits fall together.
        """
        if n < 1 or not np.isfinite([twist_degrees, rise_angstrom]).all():
            raise SettingError(
                f"helical: found twist {twist_degrees:g}, rise {rise_angstrom:g} and {n} copies; "
                "expected degrees, Å and at least one copy. Give --helical TWIST,RISE,N."
            )
        count = np.arange(1, n + 1)
        step = np.where(count % 2, -1, 1) * (count // 2)
        rotation = _turn((0, 0, 1), 360, step * twist_degrees)
        translation = step[:, None] * np.array([0.0, 0.0, rise_angstrom])
        if cKDTree(np.hstack([rotation.reshape(n, 9), translation])).query_pairs(SAME):
            raise SettingError(
                f"helical: with twist {twist_degrees:g} and rise {rise_angstrom:g} some of the "
                f"{n} subunits are the same; expected every one in another place. Without a rise, "
                "give the point group (--symmetry C...) instead."
            )
        return cls(f"helix of {n}", rotation, translation)

    def __len__(self) -> int:
        """Count the operators."""
        return len(self.rotation)

    @property
    def translates(self) -> bool:
        """Whether any operator moves the box centre."""
        return bool(self.translation_angstrom.any())

    def apply(
        self, rotation: Float[np.ndarray, "m 3 3"], shift_angstrom: Float[np.ndarray, "m 2"]
    ) -> tuple[Float[np.ndarray, "m n 3 3"], Float[np.ndarray, "m n 2"]]:
        """Give the poses of the copies of some particles under every operator.

        Args:
            rotation: A of the particles.
            shift_angstrom: Their shifts o in Å.

        Returns:
            A' and o' of the module's docstring, by particle and operator.
        """
        copies = np.einsum("mij,nkj->mnik", rotation, self.rotation)
        moved = np.einsum("mnij,nj->mni", copies[:, :, :2], self.translation_angstrom)
        return copies, shift_angstrom[:, None] + moved

    def _coordinates(self) -> Float[np.ndarray, "n 12"]:
        return np.hstack([self.rotation.reshape(len(self), 9), self.translation_angstrom])


def nearest_rotation(matrix: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation nearest to a matrix in the Frobenius norm (orthogonal Procrustes problem).

    Higham, Matrix nearness problems and applications (1989); with the determinant held at +1.
    """
    left, _, right = np.linalg.svd(np.asarray(matrix, np.float64))
    handed = np.broadcast_to(np.eye(3), left.shape).copy()
    handed[..., 2, 2] = np.linalg.det(left @ right)
    return np.asarray(left @ handed @ right)


def derive_operators(
    rotation: Float[np.ndarray, "m n 3 3"], shift_angstrom: Float[np.ndarray, "m n 2"]
) -> OperatorSet | None:
    """Find the operators under which copies were made, from the poses of the copies.

    Each R is the rotation nearest to the mean of `A_copy^T A_first` over the particles (chordal
    mean), each t the least-squares solution of `(A_copy t)[:2] = o_copy - o_first`.

    Args:
        rotation: A of the n copies of m particles, operators in the same order for all.
        shift_angstrom: Their shifts in Å.

    Returns:
        n operators relative to the first; None if the particles tell of different ones.
    """
    each = np.einsum("mnji,mjk->mnik", rotation, rotation[:, 0])
    relative = nearest_rotation(each.mean(axis=0))
    relative[0] = np.eye(3)
    away = geodesic_degrees(each, np.broadcast_to(relative, each.shape))
    if np.median(away, axis=0).max() > LARGEST_WOBBLE_DEGREES:
        return None
    moved = shift_angstrom - shift_angstrom[:, :1]
    rows = rotation[:, :, :2]
    # One view says nothing of t along itself: its smallest solution is taken.
    normal = np.linalg.pinv(np.einsum("mnji,mnjk->nik", rows, rows), rcond=EXACT, hermitian=True)
    translation = np.einsum("nik,mnjk,mnj->ni", normal, rows, moved)
    translation[np.abs(translation).max(axis=1) < MEASURABLE_ANGSTROM] = 0
    return OperatorSet("operators of the expanded set", relative, translation)


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


def _turn(
    axis: Sequence[float], fold: int, steps: Float[np.ndarray, " n"] | np.ndarray
) -> Float[np.ndarray, "n 3 3"]:
    """Rotations by whole steps of 360/fold degrees about an axis."""
    unit = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    angle = 2 * np.pi * np.asarray(steps, np.float64) / fold
    return np.asarray(Rotation.from_rotvec(angle[:, None] * unit).as_matrix())


def _generate(generators: Sequence[Float[np.ndarray, "3 3"]]) -> Float[np.ndarray, "n 3 3"]:
    """Return the finite group that some rotations generate, the identity first."""
    members = [np.eye(3)]
    for member in members:  # grows while it is walked through
        for generator in generators:
            product = member @ generator
            if np.abs(np.stack(members) - product).max(axis=(1, 2)).min() > SAME:
                members.append(nearest_rotation(product))
    return np.stack(members)
