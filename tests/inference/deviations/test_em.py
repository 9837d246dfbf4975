"""Expectation maximisation: invariants, controls and the planted truth."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.special import expit

from cryofocus.errors import FormatError
from cryofocus.inference.comparison import RunPlan
from cryofocus.inference.cycles import CycleRecord, Outcome, judge
from cryofocus.inference.deviations import em
from cryofocus.inference.deviations.comparison import ResidualComparison
from cryofocus.inference.deviations.deviation import DeviationPrior
from cryofocus.inference.deviations.likelihood import sum_slices
from cryofocus.inference.deviations.mixture import fit_mixture
from cryofocus.inference.deviations.subspace import fit_subspace
from cryofocus.inference.driver import Run, pack_runs, unpack_runs
from cryofocus.maths.statistics import posterior_kappa
from planted import KERNELS, Planted, plant, prepare

TOLERANCE = 1e-3
FIELDS = ("posteriors", "coefficients", "support", "mixing", "log_evidence")


def random_posteriors(n: int, n_classes: int, seed: int) -> np.ndarray:
    """Return undecided starting posteriors."""
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 5.0), n)


@cache
def run(planted: Planted, seed: int, n_classes: int = 2, n_climbs: int = 8) -> Run[em.EmState]:
    """Start at random and go through the prior's cycles and a few more."""
    problem, _ = prepare(planted)
    state = em.init(problem, random_posteriors(len(planted.labels), n_classes, seed))
    return cycle(problem, Run(state), em.PRIOR_CYCLES + n_climbs)


def cycle(problem: em.FocusProblem, run: Run[em.EmState], n_cycles: int) -> Run[em.EmState]:
    """Do some cycles."""
    for _ in range(n_cycles):
        state, record = em.step(problem, run.state)
        run = Run(state, run.history if record is None else (*run.history, record))
    return run


def outcome(run: Run[em.EmState], max_cycles: int, tolerance: float) -> Outcome:
    """Judge a run."""
    return judge(run.history, run.state.posteriors, max_cycles, tolerance)


def classify(planted: Planted, seed: int = 0) -> Run[em.EmState]:
    """Subspace, mixture and EM until it ends, as the classifier does."""
    problem, _ = prepare(planted)
    generator = np.random.default_rng(seed)
    prior = DeviationPrior(problem.spectrum.spectrum, problem.support, np.eye(1))
    subspace = fit_subspace(problem.statistics, problem.space, prior, generator)
    run = Run(em.init(problem, fit_mixture(subspace, 2, generator).posteriors))
    while outcome(run, 60, TOLERANCE) is Outcome.UNFINISHED:
        run = cycle(problem, run, 1)
    return run


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_log_posterior_never_falls(seed: int, n_classes: int) -> None:
    """With the prior fixed no cycle lowers the log-posterior, from any start."""
    scores = [record.objective for record in run(plant(), seed, n_classes).history]
    assert (np.diff(scores) >= -1e-6 * np.abs(scores[-1])).all()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_posteriors_sum_to_one(n_classes: int) -> None:
    """Every particle is somewhere, in every cycle's records too."""
    found = run(plant(), 0, n_classes)
    np.testing.assert_allclose(found.state.posteriors.sum(axis=1), 1)
    assert (found.state.posteriors >= 0).all()
    for record in found.history:
        np.testing.assert_allclose(sum(record.class_weights), 1)


def test_permuting_classes_permutes_the_result() -> None:
    """Class numbers mean nothing: a start with classes swapped ends with classes swapped."""
    problem, _ = prepare(plant())
    start = random_posteriors(len(plant().labels), 2, 0)
    first, second = (em.init(problem, p) for p in (start, start[:, ::-1].copy()))
    for _ in range(3):
        first, second = (em.step(problem, state)[0] for state in (first, second))
    np.testing.assert_allclose(first.posteriors, second.posteriors[:, ::-1], atol=0.01)


def test_sums_over_parts_of_the_data_add_up() -> None:
    """Class sums of two parts of the particles, added, are those of all."""
    problem, _ = prepare(plant())
    statistics = problem.statistics.whole()
    posteriors = random_posteriors(len(statistics), 2, 1)
    whole = sum_slices(statistics, posteriors, posteriors, KERNELS)
    parts = [
        sum_slices(statistics.take(which), posteriors[which], posteriors[which], KERNELS)
        for which in np.array_split(np.random.default_rng(0).permutation(len(statistics)), 2)
    ]
    both = parts[0] + parts[1]
    for name in ("data", "precision"):
        expected = getattr(whole, name)
        found = getattr(both, name)
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_run_says_how_it_ended() -> None:
    """A run that has settled is told apart from one that was cut off."""
    assert outcome(classify(plant()), 60, TOLERANCE) is Outcome.CONVERGED
    early = run(plant(), 0, n_climbs=1)
    assert outcome(early, 60, 1e-9) is Outcome.UNFINISHED
    assert outcome(early, 1, 1e-9) is Outcome.AT_THE_LIMIT
    assert not Outcome.AT_THE_LIMIT.is_converged


def test_a_run_that_settled_in_one_class_has_collapsed() -> None:
    """Posteriors at rest with all particles in one class have converged to none."""
    history = (CycleRecord(0.0, 0.0, (0.6, 0.2, 0.2)),) * 2
    for weights, expected in (
        ((0.99, 0.005, 0.005), Outcome.COLLAPSED),
        ((0.5, 0.495, 0.005), Outcome.CONVERGED),
    ):
        found = judge(history, np.tile(weights, (4, 1)), 30, TOLERANCE)
        assert found is expected
        assert found.is_converged


def test_the_prior_is_learnt_before_a_run_can_end() -> None:
    """Cycles that still change the prior leave nothing by which a run could have converged."""
    problem, _ = prepare(plant())
    start = em.init(problem, random_posteriors(len(plant().labels), 2, 0))
    learnt = cycle(problem, Run(start), em.PRIOR_CYCLES)
    assert learnt.history == ()
    assert outcome(learnt, 1, 0.99) is Outcome.UNFINISHED
    assert len(cycle(problem, learnt, 1).history) == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_random_starts_find_faint_classes(seed: int) -> None:
    """Wide cycles let deviations grow out of random posteriors before the prior is learnt."""
    planted = plant(1200, noise_sd=24.0)
    problem, _ = prepare(planted)
    comparison = ResidualComparison(problem, RunPlan(2, "random", seed))
    state = comparison.start(0)
    assert state.n_prior_cycles == -em.WIDE_CYCLES
    for _ in range(em.WIDE_CYCLES):
        assert state.spectrum.amplitude == problem.spectrum.widened().amplitude
        state, record = comparison.step(state)
        assert record is None
    assert state.spectrum == problem.spectrum
    going = cycle(problem, Run(state), em.PRIOR_CYCLES + 3)
    assert len(going.history) == 3
    reached = cycle(problem, Run(em.init(problem, np.eye(2)[planted.labels])), em.PRIOR_CYCLES + 3)
    kappas = [posterior_kappa(one.state.posteriors, planted.labels) for one in (going, reached)]
    assert abs(kappas[0] - kappas[1]) < 0.1


@pytest.mark.parametrize("n_steps", [0, 3, em.PRIOR_CYCLES + 1])
def test_a_checkpoint_continues_bit_for_bit(n_steps: int) -> None:
    """A run packed and unpacked at any point goes on exactly as it would have."""
    problem, _ = prepare(plant())
    start = em.init(problem, random_posteriors(len(plant().labels), 2, 0))
    going = cycle(problem, Run(start), n_steps)
    comparison = ResidualComparison(problem, RunPlan(2, "subspace", 1))
    _, resumed = unpack_runs(comparison, pack_runs(comparison, [run(plant(), 1), going]))
    going, resumed = cycle(problem, going, 1), cycle(problem, resumed, 1)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(resumed.state, name), getattr(going.state, name))
    assert resumed.history == going.history
    assert resumed.state.n_prior_cycles == going.state.n_prior_cycles
    assert resumed.state.objective == going.state.objective
    np.testing.assert_array_equal(resumed.state.spectrum.spectrum, going.state.spectrum.spectrum)


def test_a_checkpoint_of_another_version_is_refused() -> None:
    """What is missing is named, and what to do."""
    problem, _ = prepare(plant())
    comparison = ResidualComparison(problem, RunPlan(2, "subspace", 1))
    arrays = pack_runs(comparison, [run(plant(), 1)])
    del arrays["run0_history_objective"]
    with pytest.raises(FormatError, match="found no 'objective'; expected one of this version"):
        unpack_runs(comparison, arrays)


def test_a_cycle_leaves_its_state_alone() -> None:
    """A cycle returns a new state and writes into no array of the old one."""
    problem, _ = prepare(plant())
    state = run(plant(), 0).state
    before = {name: getattr(state, name).copy() for name in FIELDS}
    em.step(problem, state)
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(state, name), array)


@pytest.mark.parametrize(("noise_sd", "share"), [(8.0, 0.97), (30.0, 0.92)])
def test_the_planted_classes_are_found(noise_sd: float, share: float) -> None:
    """Classes are found to a stated share of what the Bayes classifier reaches on the images."""
    planted = plant(noise_sd=noise_sd)
    known = expit(planted.oracle)
    limit = posterior_kappa(np.stack([1 - known, known], axis=1), planted.labels)
    posteriors = classify(planted).state.posteriors
    found = abs(posterior_kappa(posteriors, planted.labels))  # Either class may come first.
    assert found > share * limit
    assert abs(posteriors.max(axis=1).mean() - (1 + found) / 2) < 0.05


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("seed", [1, 2])
def test_noise_has_no_classes(seed: int, n_classes: int) -> None:
    """Images without signal leave every particle near even odds, however many classes."""
    planted = plant(noise_sd=1.0, seed=seed, signal=0.0)
    posteriors = run(planted, 0, n_classes).state.posteriors
    assert posteriors.max(axis=1).mean() <= 1 / n_classes + 0.05


def test_a_subspace_of_noise_has_no_classes() -> None:
    """Nor do the subspace and the mixture, which look for the largest deviations, find any."""
    assert classify(plant(noise_sd=1.0, signal=0.0)).state.posteriors.max(axis=1).mean() <= 0.55
