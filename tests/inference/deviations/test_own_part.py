"""What an image adds to its own comparison."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryofocus.inference.deviations import em
from cryofocus.inference.deviations.deviation import DeviationPrior
from cryofocus.inference.deviations.own_part import (
    gain_from_noise,
    measure_knowledge,
    observed_share,
    own_part,
)
from cryofocus.inference.deviations.prior import contrasts
from planted import plant, prepare

TIGHT = {"tolerance": 1e-5, "max_steps": 200}


def test_known_classes_miss_nothing() -> None:
    """With certain posteriors all information is observed; without a clue only the common part."""
    labels = np.random.default_rng(0).integers(0, 3, 200)
    certain, unknown = np.eye(3)[labels], np.tile(np.bincount(labels) / 200, (200, 1))
    mixing = contrasts(certain.mean(axis=0))
    np.testing.assert_allclose(observed_share(certain, mixing), 1)
    np.testing.assert_allclose(observed_share(unknown, mixing), [0, 0, 1], atol=1e-12)


@pytest.mark.parametrize("noise_sd", [24.0, 3.0])
def test_it_is_what_leaving_the_image_out_takes_away(noise_sd: float) -> None:
    """Maps of all other images say less for the class an image was in, by the own part on average.

    Of 40 images, whose noise makes the sum of what each loses vary by several per cent; also where
    images determine so much that few steps do not solve for it.
    """
    planted = plant(noise_sd=noise_sd)
    problem, _ = prepare(planted)
    posteriors = np.eye(2)[planted.labels]
    state = em.init(problem, posteriors)
    statistics, space, prior = problem.statistics, problem.space, state.prior
    power = statistics.kernel_power
    sums = statistics.sum_slices(posteriors, posteriors)
    known = measure_knowledge(space, sums, prior, posteriors, power)
    expected = own_part(known.uncertainty, prior.mixing, posteriors, power)

    def judge(weights: np.ndarray) -> np.ndarray:
        made = space.solve(statistics.sum_slices(weights, weights), prior, **TIGHT)
        return statistics.class_log_likelihoods(
            space.to_grid(space.expand(made.coefficients, prior))
        )

    whole, lost, foretold = judge(posteriors), 0.0, 0.0
    for i in range(40):
        without = posteriors.copy()
        without[i] = 0
        own, other = planted.labels[i], 1 - planted.labels[i]
        change = (whole - judge(without))[i]
        lost += change[own] - change[other]
        foretold += expected[i, own] - expected[i, other]
    assert lost > 0
    np.testing.assert_allclose(foretold, lost, rtol=0.3)


def test_numbering_of_classes_does_not_matter() -> None:
    """Classes swapped swap what is taken out."""
    rng = np.random.default_rng(1)
    mixing = contrasts(np.array([0.5, 0.3, 0.2]))
    posteriors, power = rng.dirichlet(np.ones(3), 20), rng.random((20, 4)).astype(np.float32)
    uncertainty, order = rng.random((3, 4)), [2, 0, 1]
    one = own_part(uncertainty, mixing, posteriors, power)
    other = own_part(uncertainty, mixing[order], posteriors[:, order], power)
    np.testing.assert_allclose(other, one[:, order])


def test_refined_cycles_keep_a_faint_class_and_say_what_is_right() -> None:
    """Plain cycles let the prior die in this noise; refined ones settle on the planted classes."""
    planted = plant(noise_sd=40.0)
    problem, _ = prepare(planted)
    undecided = np.random.default_rng(1).dirichlet(np.full(2, 5.0), len(planted.labels))
    start = 0.5 * undecided + 0.15 * np.eye(2)[planted.labels] + 0.175
    plain = em.init(problem, start)
    refined = em.begin_refining(problem, replace(plain, posteriors=start[::-1]))
    np.testing.assert_array_equal(refined.posteriors, start)
    for _ in range(em.PRIOR_CYCLES + 10):
        before = refined
        plain, refined = (em.step(problem, state)[0] for state in (plain, refined))
    assert np.abs(refined.posteriors - before.posteriors).max() < 1e-6
    assert plain.posteriors.max() < 0.6
    right = (refined.posteriors.argmax(axis=1) == planted.labels).mean()
    assert right > 0.85
    assert abs(refined.posteriors.max(axis=1).mean() - right) < 0.05


def test_heaps_made_at_random_gain_what_is_foretold() -> None:
    """Of 20 divisions that mean nothing none gains more, nor is far more foretold than gained."""
    planted = plant(noise_sd=64.0)
    problem, _ = prepare(planted)
    statistics, space = problem.statistics, problem.space
    spectrum, apart = 100 * problem.spectrum.widened().spectrum, np.array([[1.0], [-1.0]])
    prior = DeviationPrior(spectrum, problem.support, apart)
    rng, gains, bound = np.random.default_rng(8), [], 0.0
    for _ in range(20):
        # As many particles of each state in either heap.
        of_state = rng.permuted(np.tile([0, 1], (2, 75)), axis=1)
        heaps = np.eye(2)[of_state.T.ravel()]
        sums = statistics.sum_slices(heaps, heaps)
        bound = gain_from_noise(space, sums, prior, heaps, ((0,), (1,)))
        assert gain_from_noise(space, sums, prior, heaps, ((0,), (1,)), roughly=True) >= bound
        made = space.solve(sums, prior, **TIGHT).coefficients
        told = statistics.class_log_likelihoods(space.to_grid(space.expand(made, prior)))
        gains.append(float((heaps * told).sum()) - space.prior_cost(made))
    assert np.max(gains) < bound < 2 * np.mean(gains)


def test_less_is_owed_where_classes_are_not_known() -> None:
    """Posteriors that hardly tell two classes apart follow little noise; a class alone, none."""
    problem, _ = prepare(plant())
    statistics, space = problem.statistics, problem.space
    known = np.eye(2)[np.random.default_rng(9).integers(0, 2, len(statistics))]
    owed = []
    for sure in (1.0, 0.5, 0.1, 0.0):
        posteriors = 0.5 + sure * (known - 0.5)
        sums = statistics.sum_slices(posteriors, posteriors)
        prior = em.init(problem, posteriors).prior
        owed.append(gain_from_noise(space, sums, prior, posteriors, ((0,), (1,))))
        most = gain_from_noise(space, sums, prior, posteriors, ((0,), (1,)), roughly=True)
        assert most > 0.99 * owed[-1] - 1e-3
    assert owed[0] > owed[1] > owed[2] > owed[3]
    assert owed[3] < 1e-3 * owed[0]
