"""Difference maps: nothing where nothing differs, what differs where it does, and how surely."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cryofocus.maps.difference import (
    amplitude_scale,
    find_peak,
    merge_maxima,
    regression_residual,
    subtract_map,
)
from cryofocus.maths.filters import filter_shells
from cryofocus.maths.fourier import forward_3d
from cryofocus.maths.shells import shell_mean_3d

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


def points(box: int, *voxels: tuple[int, int, int]) -> np.ndarray:
    """Return a volume that is one at some voxels."""
    volume = np.zeros((box, box, box), dtype=np.float32)
    for voxel in voxels:
        volume[voxel] = 1.0
    return volume


@pytest.mark.parametrize("box", [16, 17])
def test_residual_ignores_filtering_and_scale(box: int) -> None:
    """A map that is the reference in another brightness leaves nothing."""
    reference = np.random.default_rng(1).standard_normal((box, box, box)).astype(np.float32)
    np.testing.assert_allclose(regression_residual(3 * reference, reference), 0.0, atol=2e-5)


@pytest.mark.parametrize("box", [16, 17])
def test_residual_keeps_nothing_of_the_reference(box: int) -> None:
    """In every shell the residual is uncorrelated with the reference: no ghost is left."""
    rng = np.random.default_rng(2)
    reference = rng.standard_normal((box, box, box)).astype(np.float32)
    noise = rng.standard_normal((box, box, box)).astype(np.float32)
    difference = forward_3d(regression_residual(0.5 * reference + 3 * noise, reference))
    common = shell_mean_3d((difference * forward_3d(reference).conj()).real, box)
    power = shell_mean_3d(np.abs(forward_3d(reference)) ** 2, box)
    np.testing.assert_allclose(common / power, 0.0, atol=1e-4)


def test_residual_shows_what_was_added() -> None:
    """A blob added to a much larger body comes back where it was, nearly at its strength."""
    body = np.random.default_rng(5).standard_normal((24, 24, 24)).astype(np.float32)
    change = regression_residual(body + points(24, (6, 8, 10)) * 50, body)
    assert np.unravel_index(int(change.argmax()), change.shape) == (6, 8, 10)
    assert float(change.max()) == pytest.approx(50.0, rel=0.05)


def test_residual_leaves_its_inputs_alone() -> None:
    """Neither map is changed."""
    volume = points(8, (4, 4, 4))
    reference = points(8, (3, 4, 4))
    regression_residual(volume, reference)
    np.testing.assert_array_equal(volume, points(8, (4, 4, 4)))
    np.testing.assert_array_equal(reference, points(8, (3, 4, 4)))


def test_residual_to_nothing_is_the_map() -> None:
    """A reference without power takes nothing away."""
    volume = np.random.default_rng(3).standard_normal((8, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(regression_residual(volume, points(8)), volume, atol=1e-6)
