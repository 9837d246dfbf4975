"""Coordinates in a subspace, real axes, and axes of one part each."""

from __future__ import annotations

import numpy as np

from cryofocus.inference.deviations.subspace import Subspace
from cryofocus.inference.variability.latent import (
    axis_gains,
    count_real_axes,
    localise,
    locate_particles,
    log_evidence,
    strongest_first,
    voxel_variance,
)
from cryofocus.maths.filters import lowpass
from planted import BOX, plant, prepare
from samples import PIXEL_SIZE


def draw_moments(
    coordinates: np.ndarray, information: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Moments of particles at known coordinates: b = A x + noise of variance A, A diagonal."""
    n = len(coordinates)
    scale = information * rng.uniform(0.5, 1.5, (n, 1))
    linear = scale * coordinates + np.sqrt(scale) * rng.standard_normal(coordinates.shape)
    return linear, scale[:, :, None] * np.eye(coordinates.shape[1])


def make_subspace(coordinates: np.ndarray, information: np.ndarray) -> Subspace:
    """A subspace whose two first axes act on different halves of a small box."""
    rng = np.random.default_rng(1)
    linear, quadratic = draw_moments(coordinates, information, rng)
    q = len(information)
    deviations = np.zeros((q, 4, 4, 4), np.float32)
    for axis in range(q):
        deviations[axis, axis % 4] = 1 + rng.random((4, 4))
    return Subspace(deviations, linear, quadratic, information, 1)


def test_posterior_has_unit_total_variance() -> None:
    """The spread of posterior means and their own variance add up to the coordinates' variance."""
    x = np.random.default_rng(2).standard_normal((4000, 2))
    subspace = make_subspace(x, np.array([4.0, 0.5]))
    found = locate_particles(subspace)
    total = found.mean.var(axis=0) + found.variance.mean(axis=0)
    np.testing.assert_allclose(total, 1.0, atol=0.05)
    z = (found.mean - x) / np.sqrt(found.variance)
    np.testing.assert_allclose(z.std(axis=0), 1.0, atol=0.05)


def test_gains_tell_axes_from_noise() -> None:
    """An axis along which particles differ gains evidence, any other gains none."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((600, 3)) * np.array([1.0, 1.0, 0.0])
    linear, quadratic = draw_moments(x, np.array([3.0, 1.0, 0.5]), rng)
    gain, error = axis_gains(linear, quadratic)
    assert (gain[:2] > 5 * error[:2]).all()
    assert gain[2] < 3
    # Coordinates of unit variance, as here, leave nothing to fit.
    np.testing.assert_allclose(
        gain[:2].sum(), log_evidence(linear[:, :2], quadratic[:, :2, :2]).sum(), rtol=0.05
    )
    assert count_real_axes(linear, quadratic) == 2
    assert count_real_axes(linear[:, 2:], quadratic[:, 2:, 2:]) == 0


def test_axes_that_noise_made_too_long_are_real() -> None:
    """Particles that vary along an axis by half of what it was fitted to do vary."""
    rng = np.random.default_rng(5)
    x = 0.5 * rng.standard_normal((2000, 2))
    linear, quadratic = draw_moments(x, np.array([2.0, 2.0]), rng)
    assert log_evidence(linear, quadratic).sum() < 0
    assert count_real_axes(linear, quadratic) == 2


def test_a_common_offset_is_no_variation() -> None:
    """Particles that all lie in one place off the consensus do not differ."""
    rng = np.random.default_rng(6)
    linear, quadratic = draw_moments(np.full((2000, 2), 0.7), np.array([2.0, 1.0]), rng)
    assert count_real_axes(linear, quadratic) == 0


def test_noise_seldom_makes_an_axis() -> None:
    """Of thirty sets of particles that do not differ, none has an axis."""
    rng = np.random.default_rng(7)
    counts = [
        count_real_axes(*draw_moments(np.zeros((500, 4)), np.array([2.0, 1.0, 0.7, 0.5]), rng))
        for _ in range(30)
    ]
    assert counts == [0] * 30


def test_localised_axes_act_on_one_part_each() -> None:
    """Axes mixed by a rotation come back as they were; evidence and variance do not change."""
    x = np.random.default_rng(4).standard_normal((50, 3))
    pure = strongest_first(make_subspace(x, np.array([1.0, 2.0, 3.0])))
    assert (np.diff(pure.information) <= 0).all()
    cosine, sine = np.cos(0.6), np.sin(0.6)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    mixed = Subspace(
        np.concatenate([np.tensordot(turn.T, pure.deviations[:2], 1), pure.deviations[2:]]).astype(
            np.float32
        ),
        np.concatenate([pure.linear[:, :2] @ turn, pure.linear[:, 2:]], axis=1),
        pure.quadratic,
        pure.information,
        1,
    )
    mixed.quadratic[:, :2, :2] = turn.T @ pure.quadratic[:, :2, :2] @ turn
    found = localise(mixed, 2)
    reach = np.abs(found.deviations[:2].sum(axis=(2, 3)))
    moved = reach > 0.01 * reach.max()
    assert (moved.sum(axis=1) == 1).all()
    np.testing.assert_allclose(
        voxel_variance(found.deviations), voxel_variance(mixed.deviations), rtol=1e-4
    )
    np.testing.assert_allclose(
        log_evidence(found.linear, found.quadratic), log_evidence(mixed.linear, mixed.quadratic)
    )
    assert localise(mixed, 0) is mixed


def test_paste_undoes_cut() -> None:
    """A map inside the mask, cut out and put back, is the same map on the particle's grid."""
    planted = plant()
    problem, _ = prepare(planted)
    box = problem.statistics.box
    whole = lowpass(planted.difference, PIXEL_SIZE, 12.0)
    back = box.paste(box.cut(whole), BOX)
    assert np.corrcoef(back.ravel(), whole.ravel())[0, 1] > 0.99
    assert abs(float(back.max() / whole.max()) - 1) < 0.05
