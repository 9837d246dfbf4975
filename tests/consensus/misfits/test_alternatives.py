"""What a table may have meant: other numbers, the same pixels."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from cryofocus.consensus.misfits.alternatives import (
    Alternative,
    Kind,
    alternatives,
    with_poses_of_others,
)
from samples import PIXEL_SIZE, make_particles, wrap_images

BOX = 16


def told(one: Alternative, *, astigmatism: float = 600.0) -> tuple[np.ndarray, ...]:
    """Shifts and CTFs of a few images that are told so."""
    particles = make_particles(6, BOX, np.random.default_rng(1))
    half = np.full(6, astigmatism / 2)
    ctf = replace(particles.ctf, defocus_u_angstrom=1.5e4 + half, defocus_v_angstrom=1.5e4 - half)
    images = wrap_images(replace(particles, ctf=ctf), np.zeros((6, BOX, BOX), np.float32))
    changed = one.tell(images)
    assert changed.reader is images.reader
    seen = changed.particles
    (optics,) = seen.optics
    return seen.shift_angstrom, optics.evaluate_ctf(seen.ctf, BOX, PIXEL_SIZE)


@pytest.mark.parametrize("kind", ["set", "optics group", "micrograph"])
def test_every_alternative_tells_something_else(kind: Kind) -> None:
    """Shifts or CTFs differ from those told; nothing is tried twice."""
    shifts, ctf = told(Alternative("shift", 1.0, lambda particles, _: particles))
    tried = list(alternatives(kind, PIXEL_SIZE))
    for one in tried:
        other_shifts, other_ctf = told(one)
        assert (other_shifts != shifts).any() or np.abs(other_ctf - ctf).max() > 0.01
    # Pixels of the movie leave shifts as they are if these were in pixels.
    most = 2 if kind == "set" else 1
    assert set(Counter((one.fault, one.factor) for one in tried if one.is_mistake).values()) <= {
        1,
        most,
    }


def test_without_astigmatism_its_angle_is_nothing() -> None:
    """Turning a round CTF leaves it as it is."""
    angles = [
        one for one in alternatives("set", 4.0) if "defocus a" in one.fault or one.fault[0] == "a"
    ]
    assert len(angles) == 3
    for one in angles:
        np.testing.assert_allclose(
            told(one, astigmatism=0.0)[1], told(angles[0], astigmatism=0.0)[1]
        )


def test_larger_pixels_have_the_ctf_of_their_frequencies() -> None:
    """Pixels of twice the size hold half the frequencies, shifts in Å half the pixels."""
    one = next(a for a in alternatives("set", 4.0) if (a.fault, a.factor) == ("pixel size", 2.0))
    particles = make_particles(6, BOX, np.random.default_rng(1))
    images = wrap_images(particles, np.zeros((6, BOX, BOX), np.float32))
    seen, (optics,) = one.tell(images).particles, one.tell(images).particles.optics
    expected = particles.optics[0].evaluate_ctf(particles.ctf, BOX, 2 * PIXEL_SIZE)
    np.testing.assert_allclose(optics.evaluate_ctf(seen.ctf, BOX, PIXEL_SIZE), expected, atol=1e-3)
    np.testing.assert_allclose(2 * seen.shift_angstrom, particles.shift_angstrom)


@pytest.mark.parametrize(
    ("pixel_size", "mistakes"), [(1.0, {-1}), (1.5, {-1, 1.5}), (0.5, {-1, 2}), (4, {-1, 4, 0.25})]
)
def test_shifts_may_be_in_pixels_where_these_are_not_1_angstrom(
    pixel_size: float, mistakes: set[float]
) -> None:
    """Shifts a little smaller may be better guesses, so that says nothing of their unit."""
    tried = [one for one in alternatives("micrograph", pixel_size) if one.fault == "shift"]
    assert {one.factor for one in tried if one.is_mistake} == mistakes
    assert {0.0, 0.5} <= {one.factor for one in tried if not one.is_mistake}


def test_poses_of_others_are_nobody_s_own() -> None:
    """Every particle gets the rotation of another, and keeps its shift."""
    particles = make_particles(7, BOX, np.random.default_rng(1))
    moved = with_poses_of_others(particles)
    assert (moved.rotation != particles.rotation).any(axis=(1, 2)).all()
    assert moved.shift_angstrom is particles.shift_angstrom
