"""Difference maps: nothing where nothing differs, what differs where it does, and how surely."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cryofocus.maps.difference import (
    amplitude_scale,
    find_peak,
    merge_maxima,
    subtract_map,
)
from cryofocus.maths.filters import filter_shells

BOX, NOISE = 40, 0.1
LIGAND = np.array([[10.0, -8.0, 2.0]])
LIGAND_VOXEL = (BOX // 2 + 2, BOX // 2 - 8, BOX // 2 + 10)
Blobs = Callable[..., np.ndarray]


def noisy_halves(density: np.ndarray, seed: int, noise: float = NOISE) -> tuple[np.ndarray, ...]:
    """Two half maps of one density with independent white noise."""
    generator = np.random.default_rng(seed)
    halves = [density + generator.normal(0, noise, density.shape) for _ in range(2)]
    return halves[0].astype(np.float32), halves[1].astype(np.float32)


def mean(halves: tuple[np.ndarray, ...]) -> np.ndarray:
    return (halves[0] + halves[1]) / 2


@pytest.mark.parametrize("box", [24, 25])
def test_filtering_is_no_difference(box: int, blobs: Blobs) -> None:
    """A map minus the same map under any other filter of shells is zero, but for the mean."""
    density = blobs(box, width=1.5)
    curve = np.linspace(1.0, 0.2, box // 2 + 1)
    before = density.copy()
    difference = subtract_map(density, filter_shells(density, curve), box / 2)
    np.testing.assert_allclose(difference.scale[1:], 1 / curve[1:], rtol=1e-4)
    # Corners beyond the last complete shell are scaled as that shell.
    assert np.abs(difference.data - difference.data.mean()).max() < 0.02 * density.max()
    assert difference.significance is None
    np.testing.assert_array_equal(density, before)


def test_an_empty_map_takes_nothing_away(blobs: Blobs) -> None:
    """Where the second map has no power, nothing is subtracted."""
    density = blobs(24)
    difference = subtract_map(density, np.zeros_like(density), 12)
    np.testing.assert_allclose(difference.data, density, atol=1e-6)


def test_half_maps_make_the_scale_free_of_noise(blobs: Blobs) -> None:
    """The scale is that of the signals, though the second map is far noisier than the first."""
    density = blobs(BOX, width=1.5)
    first, second = noisy_halves(density, 1, 0.02), noisy_halves(2 * density, 2, 0.4)
    found = subtract_map(mean(first), mean(second), BOX / 2, halves=(first, second))
    used = slice(2, int(found.last_shell) + 1)
    assert np.median(found.scale[used]) == pytest.approx(0.5, abs=0.02)
    naive = amplitude_scale(mean(first), mean(second))[used]
    assert abs(np.median(naive) - 0.5) > 3 * abs(np.median(found.scale[used]) - 0.5)


def test_null_control(blobs: Blobs) -> None:
    """Of equal densities, significance is normal with mean 0 and variance 1; nothing is found."""
    density = blobs(BOX, width=1.5)
    moments = []
    for seed in range(10):
        first, second = noisy_halves(density, seed), noisy_halves(density, 100 + seed)
        found = subtract_map(mean(first), mean(second), BOX / 2, halves=(first, second))
        assert found.significance is not None
        z = found.significance
        moments.append((z.mean(), z.std(), (np.abs(z) > 3).mean()))
        assert find_peak(found, 1.0, 5.0).volume_cubic_angstrom == 0
    average, deviation, beyond = np.mean(moments, axis=0)
    assert average == pytest.approx(0, abs=0.01)
    assert deviation == pytest.approx(1, abs=0.02)
    assert beyond == pytest.approx(0.0027, abs=0.001)


def test_shared_noise_drops_out(blobs: Blobs) -> None:
    """Noise in both maps, as of a class and the consensus it is part of, is no difference."""
    density = blobs(BOX, width=1.5)
    first, other = noisy_halves(density, 3), noisy_halves(density, 4)
    both = ((first[0] + other[0]) / 2, (first[1] + other[1]) / 2)
    found = subtract_map(mean(first), mean(both), BOX / 2, halves=(first, both))
    assert found.significance is not None
    assert found.significance.std() == pytest.approx(1, abs=0.05)


def test_what_differs_is_found(blobs: Blobs) -> None:
    """A blob in the first map only is the peak, at its place, far above the noise."""
    density = blobs(BOX, width=1.5)
    ligand = blobs(BOX, width=1.5, blobs=LIGAND, weights=np.array([0.8]))
    first, second = noisy_halves(density + ligand, 5), noisy_halves(2.5 * density, 6, 0.25)
    found = subtract_map(mean(first), mean(second), BOX / 2, halves=(first, second))
    peak = find_peak(found, 2.0, 5.0)
    assert peak.index == LIGAND_VOXEL
    assert peak.significance is not None
    assert peak.significance > 15
    assert peak.density == pytest.approx(0.8, abs=0.25)
    assert 8 * 30 < peak.volume_cubic_angstrom < 8 * 400


def test_peak_is_looked_for_in_the_mask(blobs: Blobs) -> None:
    """A mask that leaves out the largest difference gives the next."""
    ligand = blobs(BOX, blobs=LIGAND, weights=np.array([1.0]))
    small = blobs(BOX, blobs=-LIGAND, weights=np.array([0.5]))
    found = subtract_map(ligand + small, np.zeros_like(ligand), BOX / 2)
    mask = np.zeros_like(ligand)
    mask[:, :, : BOX // 2] = 1
    peak = find_peak(found, 1.0, 3.0, mask)
    assert peak.index == tuple(2 * (BOX // 2) - i for i in LIGAND_VOXEL)
    assert peak.significance is None


def test_band_limit_leaves_out_fine_detail(blobs: Blobs) -> None:
    """Half maps that agree to a shell, or a limit that is coarser, end the band there."""
    density = blobs(BOX, width=1.5)
    first, second = noisy_halves(density, 7), noisy_halves(density, 8)
    pairs = (first, second)
    by_halves = subtract_map(mean(first), mean(second), BOX / 2, halves=pairs)
    assert 8 <= by_halves.last_shell < BOX / 2
    assert subtract_map(mean(first), mean(second), 5.0, halves=pairs).last_shell == 5


def test_merging_takes_the_maximum_from_zero() -> None:
    """Negative density counts as none, or by its absolute value if that is asked for."""
    first = np.array([[[1.0, -5.0], [-2.0, 3.0]]] * 2, np.float32)
    second = np.array([[[2.0, -4.0], [-3.0, 1.0]]] * 2, np.float32)
    np.testing.assert_array_equal(merge_maxima([first, second])[0], [[2, 0], [0, 3]])
    absolute = merge_maxima([first, second], absolute=True)
    np.testing.assert_array_equal(absolute[0], [[2, 5], [3, 3]])
    with pytest.raises(ValueError, match="no map"):
        merge_maxima([])
