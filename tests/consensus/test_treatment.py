"""Grey levels of images that are not normalised one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryofocus.consensus.treatment import ImageTreatment, raw_levels, treat

BOX = 16


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Noise of deviation 2."""
    return np.random.default_rng(3).normal(0, 2, (6, BOX, BOX)).astype(np.float32)


TREATMENT = ImageTreatment(
    -1, normalise=False, background_radius_pixels=5, background_edge_pixels=BOX
)


def test_an_image_many_times_as_strong_is_brought_to_the_others(images: np.ndarray) -> None:
    """As another program extracts it; all others keep their pixels."""
    strong = images.copy()
    strong[2] *= 1e4
    usual = replace(TREATMENT, usual_deviation=2.0)
    treated = treat(strong, usual)
    others = np.arange(len(images)) != 2
    np.testing.assert_array_equal(treated[others], -images[others])
    np.testing.assert_allclose(treated[2], -images[2], rtol=0.3)
    levels = raw_levels(strong, usual)
    assert (levels[others] == 1).all()
    np.testing.assert_allclose(-treated * levels[:, None, None], strong, rtol=1e-5)
    np.testing.assert_array_equal(treat(strong, TREATMENT), -strong)


def test_signal_does_not_make_an_image_strong(images: np.ndarray) -> None:
    """Only the background tells."""
    bright = images.copy()
    bright[1, 6:10, 6:10] += 100
    np.testing.assert_array_equal(treat(bright, replace(TREATMENT, usual_deviation=2.0)), -bright)
