"""Symmetry operators: groups, RELION's axes, helices, and what they do to poses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryofocus.errors import SettingError
from cryofocus.maths.rotations import geodesic_degrees, random_rotations
from cryofocus.maths.symmetry import OperatorSet, derive_operators, nearest_rotation

ORDERS = {
    **{"C1": 1, "c2": 2, "C7": 7, "D1": 2, "d7": 14, "T": 12, "O": 24},
    **{"I": 60, "I1": 60, "I2": 60, "i3": 60, "I4": 60},
}
GOLDEN = (1 + np.sqrt(5)) / 2
# Axes as RELION's documentation describes its settings: (group, axis, largest fold about it).
AXES = [
    *(("C5", (0, 0, 1), 5), ("D5", (0, 0, 1), 5), ("D5", (1, 0, 0), 2), ("D5", (0, 1, 0), 1)),
    *(("T", (0, 0, 1), 3), ("T", (0, 0.816496, 0.577350), 2)),
    *(("O", (0, 0, 1), 4), ("O", (1, 0, 0), 4), ("O", (0, 1, 0), 4), ("O", (1, 1, 1), 3)),
    *(("I1", (0, 0, 1), 2), ("I1", (1, 0, 0), 2), ("I1", (0, 1, 0), 2)),
    *(("I2", (0, 0, 1), 2), ("I2", (1, 0, 0), 2), ("I2", (0, 1, 0), 2)),
    # Next to z: 5-folds in the yz plane and 3-folds in the xz plane for I1, the reverse for I2.
    *(("I1", (0, 1, GOLDEN), 5), ("I1", (GOLDEN - 1, 0, GOLDEN), 3)),
    *(("I2", (1, 0, GOLDEN), 5), ("I2", (0, GOLDEN - 1, GOLDEN), 3)),
    *(("I1", (1, 0, GOLDEN), 1), ("I2", (0, 1, GOLDEN), 1)),
    *(("I3", (0, 0, 1), 5), ("I3", (0, 1, 0), 2), ("I3", (-0.525731, 0, 0.850651), 2)),
    *(("I4", (0, 0, 1), 5), ("I4", (0, 1, 0), 2), ("I4", (0.525731, 0, 0.850651), 2)),
    *(("I3", (-0.894427, 0, 0.447214), 5), ("I4", (0.894427, 0, 0.447214), 5)),
    *(("I3", (-0.491123, 0.356822, 0.794654), 3), ("I4", (0.491123, 0.356822, 0.794654), 3)),
]


def is_member(matrix: np.ndarray, group: OperatorSet) -> bool:
    """Whether an operator is one of a group."""
    return bool(np.abs(group.rotation - matrix).max(axis=(1, 2)).min() < 1e-9)


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_groups_have_their_order_and_are_closed(name: str, order: int) -> None:
    """A group has as many operators as it should, each inverse and each product among them."""
    group = OperatorSet.point_group(name)
    assert len(group) == order
    assert group.is_group
    assert not group.translates
    np.testing.assert_allclose(group.rotation[0], np.eye(3))
    assert len({tuple(row) for row in group.rotation.reshape(-1, 9).round(6) + 0.0}) == order
    for operator in group.rotation:
        assert is_member(operator.T, group)
        assert all(is_member(product, group) for product in group.rotation @ operator)


@pytest.mark.parametrize(("name", "axis", "fold"), AXES)
def test_axes_are_those_of_relion(name: str, axis: tuple[float, ...], fold: int) -> None:
    """As many operators turn about an axis as RELION's setting of the group says."""
    group = OperatorSet.point_group(name)
    unit = np.array(axis) / np.linalg.norm(axis)
    assert (np.abs(group.rotation @ unit - unit).max(axis=1) < 1e-5).sum() == fold


def test_icosahedral_settings_are_turns_of_each_other() -> None:
    """I1 is I2 turned by 90 degrees about z; I3 and I4 are each other's half turn about z."""
    for first, second, angle in (("I2", "I1", 90), ("I3", "I4", 180)):
        turn = Rotation.from_rotvec([0, 0, angle], degrees=True).as_matrix()
        turned = turn @ OperatorSet.point_group(first).rotation @ turn.T
        other = OperatorSet.point_group(second)
        assert all(is_member(matrix, other) for matrix in turned)


@pytest.mark.parametrize("name", ["C0", "C2v", "X", "", "D", "I5", "C1000", "Oh"])
def test_unknown_groups_are_refused(name: str) -> None:
    """Whatever is no group of rotations gives the list of those there are."""
    with pytest.raises(SettingError) as caught:
        OperatorSet.point_group(name)
    assert str(caught.value) == (
        f"symmetry: found {name!r}, expected a point group: Cn or Dn with n from 1 to 360, T, O, "
        "I (the same as I2), I1, I2, I3 or I4. For a helix give --helical, for operators of your "
        "own --operators."
    )


def test_a_helix_is_the_powers_of_one_screw() -> None:
    """Operators are the screw's powers nearest to the identity, in turn forward and back."""
    helix = OperatorSet.helix(30.0, 5.0, 4)
    steps = [0, 1, -1, 2]
    np.testing.assert_allclose(helix.translation_angstrom[:, 2], [5.0 * step for step in steps])
    assert not helix.translation_angstrom[:, :2].any()
    for rotation, step in zip(helix.rotation, steps, strict=True):
        angle = np.radians(30.0 * step)
        # Right-handed: x turns towards y.
        np.testing.assert_allclose(rotation @ [1, 0, 0], [np.cos(angle), np.sin(angle), 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((30.0, 5.0, 0), "found twist 30, rise 5 and 0 copies; expected degrees, Å and at least"),
        ((float("nan"), 5.0, 3), "found twist nan, rise 5 and 3 copies; expected degrees"),
        ((180.0, 0.0, 4), "with twist 180 and rise 0 some of the 4 subunits are the same"),
    ],
)
def test_impossible_helices_are_refused(arguments: tuple[float, float, int], message: str) -> None:
    """No copies, numbers that are none and subunits that fall together each have a message."""
    with pytest.raises(SettingError, match=message):
        OperatorSet.helix(*arguments)


def test_operators_prove_their_mathematics() -> None:
    """Matrices that are no rotations, a missing identity, repeats and open groups are refused."""
    turn = OperatorSet.point_group("C3").rotation
    still = np.zeros((3, 3))
    for rotation, message in (
        (turn * 1.001, "not orthogonal"),
        (turn @ np.diag([1.0, 1.0, -1.0]), "reflection"),
        (turn[[1, 0, 2]], "first operator is not the identity"),
        (turn[[0, 1, 1]], "two operators are the same"),
    ):
        with pytest.raises(ValueError, match=message):
            OperatorSet("x", rotation, still)
    with pytest.raises(ValueError, match="not closed"):
        OperatorSet("x", turn[:2], still[:2], is_group=True)
    OperatorSet("x", turn[:2], still[:2])


def test_a_copy_shows_the_moved_point_in_the_same_place() -> None:
    """The point R x + t of the copy is seen where the parent shows x, helical rise included."""
    rng = np.random.default_rng(3)
    parents, shift = random_rotations(5, rng), rng.normal(0, 10, (5, 2))
    points = rng.normal(0, 30, (7, 3))
    for operators in (OperatorSet.point_group("T"), OperatorSet.helix(27.0, 4.75, 6)):
        copies, moved_shift = operators.apply(parents, shift)
        seen = np.einsum("mij,pj->mpi", parents, points)[..., :2] - shift[:, None]
        moved = np.einsum("nij,pj->npi", operators.rotation, points)
        moved += operators.translation_angstrom[:, None]
        seen_again = np.einsum("mnij,npj->mnpi", copies, moved)[..., :2]
        seen_again -= moved_shift[:, :, None]
        np.testing.assert_allclose(
            seen_again, np.broadcast_to(seen[:, None], seen_again.shape), atol=1e-9
        )


def test_operators_are_found_again_in_the_poses() -> None:
    """Poses of copies, even with small errors, give back the operators they were made with."""
    rng = np.random.default_rng(4)
    parents, shift = random_rotations(40, rng), rng.normal(0, 10, (40, 2))
    for operators in (OperatorSet.point_group("I1"), OperatorSet.helix(-65.0, 9.5, 5)):
        copies, shifts = operators.apply(parents, shift)
        found = derive_operators(copies, shifts)
        np.testing.assert_allclose(found.rotation, operators.rotation, atol=1e-9)
        np.testing.assert_allclose(
            found.translation_angstrom, operators.translation_angstrom, atol=1e-8
        )
        wobble = Rotation.from_rotvec(rng.normal(0, 0.01, (40 * len(operators), 3))).as_matrix()
        loose = derive_operators(wobble.reshape(copies.shape) @ copies, shifts)
        assert geodesic_degrees(loose.rotation, operators.rotation).max() < 1.0


def test_the_nearest_rotation_is_a_rotation() -> None:
    """Rounded and even reflected matrices are brought back to a rotation."""
    rng = np.random.default_rng(5)
    exact = random_rotations(20, rng)
    np.testing.assert_allclose(nearest_rotation(exact.round(4)), exact, atol=1e-4)
    assert np.linalg.det(nearest_rotation(-exact)) == pytest.approx(np.ones(20))
