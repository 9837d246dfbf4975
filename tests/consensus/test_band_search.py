"""The band that maps are made in: what is in it stays the same, and it is wide enough."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cryofocus.consensus import band_search, reach
from cryofocus.consensus.band import Band
from cryofocus.consensus.band_search import make_first_map
from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.memory import MapMemory
from cryofocus.consensus.reach import (
    LEAST_MARGIN,
    TO_NYQUIST,
    Reach,
    end_of_agreement,
    with_margin,
)
from cryofocus.consensus.reconstruct import MapSource, accumulate_halves
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.fourier import resize_half_3d
from cryofocus.maths.shells import FSC_LIMIT, first_shell_below
from samples import MICROSCOPE, PIXEL_SIZE, Beads, form_images, make_particles, wrap_images

N = 240
HALF_SET = (1 + np.arange(N) % 2).astype(np.int8)
KERNELS = CpuKernels(2)
STRETCHING = replace(MICROSCOPE, magnification_matrix=((1.05, 0.01), (0.0, 0.98)))


@cache
def make_images(box: int, sigma: float = 8.0, noise_sd: float = 1.0) -> ParticleImages:
    """Return normalised, noisy images of beads without fine detail; one group is magnified."""
    rng = np.random.default_rng(box)
    beads = Beads(rng.normal(0, 0.12 * box * PIXEL_SIZE, (20, 3)), sigma, np.full(20, 300.0))
    particles = make_particles(N, box, rng, microscopes=[MICROSCOPE, STRETCHING])
    pixels = form_images(particles, beads.slices(particles.rotation, box), noise_sd, rng)
    images = wrap_images(particles, pixels)
    return replace(images, treatment=replace(images.treatment, normalise=True))


@pytest.mark.parametrize("box", [40, 41])
def test_sums_in_the_band_are_those_of_the_whole_grid(box: int) -> None:
    """Cropped images, normalised before, give the sums that whole images give, no more."""
    images, n_shells = make_images(box), 10
    coarse = images.cropped(n_shells)
    assert coarse.particles.box < box
    assert coarse.largest_band().n_shells >= n_shells
    found = make_first_map(images, HALF_SET, KERNELS, Reach(box * PIXEL_SIZE / 3.5))
    whole = make_first_map(images, HALF_SET, KERNELS, TO_NYQUIST)
    n = found.images.largest_band().n_shells
    np.testing.assert_allclose(found.noise.additive, whole.noise.additive[:, :n], rtol=1e-5)
    weights = np.ones((N, 1), np.float32)
    band = Band.disc(box, n)
    sums = []
    for one, noise in ((found.images, found.noise), (images, whole.noise)):
        with pytest.MonkeyPatch.context() as patch:
            if one is images:
                patch.setattr(ParticleImages, "largest_band", lambda _: band)
            source = MapSource(one, noise, weights[:, 0], HALF_SET)
            sums.append(accumulate_halves(source, weights, KERNELS)[0].data[..., 0])
    expected = resize_half_3d(sums[1], len(sums[1]), len(sums[0]))
    np.testing.assert_allclose(sums[0], expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("n_shells", [12, 40])
def test_the_band_ends_where_half_maps_have_fallen(
    monkeypatch: pytest.MonkeyPatch, n_shells: int
) -> None:
    """From a band too narrow or too wide, the search ends at one that shows the fall, no wider."""
    monkeypatch.setattr(reach, "SMALL_BOX", 16)
    monkeypatch.setattr(reach, "LEAST_SHELLS", 10)
    monkeypatch.setattr(band_search, "FIRST_SHELLS", n_shells)
    images = make_images(96)
    found = make_first_map(images, HALF_SET, KERNELS, Reach())
    whole = make_first_map(images, HALF_SET, KERNELS, TO_NYQUIST)
    resolved = first_shell_below(whole.map.fsc, FSC_LIMIT)
    n = found.images.largest_band().n_shells
    assert resolved + LEAST_MARGIN <= n < 40
    assert end_of_agreement(found.map.fsc[:n]) is not None
    assert abs(first_shell_below(found.map.fsc, FSC_LIMIT) - resolved) <= 1
    fine = found.map.on_box(96)
    largest = np.abs(whole.map.full).max()
    np.testing.assert_allclose(fine.full, whole.map.full, atol=0.02 * largest)
    assert len(fine.fsc) == 49
    # What the widest band took is remembered.
    in_this_band = MapMemory.of(found.images, KERNELS, 1).consensus
    assert found.made_gb > in_this_band if n_shells == 40 else found.made_gb >= in_this_band


def test_a_band_that_a_sample_has_set_too_narrow_is_widened_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All particles may agree further than some did: then maps are made again, wider."""
    monkeypatch.setattr(reach, "SMALL_BOX", 16)
    monkeypatch.setattr(reach, "LEAST_SHELLS", 8)
    monkeypatch.setattr(band_search, "FIRST_SHELLS", 8)
    monkeypatch.setattr(band_search, "FEWEST_PARTICLES", 20)
    margins = iter([lambda _: 6])
    monkeypatch.setattr(band_search, "with_margin", lambda n: next(margins, with_margin)(n))
    counted: list[int] = []
    with caplog.at_level(logging.INFO):
        found = make_first_map(make_images(96), HALF_SET, KERNELS, Reach(), advance=counted.append)
    assert "half maps still agree at" in caplog.text
    assert sum(counted) == N
    assert end_of_agreement(found.map.fsc) is not None


def test_maps_reach_the_limit_of_the_classification(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit finer than what half maps resolve widens the band to hold it."""
    monkeypatch.setattr(reach, "SMALL_BOX", 16)
    limit = 96 * PIXEL_SIZE / 36
    found = make_first_map(make_images(96), HALF_SET, KERNELS, Reach(None, limit))
    assert found.images.largest_band().n_shells > 37


def test_a_band_is_as_wide_as_memory_allows_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a wider band would not fit, maps end where half maps still agree, with a warning."""
    monkeypatch.setattr(reach, "SMALL_BOX", 16)
    monkeypatch.setattr(reach, "LEAST_SHELLS", 8)
    monkeypatch.setattr(band_search, "FIRST_SHELLS", 10)
    monkeypatch.setattr(band_search, "fits", lambda images, _: len(images.largest_band()) < 400)
    with caplog.at_level(logging.WARNING):
        found = make_first_map(make_images(96), HALF_SET, KERNELS, Reach())
    assert "maps end because of the memory" in caplog.text
    assert len(found.images.largest_band()) < 400
    assert end_of_agreement(found.map.fsc) is None
