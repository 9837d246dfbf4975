"""What images are compared with: half maps without their noise, maps from elsewhere, the bound."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.consensus.noise.power import first_noise
from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.filters import filter_shells
from cryofocus.maths.fourier import forward_3d
from cryofocus.maths.shells import fourier_shell_correlation
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.poses.bound import median_errors, pose_bound
from cryofocus.poses.given_map import fit_map, mirrored
from cryofocus.poses.half_maps import denoise_half_maps, symmetrise
from cryofocus.poses.refine import refine_poses
from samples import correlation

from .planted_poses import perturb, plant

BOX, PIXEL = 32, 4.0
KERNELS = CpuKernels(1)


def noisy_halves(noise: float) -> tuple[np.ndarray, MapEstimate]:
    """The true map, and two copies of it with noise of its deviation times a factor."""
    volume = plant(2, BOX, 0.0).volume
    rng = np.random.default_rng(5)
    first, second = (
        np.asarray(volume + rng.normal(0, noise * volume.std(), volume.shape), np.float32)
        for _ in range(2)
    )
    fsc = fourier_shell_correlation(forward_3d(first), forward_3d(second), BOX)
    return volume, MapEstimate((first + second) / np.float32(2), (first, second), fsc)


def test_half_maps_lose_their_noise() -> None:
    """Filtered and weighted half maps are much nearer to the density, and empty far from it."""
    volume, estimate = noisy_halves(1.0)
    for raw, clean in zip(
        estimate.halves, denoise_half_maps(estimate.halves, estimate.fsc), strict=True
    ):
        assert np.linalg.norm(clean - volume) < 0.3 * np.linalg.norm(raw - volume)
        far = np.ones(volume.shape, bool)
        far[4:-4, 4:-4, 4:-4] = False
        assert np.abs(clean[far]).mean() < 0.05 * np.abs(raw[far]).mean()


def test_half_sets_do_not_see_each_other() -> None:
    """What half set 1 is compared with depends on the other half map through the FSC alone."""
    _, estimate = noisy_halves(1.0)
    first, second = estimate.halves
    ours = denoise_half_maps((first, second), estimate.fsc)[0]
    theirs = denoise_half_maps((first, np.roll(second, 3)), estimate.fsc)[0]
    np.testing.assert_array_equal(ours, theirs)


def test_half_maps_of_noise_become_nothing() -> None:
    """Maps that agree nowhere are no reference at all."""
    rng = np.random.default_rng(6)
    halves = (
        rng.normal(size=(BOX,) * 3).astype(np.float32),
        rng.normal(size=(BOX,) * 3).astype(np.float32),
    )
    fsc = fourier_shell_correlation(forward_3d(halves[0]), forward_3d(halves[1]), BOX)
    for clean in denoise_half_maps(halves, np.minimum(fsc, 0.1)):
        assert np.isfinite(clean).all()
        assert np.abs(clean).mean() < 0.05


def test_symmetrised_maps_are_symmetric_and_agree_better() -> None:
    """The mean over a group is the same after a turn, and half maps share less noise."""
    _, estimate = noisy_halves(2.0)
    made = symmetrise(estimate, OperatorSet.point_group("C2"), PIXEL)
    turned = made.full[:, :0:-1, :0:-1]
    # Noise at the Nyquist frequency does not survive a turn unchanged.
    assert correlation(made.full[:, 1:, 1:], turned) > 0.95
    assert correlation(estimate.full[:, 1:, 1:], estimate.full[:, :0:-1, :0:-1]) < 0.9
    assert made.fsc[3:7].mean() > estimate.fsc[3:7].mean()


def test_shells_of_a_given_map_are_brought_to_the_images() -> None:
    """Whatever factor a shell was multiplied by, and whatever sign, the images show it."""
    planted = plant(200, BOX, 1.0)
    curve = np.append(0.5 + 0.1 * np.arange(BOX // 2 + 1), 0.0)
    filtered = filter_shells(planted.volume, curve)
    noise = first_noise(planted.images)
    fit = fit_map(planted.images, filtered, noise, KERNELS)
    np.testing.assert_allclose(fit.factors[1:8], 1 / curve[1:8], rtol=0.1)
    assert fit.n_shells >= 8
    assert not fit.is_inverted
    dark = fit_map(planted.images, -filtered, noise, KERNELS)
    assert dark.is_inverted
    for flipped in mirrored(planted.volume):
        assert fit_map(planted.images, flipped, noise, KERNELS).gain < 0.5 * fit.gain


def test_factors_fall_where_poses_are_off() -> None:
    """Images at poses off by 10 degrees show less of fine detail than of coarse."""
    planted = plant(200, BOX, 0.5)
    noise = first_noise(planted.images)
    exact = fit_map(planted.images, planted.volume, noise, KERNELS)
    off = fit_map(perturb(planted.images, 10, 4), planted.volume, noise, KERNELS)
    share = off.factors / exact.factors
    assert share[8] < 0.7 * share[2]


@pytest.mark.parametrize("box", [24, 25])
def test_no_refinement_beats_the_bound(box: int) -> None:
    """With the true map, refined poses are as good as the bound says, and not better."""
    planted = plant(300, box, 1.0)
    bound = median_errors(pose_bound(planted.images, planted.volume, KERNELS, np.arange(300)))
    found = refine_poses(perturb(planted.images, 2, 2), planted.model(box // 2), KERNELS)
    expected = median_errors(found.covariance)
    np.testing.assert_allclose(bound, expected, rtol=0.2)


def test_median_errors_are_those_of_the_covariance() -> None:
    """Of unit variances: the medians of chi with three and with two degrees of freedom."""
    angle, shift = median_errors(np.tile(np.eye(5), (20_000, 1, 1)))
    assert np.radians(angle) == pytest.approx(1.538, rel=0.02)
    assert shift == pytest.approx(1.177, rel=0.02)
