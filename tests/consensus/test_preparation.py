"""Half sets, and whether images need their background normalised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cryofocus.consensus.preparation import assign_half_sets, open_images
from samples import ArrayReader, make_particles


def test_micrographs_are_never_split() -> None:
    """All particles of a micrograph land in one half set, and the halves are balanced."""
    rng = np.random.default_rng(1)
    particles = make_particles(400, 8, rng)
    particles = replace(particles, micrograph_of_particle=rng.integers(0, 37, 400))
    half_set, origin = assign_half_sets(particles, seed=4)
    for micrograph in range(37):
        assert len(set(half_set[particles.micrograph_of_particle == micrograph])) == 1
    assert set(half_set) == {1, 2}
    assert abs((half_set == 1).mean() - 0.5) < 0.05
    assert "by micrograph (seed 4)" in origin


def test_one_micrograph_is_dealt_out_at_random() -> None:
    """Particles of a single micrograph are halved evenly; the seed decides and is stated."""
    particles = make_particles(101, 8, np.random.default_rng(1))
    particles = replace(particles, micrograph_of_particle=np.zeros(101, np.int32))
    first, origin = assign_half_sets(particles, seed=4)
    again, _ = assign_half_sets(particles, seed=4)
    other, _ = assign_half_sets(particles, seed=5)
    assert abs(int((first == 1).sum()) - int((first == 2).sum())) == 1
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert "at random (seed 4)" in origin


def test_given_half_sets_are_kept() -> None:
    """Half sets of the table are used as they are, whatever the micrographs."""
    particles = make_particles(30, 8, np.random.default_rng(1))
    given = (1 + np.arange(30) % 2).astype(np.int8)
    half_set, origin = assign_half_sets(replace(particles, half_set=given), seed=4)
    np.testing.assert_array_equal(half_set, given)
    assert "as given" in origin


def test_incomplete_half_sets_are_replaced() -> None:
    """Half sets that some particles lack, or that are all the same, cannot be used."""
    particles = make_particles(30, 8, np.random.default_rng(1))
    for given in (np.zeros(30), np.ones(30), np.arange(30) % 3):
        half_set, _ = assign_half_sets(replace(particles, half_set=given.astype(np.int8)), seed=4)
        assert set(half_set) == {1, 2}


def test_only_uneven_backgrounds_are_normalised() -> None:
    """Images normalised on disk are used as they are; scaled or offset ones are not."""
    rng = np.random.default_rng(2)
    particles = make_particles(50, 24, rng)
    even = rng.normal(0, 1, (50, 24, 24)).astype(np.float32)
    scaled = even * np.linspace(0.5, 2, 50, dtype=np.float32)[:, None, None]
    for images, expected in ((even, False), (scaled, True), (even + np.float32(3), True)):
        prepared = open_images(particles, reader=ArrayReader(images))
        assert prepared.treatment.normalise is expected


def test_invert_forces_the_sign() -> None:
    """`yes` means dark protein; `no` and `auto` start from bright protein."""
    rng = np.random.default_rng(2)
    particles = make_particles(5, 16, rng)
    reader = ArrayReader(rng.normal(size=(5, 16, 16)).astype(np.float32))
    signs = [
        open_images(particles, i, reader=reader).treatment.sign for i in ("yes", "no", "auto")
    ]
    assert signs == [-1, 1, 1]
