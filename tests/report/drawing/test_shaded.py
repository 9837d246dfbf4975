"""Shaded pictures: what is nearest is seen, where it is, and from the side that shows most."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.maths.masks import sphere_mask
from cryofocus.report.drawing import shaded

BOX = 32
BALL = sphere_mask(BOX, 1.0, (0.0, 0.0, 0.0), 8.0, 2.0)
MIDDLE = (BOX - 1) / 2


@pytest.mark.parametrize("direction", [(0, 0, 1), (1, 0, 0), (-1, 2, 3)])
def test_ball_is_seen_on_its_near_side(direction: tuple[float, float, float]) -> None:
    """From anywhere a ball is a disc, its nearest point faces the viewer, and is where it is."""
    turn = shaded.turn_towards(np.array(direction, float))
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1.0)
    relief = shaded.trace_surface(BALL, 0.5, turn, 64)
    assert relief.is_hit.sum() == pytest.approx(np.pi * (2 * 9.0) ** 2, rel=0.06)
    centre = relief.is_hit.nonzero()
    row, column = (round(float(axis.mean())) for axis in centre)
    towards = turn[2, ::-1]
    np.testing.assert_allclose(relief.outward[:, row, column], towards, atol=0.1)
    away = relief.place[:, relief.is_hit] - BOX // 2
    np.testing.assert_allclose(np.linalg.norm(away, axis=0), 9.0, atol=0.5)


@pytest.mark.parametrize("place", [(0.0, 0.0, 0.0), (9.0, -11.0, 14.0)], ids=["middle", "corner"])
def test_empty_space_around_changes_nothing(place: tuple[float, float, float]) -> None:
    """A picture of a body amid noise below the level is that of the noise filling the cube."""
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, (BOX,) * 3).astype(np.float32)
    body = sphere_mask(BOX, 1.0, place, 3.0, 2.0) + noise
    # Far corners that count as surface make every line of sight be sampled from end to end.
    filled = body.copy()
    filled[:: BOX - 1, :: BOX - 1, :: BOX - 1] = 2.0
    turn = shaded.turn_towards(np.array((1.0, 2.0, -3.0)))
    some, everywhere = (shaded.trace_surface(cube, 0.6, turn, 48) for cube in (body, filled))
    assert some.is_hit.any()
    np.testing.assert_allclose(some.place[:, some.is_hit], everywhere.place[:, some.is_hit])


def test_picture_has_x_to_the_right_and_y_up_seen_along_z() -> None:
    """A ball at larger x and y appears to the right and above."""
    ball = sphere_mask(BOX, 1.0, (8.0, 5.0, 0.0), 4.0, 1.0)
    turn = shaded.turn_towards(np.array((0.0, 0.0, 1.0)))
    rows, columns = shaded.trace_surface(ball, 0.5, turn, BOX).is_hit.nonzero()
    assert columns.mean() - MIDDLE == pytest.approx(8.5, abs=0.6)
    assert rows.mean() - MIDDLE == pytest.approx(5.5, abs=0.6)


def test_difference_is_looked_at_from_its_side() -> None:
    """The chosen side shows a difference that hides behind a ball from elsewhere."""
    weight = sphere_mask(BOX, 1.0, (-9.0, 0.0, 0.0), 2.0, 1.0)
    turn = shaded.choose_turn(BALL, 0.5, weight)
    assert turn[2] @ (-1, 0, 0) > 0.55
    seen = shaded.trace_surface(BALL, 0.5, turn, 48).strongest(-weight)
    assert seen.min() < -0.9
    assert seen.max() == 0.0


def test_x_points_to_the_right_where_either_side_shows_it() -> None:
    """What is seen as well from two opposite sides is shown as on other pages, and named so."""
    weight = sphere_mask(BOX, 1.0, (0.0, 0.0, 12.0), 2.0, 1.0)
    turn = shaded.choose_turn(BALL + weight, 0.5, weight)
    assert turn[0, 0] > 0 or (abs(turn[0, 0]) < 1e-9 and turn[0, 1] > 0)
    # Hidden from there, it is looked at from behind all the same.
    hidden = sphere_mask(BOX, 1.0, (0.0, 9.0, 0.0), 2.0, 1.0)
    assert shaded.choose_turn(BALL, 0.5, hidden)[2, 1] > 0.55


@pytest.mark.parametrize(
    ("direction", "name"),
    [
        ((0, -1, 0), "from −y, z up, x to the right"),  # as it is shown
        ((0, 1, 0), "from +y, z up, x to the left"),
        ((0, 0, 1), "from +z, y up, x to the right"),
        ((1, 0, 0), "from +x, z up, y to the right"),
        ((1, -1, 1), "from +x−y+z, z up, x to the right"),  # as it is shown
    ],
)
def test_a_view_has_a_name(direction: tuple[float, float, float], name: str) -> None:
    """The side looked from, and what points up and sideways."""
    assert shaded.name_view(shaded.turn_towards(np.array(direction, float))) == name
