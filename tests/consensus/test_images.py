"""What the inference sees of an image: treatment, centring, aberrations, chunks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryofocus.consensus import images as images_module
from cryofocus.consensus.band import Band
from cryofocus.consensus.treatment import ImageTreatment, treat
from cryofocus.maths.ctf import Microscope
from samples import MICROSCOPE, PIXEL_SIZE, make_particles, wrap_images

BOX, N = 20, 7


def normalising(radius_pixels: float, edge_pixels: float) -> ImageTreatment:
    """Treatment that normalises bright protein."""
    return ImageTreatment(
        sign=1,
        normalise=True,
        background_radius_pixels=radius_pixels,
        background_edge_pixels=edge_pixels,
    )


def test_background_normalisation_undoes_scale_and_offset() -> None:
    """Images that differ by scale and offset become equal, with background mean 0, deviation 1."""
    rng = np.random.default_rng(1)
    images = rng.normal(size=(N, BOX, BOX)).astype(np.float32)
    images[:, 8:12, 8:12] += 5
    changed = images * np.float32(3.5) + rng.normal(size=(N, 1, 1)).astype(np.float32)
    before = changed.copy()
    treatment = normalising(7.0, BOX)
    result = treat(changed, treatment)
    np.testing.assert_allclose(result, treat(images, treatment), atol=1e-4)
    axis = np.arange(BOX) - BOX // 2
    inside = np.abs(axis) < BOX / 2
    outside = result[:, (np.hypot(axis[:, None], axis) > 7) & inside[:, None] & inside]
    np.testing.assert_allclose(outside.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(outside.std(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(changed, before)


def test_padding_is_not_background() -> None:
    """An image padded with a constant is normalised as it was before it was padded."""
    rng = np.random.default_rng(3)
    small = rng.normal(2, 3, size=(N, BOX - 6, BOX - 6)).astype(np.float32)
    padded = np.full((N, BOX, BOX), 2, np.float32)
    padded[:, 3:-3, 3:-3] = small
    field = BOX - 6
    expected = treat(small, normalising(0.45 * field, field))
    result = treat(padded, normalising(0.45 * field, field))
    np.testing.assert_allclose(result[:, 3:-3, 3:-3], expected, atol=1e-5)


@pytest.mark.parametrize("normalise", [True, False])
def test_sign_flips_the_contrast(*, normalise: bool) -> None:
    """The opposite sign gives the opposite image, normalised or not."""
    images = np.random.default_rng(1).normal(size=(N, BOX, BOX)).astype(np.float32)
    white, black = (treat(images, ImageTreatment(s, normalise, 7.0, BOX)) for s in (1, -1))
    np.testing.assert_array_equal(white, -black)


@pytest.mark.parametrize("box", [20, 21])
def test_shifting_image_and_origin_together_changes_nothing(box: int) -> None:
    """An image moved by whole pixels with its origin moved back is the same centred image."""
    rng = np.random.default_rng(2)
    particles = make_particles(N, box, rng)
    pixels = rng.normal(size=(N, box, box)).astype(np.float32)
    band = Band.disc(box, box // 2)
    moved = np.roll(pixels, (3, -2), axis=(1, 2))
    origin = particles.shift_angstrom - PIXEL_SIZE * np.array([-2.0, 3.0])
    shifted = replace(particles, shift_angstrom=origin)
    chosen = np.arange(N)
    before = wrap_images(particles, pixels).load(band, chosen)
    after = wrap_images(shifted, moved).load(band, chosen)
    np.testing.assert_allclose(before.transforms, after.transforms, atol=1e-3)


def test_odd_aberrations_change_only_phases() -> None:
    """Beam tilt is taken out as a phase: powers stay, and an image without it is untouched."""
    rng = np.random.default_rng(3)
    tilted = Microscope(300.0, 2.7, 0.1, beam_tilt_mrad=(2.0, -1.0))
    pixels = rng.normal(size=(N, BOX, BOX)).astype(np.float32)
    band, chosen = Band.disc(BOX, 10), np.arange(N)
    plain, aberrant = (
        wrap_images(make_particles(N, BOX, np.random.default_rng(3), microscopes=[m]), pixels)
        .load(band, chosen)
        .transforms
        for m in (MICROSCOPE, tilted)
    )
    np.testing.assert_allclose(np.abs(plain), np.abs(aberrant), rtol=1e-4, atol=1e-4)
    assert np.abs(plain - aberrant).max() > 1


def test_chunks_hold_every_particle_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """However images are cut into chunks, each is prepared the same."""
    rng = np.random.default_rng(4)
    groups = (MICROSCOPE, Microscope(200.0, 1.4, 0.07))
    particles = make_particles(N, BOX, rng, microscopes=groups, premultiplied=[False, True])
    prepared = wrap_images(particles, rng.normal(size=(N, BOX, BOX)).astype(np.float32))
    band = Band.disc(BOX, 8)
    (whole,) = prepared.chunks(band)
    monkeypatch.setattr(images_module, "CHUNK_PARTICLES", 3)
    parts = list(prepared.chunks(band))
    assert [len(part.particles) for part in parts] == [3, 3, 1]
    for name in ("particles", "groups", "transforms", "ctf", "is_premultiplied"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_allclose(joined, getattr(whole, name), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(whole.is_premultiplied, particles.optics_of_particle == 1)


def test_threads_prepare_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that several threads prepare, a few each, are those that one prepares, in order."""
    rng = np.random.default_rng(6)
    pixels = rng.normal(size=(N, BOX, BOX)).astype(np.float32)
    alone = wrap_images(make_particles(N, BOX, rng), pixels)
    band, chosen = Band.disc(BOX, 8), np.array([6, 2, 0, 1, 3])
    (whole,) = alone.chunks(band, chosen)
    monkeypatch.setattr(images_module, "PART_PIXELS", 2 * BOX**2)
    monkeypatch.setattr(images_module, "CHUNK_PIXELS", 5 * BOX**2)
    for threads in (1, 3):
        parts = list(replace(alone, threads=threads).chunks(band, chosen))
        assert [len(part.particles) for part in parts] == [4, 1]
        for name in ("particles", "groups", "transforms", "ctf", "is_premultiplied"):
            joined = np.concatenate([getattr(part, name) for part in parts])
            np.testing.assert_array_equal(joined, getattr(whole, name))


def test_no_particles_are_no_chunks() -> None:
    """A range that holds nothing of a class gives nothing, and nothing is read."""
    particles = make_particles(N, BOX, np.random.default_rng(5))
    prepared = wrap_images(particles, np.zeros((N, BOX, BOX), np.float32))
    assert list(prepared.chunks(Band.disc(BOX, 8), np.zeros(0, int))) == []


@pytest.mark.parametrize("box", [40, 41])
def test_held_images_are_prepared_as_those_of_the_files(
    monkeypatch: pytest.MonkeyPatch, box: int
) -> None:
    """Some images, cropped, treated and held in memory, give the transforms that reading gives."""
    rng = np.random.default_rng(5)
    particles = make_particles(N, box, rng)
    images = wrap_images(particles, rng.normal(3, 2, size=(N, box, box)).astype(np.float32), -1)
    treatment = replace(images.treatment, normalise=True)
    images = replace(images, treatment=treatment).cropped(10)
    assert images.particles.box < box
    monkeypatch.setattr(images_module, "CHUNK_PARTICLES", 2)
    band, chosen = Band.disc(images.particles.box, 10), np.array([5, 0, 3])
    held = images.held(chosen)
    ours, theirs = held.load(band, np.arange(3)), images.load(band, chosen)
    largest = np.abs(theirs.transforms).max()
    np.testing.assert_allclose(ours.transforms, theirs.transforms, atol=1e-5 * largest)
    np.testing.assert_array_equal(ours.ctf, theirs.ctf)
    again = held.held(np.array([2])).load(band, np.array([0]))
    np.testing.assert_allclose(again.transforms[0], theirs.transforms[2], atol=1e-5 * largest)
