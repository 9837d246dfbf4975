"""Coordinates in a subspace, real axes, and axes of one part each."""

from __future__ import annotations

import numpy as np

from cryofocus.inference.deviations.subspace import Subspace
from cryofocus.inference.factors.moments import Moments
from cryofocus.inference.variability.latent import (
    count_real_axes,
    localise,
    locate_particles,
    log_evidence,
    nested_evidence,
    strongest_first,
    voxel_variance,
)
from cryofocus.maths.filters import lowpass
from planted import BOX, plant, prepare
from samples import PIXEL_SIZE


def draw_moments(
    coordinates: np.ndarray, information: np.ndarray, rng: np.random.Generator
) -> Moments:
    """Moments of particles at known coordinates: b = A x + noise of variance A, A diagonal."""
    n = len(coordinates)
    scale = information * rng.uniform(0.5, 1.5, (n, 1))
    linear = scale * coordinates + np.sqrt(scale) * rng.standard_normal(coordinates.shape)
    return Moments(linear, scale[:, :, None] * np.eye(coordinates.shape[1]))


def make_subspace(coordinates: np.ndarray, information: np.ndarray) -> Subspace:
    """A subspace whose two first axes act on different halves of a small box."""
    rng = np.random.default_rng(1)
    moments = draw_moments(coordinates, information, rng)
    q = len(information)
    deviations = np.zeros((q, 4, 4, 4), np.float32)
    for axis in range(q):
        deviations[axis, axis % 4] = 1 + rng.random((4, 4))
    return Subspace(deviations, moments.linear, moments.quadratic, information, 1)


def test_posterior_has_unit_total_variance() -> None:
    """The spread of posterior means and their own variance add up to the coordinates' variance."""
    x = np.random.default_rng(2).standard_normal((4000, 2))
    subspace = make_subspace(x, np.array([4.0, 0.5]))
    found = locate_particles(subspace)
    total = found.mean.var(axis=0) + found.variance.mean(axis=0)
    np.testing.assert_allclose(total, 1.0, atol=0.05)
    z = (found.mean - x) / np.sqrt(found.variance)
    np.testing.assert_allclose(z.std(axis=0), 1.0, atol=0.05)


def first_axes(moments: Moments, which: slice) -> Moments:
    """What is said of some of the axes."""
    return Moments(moments.linear[:, which], moments.quadratic[:, which, which])


def test_gains_tell_axes_from_noise() -> None:
    """An axis along which particles differ gains evidence, any other gains none."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((600, 3)) * np.array([1.0, 1.0, 0.0])
    moments = draw_moments(x, np.array([3.0, 1.0, 0.5]), rng)
    evidence = nested_evidence(moments)
    gain = np.diff(evidence.sum(axis=1))
    error = np.diff(evidence, axis=0).std(axis=1) * np.sqrt(len(x))
    assert (gain[:2] > 5 * error[:2]).all()
    assert gain[2] < 3
    # Coordinates of unit variance, as here, leave nothing to fit.
    both = first_axes(moments, slice(2))
    fixed = log_evidence(both.linear, both.quadratic).sum()
    np.testing.assert_allclose(gain[:2].sum(), fixed, rtol=0.05)
    assert count_real_axes([moments, moments]) == 2
    assert count_real_axes([first_axes(moments, slice(2, None))] * 2) == 0


def test_axes_that_noise_made_too_long_are_real() -> None:
    """Particles that vary along an axis by half of what it was fitted to do vary."""
    rng = np.random.default_rng(5)
    moments = draw_moments(0.5 * rng.standard_normal((2000, 2)), np.array([2.0, 2.0]), rng)
    assert log_evidence(moments.linear, moments.quadratic).sum() < 0
    assert count_real_axes([moments, moments]) == 2


def test_weak_axes_count_together() -> None:
    """Variation that is spread over several axes is found, if none of them shows it alone."""
    rng = np.random.default_rng(11)
    halves = [draw_moments(rng.standard_normal((600, 6)), np.full(6, 0.17), rng) for _ in range(2)]
    assert count_real_axes([first_axes(half, slice(1)) for half in halves]) == 0
    assert count_real_axes(halves) >= 3


def test_a_common_offset_is_no_variation() -> None:
    """Particles that all lie in one place off the consensus do not differ."""
    rng = np.random.default_rng(6)
    moments = draw_moments(np.full((2000, 2), 0.7), np.array([2.0, 1.0]), rng)
    assert count_real_axes([moments, moments]) == 0


def test_noise_seldom_makes_an_axis() -> None:
    """Of twenty sets of particles that do not differ, none has an axis."""
    rng = np.random.default_rng(7)
    information = np.array([2.0, 1.0, 0.7, 0.5])
    counts = [
        count_real_axes([draw_moments(np.zeros((200, 4)), information, rng) for _ in range(2)])
        for _ in range(20)
    ]
    assert counts == [0] * 20


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
