"""The ribosome's beads and how its small subunit moves."""

from __future__ import annotations

import numpy as np

from cryofocus.simulate.assembly.ribosome import (
    PARTS,
    place_bodies,
    read_motion,
    read_ribosome,
)


def test_masses_are_those_of_the_molecules() -> None:
    """A 70S weighs 2.2 MDa; small regions weigh what is known of their chains."""
    ribosome = read_ribosome()
    mass = {part: ribosome.take((part,)).mass_kda.sum() for part in PARTS}
    assert 2150 < sum(mass.values()) < 2350
    assert 740 < mass["small_body"] + mass["small_head"] < 790
    # 76 nucleotides; 141 and 689 amino acids.
    assert abs(mass["trna"] - 24.7) < 1
    assert abs(mass["l16"] - 15.9) < 0.5
    assert abs(mass["ef_g"] - 75) < 2


def test_parts_keep_their_beads_when_they_are_taken() -> None:
    """Parts taken in any order are those of the whole."""
    ribosome = read_ribosome()
    some = ribosome.take(("trna", "core"))
    assert some.parts == ("trna", "core")
    first, second, end = some.part_bounds
    assert (first, end) == (0, len(some.weight))
    np.testing.assert_array_equal(
        some.centre_angstrom[second:], ribosome.take(("core",)).centre_angstrom
    )


def test_the_subunit_turns_as_the_models_do() -> None:
    """The body turns by 7 degrees, the head farther; halfway is half of it, and still rigid."""
    motion = read_motion()
    assert 6.5 < motion["body"].angle_degrees < 7.5
    assert motion["head"].angle_degrees > motion["body"].angle_degrees + 1
    turned = np.array([0.0, 0.5, 1.0]) * motion["body"].angle_degrees
    placed = place_bodies(turned, np.zeros(3))
    for body in placed.values():
        np.testing.assert_allclose(body.rotation[0], np.eye(3), atol=1e-12)
        np.testing.assert_allclose(body.rotation[1] @ body.rotation[1], body.rotation[2])
    beads = read_ribosome().take(("small_body",))
    moved = beads.moved(placed["body"].rotation[2], placed["body"].shift_angstrom[2])
    away = np.linalg.norm(moved.centre_angstrom - beads.centre_angstrom, axis=1)
    assert 2 < away.mean() < 10


def test_the_head_swings_about_its_neck() -> None:
    """Where nothing turns the neck stays in its place, and the body does not swing."""
    swing = read_motion()["swing"]
    placed = place_bodies(np.zeros(1), np.array([8.0]))
    rotation, shift = placed["head"].rotation[0], placed["head"].shift_angstrom[0]
    np.testing.assert_allclose(rotation @ swing.pivot_angstrom + shift, swing.pivot_angstrom)
    assert abs(np.degrees(np.arccos((np.trace(rotation) - 1) / 2)) - 8) < 1e-6
    np.testing.assert_allclose(placed["body"].rotation[0], np.eye(3), atol=1e-12)
