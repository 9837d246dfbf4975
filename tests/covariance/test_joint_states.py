"""Combinations of regions, their probabilities, and the order in which regions appear."""

from __future__ import annotations

from functools import cache

import numpy as np

from cryofocus.covariance.joint_states import JointStates, find_joint_states

N, R = 4000, 4


@cache
def measure() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two nested regions, one that follows nobody, one independent; contents with known noise."""
    generator = np.random.default_rng(1)
    stage = generator.uniform(size=N)
    present = np.stack(
        [stage < 0.8, stage < 0.4, generator.uniform(size=N) < 0.5, np.ones(N, bool)], axis=1
    )
    factor = generator.standard_normal((N, R, R)) * generator.uniform(0.1, 0.3, (N, 1, 1))
    noise = factor @ np.swapaxes(factor, 1, 2) + 0.1 * np.eye(R)
    error = np.einsum("nij,nj->ni", np.linalg.cholesky(noise), generator.standard_normal((N, R)))
    return present, present - present.mean(axis=0) + error, noise


@cache
def found() -> JointStates:
    _, values, noise = measure()
    joint = find_joint_states(values, noise, np.array([True, True, True, False]))
    assert joint is not None
    return joint


def test_probabilities_are_the_true_shares() -> None:
    """Every combination's share lies in its interval, and near what was found."""
    present, _, _ = measure()
    joint = found()
    assert joint.regions.tolist() == [0, 1, 2]
    true = np.array([(present[:, :3] == pattern).all(axis=1).mean() for pattern in joint.patterns])
    np.testing.assert_allclose(joint.probability, true, atol=0.03)
    assert ((joint.low <= true + 1e-3) & (true <= joint.high)).mean() > 0.85
    assert joint.probability.sum() == np.float64(1) or abs(joint.probability.sum() - 1) < 1e-9


def test_what_never_occurs_is_rare() -> None:
    """The second region without the first has hardly any probability."""
    joint = found()
    alone = joint.patterns[:, 1] & ~joint.patterns[:, 0]
    assert joint.probability[alone].sum() < 0.03


def test_levels_are_one_apart() -> None:
    """Present and absent differ by the content of a region that is there or not."""
    np.testing.assert_allclose(np.diff(found().levels, axis=1), 1, atol=0.1)


def test_the_nested_region_comes_second() -> None:
    """The order has one step; the independent region is in none."""
    assert found().path() == [(0, 1)]


def test_steps_that_follow_from_others_are_left_out() -> None:
    """Of three nested regions each needs only the one before."""
    share = np.array([[0.0, 0.5, 0.7], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    joint = found()
    chain = JointStates(
        np.arange(3), joint.patterns, joint.probability, joint.low, joint.high, joint.errors,
        joint.levels, follows=share, follows_high=share + 0.05,
    )  # fmt: skip
    assert chain.path() == [(0, 1), (1, 2)]


def test_the_order_of_regions_is_no_matter() -> None:
    """Regions in another order have the same combinations."""
    _, values, noise = measure()
    order = np.array([2, 0, 1])
    other = find_joint_states(
        values[:, order], noise[:, order][:, :, order], np.array([True, True, True])
    )
    assert other is not None

    def shares(joint: JointStates, names: np.ndarray) -> dict[frozenset[int], float]:
        return {
            frozenset(names[pattern].tolist()): float(share)
            for pattern, share in zip(joint.patterns, joint.probability, strict=True)
        }

    plain, turned = shares(found(), np.arange(3)), shares(other, order)
    assert max(abs(plain[key] - turned[key]) for key in plain) < 5e-3


def test_one_region_has_no_combinations() -> None:
    """With fewer than two regions that vary there is nothing to combine."""
    _, values, noise = measure()
    assert find_joint_states(values, noise, np.array([True, False, False, False])) is None
