"""Local resolution: coarse where noise is strong, fine where it is weak, and filtered by it."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.maps.local_resolution import (
    choose_window,
    count_windows,
    filter_locally,
    local_frequency,
)
from cryofocus.maps.resolution import measure_fsc
from cryofocus.maths.filters import lowpass
from cryofocus.maths.fourier import forward_3d, inverse_3d
from cryofocus.maths.grids import shell_index_3d
from cryofocus.maths.masks import sphere_mask
from cryofocus.maths.shells import crossing_shell

BOX, WINDOW = 40, 20


def signal_and_halves(noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random signal that fades with frequency, and two half maps with noise by place."""
    generator = np.random.default_rng(1)
    envelope = 6 * np.exp(-(shell_index_3d(BOX) ** 2) / (2 * 6.0**2))
    signal = inverse_3d(forward_3d(generator.normal(size=(BOX,) * 3)) * envelope, BOX)
    first, second = (
        (signal + noise * generator.normal(size=signal.shape)).astype(np.float32) for _ in range(2)
    )
    return signal, first, second


def test_even_noise_gives_the_overall_resolution() -> None:
    """Where nothing depends on the place, the typical local value is the overall one at 0.5."""
    _, first, second = signal_and_halves(np.ones(BOX))
    overall = crossing_shell(measure_fsc(first, second).unmasked, 0.5) / BOX
    local = local_frequency(first, second, WINDOW)
    assert np.median(local) == pytest.approx(overall, rel=0.06)
    assert local.std() < 0.1 * overall
    assert local.shape == first.shape


def test_noise_in_one_half_of_the_box_shows_there() -> None:
    """Left of the middle, with less noise, resolution is better; the filter gains everywhere."""
    noise = np.where(np.arange(BOX) < BOX // 2, 0.4, 2.0)
    signal, first, second = signal_and_halves(noise)
    local = local_frequency(first, second, WINDOW)
    left, right = local[:, :, 5:12], local[:, :, 28:35]
    assert left.min() > 1.2 * right.max()
    mean = (first + second) / 2
    filtered = filter_locally(mean, local)
    for side in (slice(5, 12), slice(28, 35)):
        before, after = (m[:, :, side] - signal[:, :, side] for m in (mean, filtered))
        assert after.std() < 0.7 * before.std()


def test_filter_of_one_frequency_is_a_low_pass() -> None:
    """Where the local frequency is the same everywhere, the map is low-pass filtered at it."""
    volume = np.random.default_rng(2).normal(size=(24, 24, 24)).astype(np.float32)
    filtered = filter_locally(volume, np.full_like(volume, 0.25))
    np.testing.assert_allclose(filtered, lowpass(volume, 1.0, 4.0), atol=1e-4)


def test_windows_are_laid_where_the_mask_is() -> None:
    """A small mask costs few windows, and all of it is measured within its own surroundings."""
    mask = sphere_mask(BOX, 1.0, (8, 0, 0), 6.0, 0.0)
    assert count_windows(BOX, WINDOW, mask) < 0.4 * count_windows(BOX, WINDOW)
    noise = np.where(np.arange(BOX) < BOX // 2, 0.4, 2.0)
    _, first, second = signal_and_halves(noise)
    whole = local_frequency(first, second, WINDOW)
    calls: list[int] = []
    masked = local_frequency(first, second, WINDOW, mask, advance=calls.append)
    np.testing.assert_allclose(masked[mask > 0.5], whole[mask > 0.5], rtol=1e-5)
    assert sum(calls) == count_windows(BOX, WINDOW, mask)


@pytest.mark.parametrize(
    ("box", "resolution", "window"), [(100, 4.0, 24), (100, 1.0, 12), (31, 20.0, 30)]
)
def test_window_follows_the_resolution(box: int, resolution: float, window: int) -> None:
    """Six times the resolution, not too small, and never larger than the box."""
    assert choose_window(box, resolution) == window
