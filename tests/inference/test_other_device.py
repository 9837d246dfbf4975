"""What inference computes beside the loops gives the same numbers on another device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryofocus.consensus.band import Band
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.ctf import Microscope
from cryofocus.placement import beside, fetch, join_rows, stay
from other_device import OtherDevice, send
from planted import plant
from samples import ArrayReader, make_particles, wrap_images

OTHER = OtherDevice(CpuKernels(1))
BOX = 15


def assert_close(ours: np.ndarray, theirs: np.ndarray, accuracy: float = 1e-5) -> None:
    """Compare with the rounding of single precision."""
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=accuracy * np.abs(theirs).max())


def fit(kernels: object, strategy: str) -> np.ndarray:
    """Classify a small planted set and return posteriors, maps behind them."""
    planted = plant(120, noise_sd=8.0)
    settings = ClassifierSettings(n_classes=2, n_runs=1, seed=3, strategy=strategy, max_cycles=3)
    classifier = FocusedClassifier(settings, kernels)
    result = classifier.fit(planted.particles, ArrayReader(planted.images), planted.mask)
    return result


@pytest.mark.parametrize("strategy", ["residual", "mask3d", "subtract", "mask2d"])
def test_a_classification_gives_the_same_posteriors(strategy: str) -> None:
    """From images to class maps, nothing depends on where arrays lie."""
    ours, theirs = fit(OTHER, strategy), fit(OTHER.host, strategy)
    assert abs(ours.posteriors - theirs.posteriors).max() < 1e-4
    assert abs(ours.outlier - theirs.outlier).max() < 2e-3
    for a, b in zip(ours.maps, theirs.maps, strict=True):
        assert_close(a.full, b.full, 1e-4)


@pytest.mark.parametrize("normalise", [False, True])
def test_images_are_prepared_where_kernels_work(*, normalise: bool) -> None:
    """Normalisation, shift, CTF and aberrations of several optics groups, multiplied or not."""
    rng = np.random.default_rng(0)
    microscopes = (
        Microscope(300.0, 2.7, 0.1, beam_tilt_mrad=(0.4, -0.2)),
        Microscope(200.0, 1.4, 0.07),
        Microscope(300.0, 2.7, 0.1, odd_zernike=(0.0, 0.0, 3.0)),
    )
    particles = make_particles(
        70, BOX, rng, microscopes=microscopes, premultiplied=[False, True, False]
    )
    scaled = replace(particles.ctf, ctf_scale=rng.uniform(0.5, 1.5, 70))
    images = wrap_images(
        replace(particles, ctf=scaled), rng.normal(2, 3, (70, BOX, BOX)).astype(np.float32)
    )
    images = replace(images, treatment=replace(images.treatment, normalise=normalise))
    band, chosen = Band.disc(BOX, 6), rng.permutation(70)[:66]
    ours = next(images.chunks(band, chosen, send=send))
    theirs = next(images.chunks(band, chosen))
    assert_close(fetch(ours.transforms), theirs.transforms)
    assert_close(fetch(ours.ctf), theirs.ctf)
    np.testing.assert_array_equal(ours.is_premultiplied, theirs.is_premultiplied)
    assert_close(fetch(band.scatter(ours.ctf)), band.scatter(theirs.ctf))


def test_host_arrays_stay_where_they_are() -> None:
    """Nothing is copied for a device that works in the host's memory."""
    array = np.arange(4.0)
    assert beside(array, array) is array
    assert fetch(array) is array
    assert stay(array) is array


@pytest.mark.parametrize("bring", [stay, send])
def test_rows_are_joined_in_their_order(bring: object) -> None:
    """Rows computed in parts come back in the order of the whole."""
    whole = np.random.default_rng(0).normal(size=(6, 2))
    rows = [np.array([1, 4]), np.array([0, 2, 3, 5])]
    joined = join_rows([bring(whole[part]) for part in rows], np.concatenate(rows))
    np.testing.assert_array_equal(fetch(joined), whole)
