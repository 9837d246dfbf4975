"""How far off poses are is measured from gradients, and from images."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.poses.accuracy import estimate_accuracy, measure_accuracy

from .planted_poses import perturb, plant

KERNELS = CpuKernels(1)


def draw(angle_sd: float, shift_sd: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of particles with known pose errors, under Fisher information of any shape."""
    rng = np.random.default_rng(7)
    factors = rng.normal(size=(n, 5, 5)) * np.array([60.0, 60.0, 60.0, 0.6, 0.6])
    information = np.swapaxes(factors, 1, 2) @ factors
    errors = rng.normal(size=(n, 5)) * np.array([angle_sd] * 3 + [shift_sd] * 2)
    noise = np.einsum("nba,nb->na", factors, rng.normal(size=(n, 5)))
    return np.einsum("nab,nb->na", information, errors) + noise, information


@pytest.mark.parametrize("degrees", [0.5, 3.0])
def test_the_spread_of_errors_is_found(degrees: float) -> None:
    """Both standard deviations come out within three per cent for 4,000 particles."""
    accuracy = estimate_accuracy(*draw(np.radians(degrees), 2.0))
    assert accuracy.angle_sd_degrees == pytest.approx(degrees, rel=0.03)
    assert accuracy.shift_sd_angstrom == pytest.approx(2.0, rel=0.03)
    assert accuracy.is_limiting


def test_exact_poses_leave_nothing_but_noise() -> None:
    """Without errors the excess is zero within its own noise, and nothing is complained of."""
    accuracy = estimate_accuracy(*draw(0.0, 0.0))
    assert abs(accuracy.excess) < 4 * np.sqrt(10 / 4000)
    assert not accuracy.is_limiting


def test_particles_that_say_nothing_do_not_count() -> None:
    """No information on any pose is no error, and no division by zero."""
    gradient, information = draw(np.radians(1.0), 2.0, n=500)
    nothing = np.zeros((500, 5)), np.zeros((500, 5, 5))
    alone = estimate_accuracy(gradient, information)
    together = estimate_accuracy(
        np.concatenate([gradient, nothing[0]]), np.concatenate([information, nothing[1]])
    )
    assert together == alone
    assert estimate_accuracy(*nothing).excess == 0.0


def test_errors_are_seen_in_images() -> None:
    """Perturbed poses are noticed, exact ones are not."""
    planted = plant(400, 24, 2.0)
    half_set = (1 + np.arange(400) % 2).astype(np.int8)
    exact = estimate_consensus(planted.images.settled(), half_set, KERNELS)
    off = estimate_consensus(perturb(planted.images, 4.0, 4.0).settled(), half_set, KERNELS)
    assert not measure_accuracy(exact, 9, KERNELS).is_limiting
    accuracy = measure_accuracy(off, 9, KERNELS)
    assert accuracy.is_limiting
    assert accuracy.angle_sd_degrees == pytest.approx(4.0, rel=0.4)
    assert accuracy.shift_sd_angstrom == pytest.approx(4.0, rel=0.4)
