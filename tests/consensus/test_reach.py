"""To which resolution maps are made: what users say, and what half maps do."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.reach import (
    FALLEN,
    LEAST_SHELLS,
    NYQUIST,
    SMALL_BOX,
    Reach,
    end_of_agreement,
    with_margin,
)
from samples import PIXEL_SIZE, make_particles, wrap_images


def images_of(box: int) -> ParticleImages:
    """Return images of no content."""
    particles = make_particles(2, box, np.random.default_rng(1))
    return wrap_images(particles, np.zeros((2, box, box), np.float32))


def test_half_maps_decide_only_where_grids_are_large() -> None:
    """Small boxes are made whole; of large ones, half maps say how far, unless a user does."""
    small, large = images_of(SMALL_BOX), images_of(SMALL_BOX + 2)
    assert Reach().shells(small) == small.largest_band().n_shells
    assert Reach().shells(large) is None
    assert Reach(NYQUIST).shells(large) == large.largest_band().n_shells


@pytest.mark.parametrize("asked", [12.0, 30.0])
def test_maps_reach_what_is_asked_and_what_is_compared(asked: float) -> None:
    """Maps reach beyond the resolution asked for, and beyond that of the classification."""
    images = images_of(160)
    extent = 160 * PIXEL_SIZE
    assert Reach(asked).shells(images) > extent / asked + 1
    assert Reach(asked, 10.0).shells(images) > extent / 10 + 1
    assert Reach(None, 0.01).least(images) > images.largest_band().n_shells
    assert Reach().least(images) == LEAST_SHELLS


def curve(end: int, n: int, noise: float = 0.0) -> np.ndarray:
    """Return a correlation that falls off around a shell, with noise beyond."""
    shells = np.arange(n)
    snr = 200 * np.exp(-np.log(200 / FALLEN) * (shells / end) ** 2)
    rng = np.random.default_rng(3)
    return np.asarray(snr / (1 + snr) + noise * rng.normal(size=n))


@pytest.mark.parametrize("end", [20, 47, 90])
def test_the_end_of_agreement_is_found_within_a_few_shells(end: int) -> None:
    """Half maps that correlate by 0.02 at a shell agree to about there, with noise or without."""
    for noise in (0.0, 0.005):
        found = end_of_agreement(curve(end, 128, noise))
        assert found is not None
        assert abs(found - end) < 0.12 * end


def test_half_maps_that_agree_to_the_end_have_none() -> None:
    """A band that ends where half maps still agree is told from one that shows them fall."""
    assert end_of_agreement(curve(60, 50)) is None
    assert end_of_agreement(curve(60, 55)) is None
    assert end_of_agreement(curve(60, with_margin(60))) is not None


def test_of_a_part_of_the_particles_weaker_agreement_counts() -> None:
    """A correlation of 0.01 between a tenth of the particles becomes 0.09 with all of them."""
    fsc = curve(60, 100)
    some, all_ = end_of_agreement(fsc, 0.1), end_of_agreement(fsc)
    assert some is not None
    assert all_ is not None
    assert some > all_ + 4


def test_noise_has_no_agreement() -> None:
    """Half maps of noise end at the first shell."""
    rng = np.random.default_rng(4)
    shells = np.maximum(np.arange(60), 1)
    noise = rng.normal(size=60) / np.sqrt(4 * np.pi * shells**2)
    assert end_of_agreement(noise) == 1
