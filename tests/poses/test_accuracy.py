"""How far off poses are is measured from gradients, and from images."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.poses.accuracy import estimate_accuracy, measure_accuracy

from .planted_poses import perturb, plant

KERNELS = CpuKernels(1)


Part = tuple[np.ndarray, np.ndarray]


def draw(angle_sd: float, shift_sd: float, n: int = 4000, level: float = 1.0) -> list[Part]:
    """Gradients of two parts of particles with known pose errors, under information of any shape.

    The noise may be stronger or weaker than the information says.
    """
    rng = np.random.default_rng(7)
    errors = rng.normal(size=(n, 5)) * np.array([angle_sd] * 3 + [shift_sd] * 2)
    parts = []
    for _ in range(2):
        factors = rng.normal(size=(n, 5, 5)) * np.array([40.0, 40.0, 40.0, 0.4, 0.4])
        information = np.swapaxes(factors, 1, 2) @ factors
        noise = level * np.einsum("nba,nb->na", factors, rng.normal(size=(n, 5)))
        parts.append((np.einsum("nab,nb->na", information, errors) + noise, information))
    return parts


@pytest.mark.parametrize("level", [0.7, 1.0, 1.5])
@pytest.mark.parametrize("degrees", [0.5, 3.0])
def test_the_spread_of_errors_is_found(degrees: float, level: float) -> None:
    """Standard deviations come out within a few per cent, whatever level the noise has."""
    accuracy = estimate_accuracy(*draw(np.radians(degrees), 2.0, level=level))
    assert accuracy.angle_sd_degrees == pytest.approx(degrees, rel=0.05)
    assert accuracy.shift_sd_angstrom == pytest.approx(2.0, rel=0.05)
    assert accuracy.angle_sd_degrees < accuracy.most_angle_degrees < 1.2 * degrees
    assert 0.8 * accuracy.excess < accuracy.sure_excess < accuracy.excess
    assert accuracy.is_limiting


@pytest.mark.parametrize("n", [60, 4000])
@pytest.mark.parametrize("level", [0.7, 1.0, 1.5])
def test_exact_poses_leave_nothing_but_noise(n: int, level: float) -> None:
    """Without errors nothing is complained of, in small sets and under noise told wrongly."""
    accuracy = estimate_accuracy(*draw(0.0, 0.0, n, level))
    assert not accuracy.is_limiting
    assert accuracy.sure_excess < 0.2
    assert accuracy.most_angle_degrees > accuracy.angle_sd_degrees


def test_particles_that_say_nothing_do_not_count() -> None:
    """No information on any pose is no error, and no division by zero."""
    parts = draw(np.radians(1.0), 2.0, n=500)
    nothing = np.zeros((500, 5)), np.zeros((500, 5, 5))
    padded = [
        tuple(np.concatenate(both) for both in zip(part, nothing, strict=True)) for part in parts
    ]
    assert estimate_accuracy(*padded) == estimate_accuracy(*parts)
    assert estimate_accuracy(nothing, nothing).excess == 0.0


def test_errors_are_seen_in_images() -> None:
    """Perturbed poses are noticed, exact ones are not."""
    planted = plant(400, 24, 2.0)
    half_set = (1 + np.arange(400) % 2).astype(np.int8)
    exact = estimate_consensus(planted.images.settled(), half_set, KERNELS)
    off = estimate_consensus(perturb(planted.images, 2.0, 2.0).settled(), half_set, KERNELS)
    assert not measure_accuracy(exact, half_set, 9, KERNELS).is_limiting
    accuracy = measure_accuracy(off, half_set, 9, KERNELS)
    assert accuracy.is_limiting
    assert accuracy.angle_sd_degrees == pytest.approx(2.0, rel=0.25)
    assert accuracy.shift_sd_angstrom == pytest.approx(2.0, rel=0.25)
