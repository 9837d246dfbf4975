"""Regions among the particles that have another one, or lack it."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np

from cryofocus.covariance.conditional import Condition, Conditional, ask_conditions
from cryofocus.covariance.joint_states import JointStates, find_joint_states

N, R = 4000, 4


@cache
def truth() -> np.ndarray:
    """Two regions that only follow a third, and so seem coupled; one that needs the third."""
    generator = np.random.default_rng(3)
    third = generator.uniform(size=N) < 0.5
    often = np.where(third, 0.8, 0.2)
    followers = [generator.uniform(size=N) < often for _ in range(2)]
    needs = third & (generator.uniform(size=N) < 0.6)
    return np.stack([*followers, third, needs], axis=1)


@cache
def joint() -> JointStates:
    """What contents measured with errors half as large as themselves say of it."""
    generator = np.random.default_rng(4)
    noise = np.tile(0.2 * np.eye(R) + 0.05, (N, 1, 1))
    # Not multivariate_normal, whose numbers depend on the machine's SVD.
    error = generator.standard_normal((N, R)) @ np.linalg.cholesky(noise[0]).T
    found = find_joint_states(truth() - truth().mean(axis=0) + error, noise, np.ones(R, bool))
    assert found is not None
    return found


def ask(region: int, *, is_present: bool, inflation: float = 1.0) -> Conditional:
    (answer,) = ask_conditions(
        joint(),
        [Condition(region, is_present)],
        N,
        np.random.default_rng(5),
        inflation=inflation,
    )
    return answer


def test_regions_that_follow_a_third_are_independent_given_it() -> None:
    """Two regions with a correlation of 0.36 have none among particles with what they follow."""
    assert np.corrcoef(truth()[:, 0], truth()[:, 1])[0, 1] > 0.3
    for is_present in (True, False):
        answer = ask(2, is_present=is_present)
        assert answer.regions.tolist() == [0, 1, 3]
        assert abs(answer.correlation.value[0, 1]) < 0.12
        assert answer.correlation.low[0, 1] < 0 < answer.correlation.high[0, 1]


def test_intervals_hold_the_truth() -> None:
    """Shares and correlations of all conditions lie in their intervals, about as often as said."""
    inside = []
    for region in range(R):
        for is_present in (True, False):
            answer = ask(region, is_present=is_present)
            own = truth()[truth()[:, region] == is_present][:, answer.regions].astype(float)
            inside.append(answer.presence.low <= own.mean(axis=0) + 0.01)
            inside.append(own.mean(axis=0) - 0.01 <= answer.presence.high)
            for i, j in combinations(range(R - 1), 2):
                low, high = answer.correlation.low[i, j], answer.correlation.high[i, j]
                if np.isfinite(low) and own[:, [i, j]].std(axis=0).all():
                    true = np.corrcoef(own[:, i], own[:, j])[0, 1]
                    inside.append(np.array([low <= true <= high]))
    assert np.concatenate(inside).mean() > 0.85


def test_what_always_comes_along_correlates_with_nothing() -> None:
    """What a region needs is there in all particles with it: nothing is said, or nothing found."""
    answer = ask(3, is_present=True)
    assert answer.presence.value[2] > 0.97
    low, high = answer.correlation.low[2, :2], answer.correlation.high[2, :2]
    assert (np.isnan(low) | ((low < 0) & (high > 0))).all()
    assert np.isfinite(answer.correlation.value[0, 1])


def test_conditions_add_up() -> None:
    """Present and absent together are all particles."""
    with_it, without = ask(2, is_present=True), ask(2, is_present=False)
    assert abs(with_it.share.value + without.share.value - 1) < 1e-9
    both = [one.share.value * one.presence.value for one in (with_it, without)]
    whole = joint().probability @ joint().patterns
    np.testing.assert_allclose(sum(both), whole[[0, 1, 3]], atol=1e-9)


def test_of_few_particles_nothing_is_said() -> None:
    """The same shares of a hundred particles are those of too few."""
    (answer,) = ask_conditions(
        joint(), [Condition(2, is_present=True)], 100, np.random.default_rng(5)
    )
    assert answer.n_particles < 100
    for one in (answer.presence, answer.both, answer.correlation):
        assert np.isnan(one.value).all()


def test_an_uncertain_model_widens_intervals() -> None:
    """Four times the variance, twice the width."""
    narrow, wide = (ask(2, is_present=True, inflation=factor) for factor in (1.0, 4.0))
    widths = [one.presence.high - one.presence.low for one in (narrow, wide)]
    np.testing.assert_allclose(widths[1] / widths[0], 2, rtol=0.1)


def test_regions_wanted_are_among_the_combinations() -> None:
    """Of seven regions the worst measured is left out, unless it is asked for."""
    generator = np.random.default_rng(6)
    present = generator.uniform(size=(500, 7)) < 0.5
    deviation = np.array([0.2] * 6 + [0.4])
    noise = np.tile(np.diag(deviation**2), (500, 1, 1))
    values = present - 0.5 + deviation * generator.standard_normal((500, 7))
    plain, wanted = (
        find_joint_states(values, noise, np.ones(7, bool), given) for given in ((), (6,))
    )
    assert plain is not None
    assert wanted is not None
    assert 6 not in plain.regions
    assert 6 in wanted.regions
    assert len(wanted.regions) == 6
