"""The coarse problem of early cycles tells what the whole one tells in the same shells."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cryofocus.execution.serial import Serial
from cryofocus.inference.comparison import RunPlan
from cryofocus.inference.deviations import em, sharded_statistics
from cryofocus.inference.deviations.comparison import ResidualComparison
from cryofocus.inference.deviations.deviation import DeviationPrior
from cryofocus.inference.deviations.focus import CoarsePart, FocusStatistics
from cryofocus.inference.deviations.problem import COARSE_SHARE, FocusProblem
from cryofocus.inference.deviations.sharded_statistics import ShardedStatistics, hold
from cryofocus.inference.driver import Run, finish_run, pack_runs, unpack_runs
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.inference.strategy import Start
from cryofocus.kernels.bfloat16 import decode, encode
from cryofocus.maths.fourier import forward_3d, resize_volume
from cryofocus.maths.statistics import posterior_kappa
from planted import KERNELS, plant, prepare


@cache
def both() -> tuple[FocusProblem, FocusProblem]:
    """Return the whole problem and the coarse one."""
    problem, _ = prepare(plant())
    coarse = problem.coarsened()
    assert coarse is not None
    return problem, coarse


def narrowed() -> ShardedStatistics:
    """Return the statistics of the coarse shells in the whole problem's small box."""
    (problem, coarse), part = both(), coarse_part()
    same_box = replace(part, box=problem.space.box)
    assert part.box.diameter == coarse.space.box.diameter < problem.space.box.diameter
    return hold(problem.statistics.whole().coarsened(same_box), KERNELS)


def coarse_part() -> CoarsePart:
    """Return the part of the whole problem's band that the coarse one has."""
    problem, coarse = both()
    statistics = problem.statistics
    return CoarsePart.of(statistics.box, statistics.band, coarse.statistics.band.n_shells)


def sample(problem: FocusProblem, n: int) -> np.ndarray:
    """Draw deviations from the prior."""
    edge = problem.space.box.edge
    noise = np.random.default_rng(5).standard_normal((n, edge, edge, edge)).astype(np.float32)
    prior = DeviationPrior(problem.spectrum.spectrum, problem.support, np.eye(n))
    return problem.space.expand((forward_3d(noise) / edge**1.5).astype(np.complex64), prior)


def test_most_of_what_is_expected_is_kept() -> None:
    """Deviations drawn from the prior tell about as much of an image as was to be kept."""
    problem, coarse = both()
    assert coarse.statistics.band.n_shells < problem.statistics.band.n_shells - 1
    grid = problem.space.to_grid(sample(problem, 8))
    kept, whole = (
        np.trace(one.latent_moments(grid)[1].mean(axis=0))
        for one in (narrowed(), problem.statistics)
    )
    assert COARSE_SHARE - 0.1 < kept / whole < 0.99


def test_fewer_voxels_tell_the_same_of_a_deviation() -> None:
    """What the coarse shells say of a deviation does not depend on how finely it is sampled."""
    problem, coarse = both()
    deviations = sample(coarse, 4)
    edge, finer = coarse.space.box.diameter, problem.space.box.diameter
    fine = np.stack([resize_volume(one, finer) for one in deviations])
    fine *= np.float32((edge / finer) ** 3)
    expected = narrowed().class_log_likelihoods(problem.space.to_grid(fine))
    found = coarse.statistics.class_log_likelihoods(coarse.space.to_grid(deviations))
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()


def test_the_prior_expects_the_same_of_fewer_voxels() -> None:
    """Deviations drawn from either prior tell as much in the shells that both have."""
    problem, coarse = both()
    of_fine = narrowed().latent_moments(problem.space.to_grid(sample(problem, 60)))[1]
    grid = coarse.space.to_grid(sample(coarse, 60))
    of_coarse = coarse.statistics.latent_moments(grid)[1]
    fine, found = (np.trace(one.mean(axis=0)) for one in (of_fine, of_coarse))
    assert found == pytest.approx(fine, rel=0.25)


def test_a_spectrum_carried_over_is_the_same_where_both_have_shells() -> None:
    """Amplitude and tilt mean the same in a problem of more shells."""
    problem, coarse = both()
    tilted = replace(coarse.spectrum, amplitude=-2.0, slope=1.5)
    finer = tilted.carried_over(problem.spectrum.base)
    n = len(tilted.base)
    ratio = tilted.spectrum / finer.spectrum[:n]
    np.testing.assert_allclose(ratio, coarse.spectrum.base / problem.spectrum.base[:n])
    assert len(finer.spectrum) == len(problem.spectrum.base) > n


def test_nothing_is_coarse_where_the_last_shells_tell_most() -> None:
    """Where hardly a shell could be left out, there is no coarse problem."""
    problem, _ = both()
    base = np.exp(np.arange(len(problem.spectrum.base), dtype=float))
    steep = replace(problem, spectrum=replace(problem.spectrum, base=base))
    assert steep.coarsened() is None


def test_ranges_make_the_same_coarse_statistics() -> None:
    """Wherever particles lie, and however many lie together."""
    problem, coarse = both()
    executor, held = Serial(3), problem.statistics
    ranges = executor.ranges(len(held))
    shards = [held.whole().take(np.arange(rows.start, rows.stop)) for rows in ranges]
    parts = replace(held, shards=executor.place(shards, ranges), executor=executor)
    n_shells = coarse.statistics.band.n_shells
    grid = coarse.space.to_grid(sample(coarse, 2))
    expected = coarse.statistics.class_log_likelihoods(grid)
    found = parts.coarsened(n_shells).class_log_likelihoods(grid)
    np.testing.assert_array_equal(found, expected)


def test_half_the_bytes_stay_half_the_bytes() -> None:
    """Statistics in 16 bits are taken as they are, into arrays that the caller makes."""
    whole, part = both()[0].statistics.whole(), coarse_part()
    stored = replace(whole, data=encode(whole.data), precision=encode(whole.precision))
    made: list[np.ndarray] = []

    def allocate(shape: tuple[int, ...], kind: type) -> np.ndarray:
        made.append(np.empty(shape, kind))
        return made[-1]

    half: FocusStatistics = replace(stored, compared=stored.data).coarsened(part, allocate)
    plain = whole.coarsened(part)
    assert half.compared is half.data
    assert half.data is made[0]
    assert half.precision is made[1]
    assert half.precision.dtype == np.uint16
    np.testing.assert_allclose(decode(half.precision), plain.precision, rtol=0.01)


@pytest.mark.parametrize("start", ["subspace", "random"])
def test_early_cycles_lead_where_all_cycles_lead(start: Start) -> None:
    """Runs end with the same classes, whether or not their first cycles leave shells out."""
    planted = plant(600, noise_sd=24.0)
    problem, _ = prepare(planted)
    coarse = problem.coarsened()
    assert coarse is not None
    settings = ClassifierSettings(n_classes=2)
    plan = RunPlan(2, start, 1)
    kappas = []
    for early in (None, coarse):
        comparison = ResidualComparison(problem, plan, coarse=early)
        run = finish_run(comparison, settings, Run(comparison.start(0)), lambda *_, **__: None)
        assert run.state.support.shape == problem.support.shape
        kappas.append(abs(posterior_kappa(run.state.posteriors, planted.labels)))
    assert kappas[0] > 0.5
    assert kappas[1] == pytest.approx(kappas[0], abs=0.03)


@pytest.mark.parametrize("n_steps", [2, em.EARLY_CYCLES])
@pytest.mark.parametrize("refines", [False, True])
def test_a_checkpoint_of_an_early_cycle_continues_bit_for_bit(
    n_steps: int, *, refines: bool
) -> None:
    """A run packed before, or right after, its problem gets finer goes on as it would have."""
    problem, coarse = both()
    comparison = ResidualComparison(problem, RunPlan(2, "subspace", 1), coarse=coarse)
    state = comparison.begin(np.random.default_rng(2).dirichlet([5.0, 5.0], len(plant().labels)))
    if refines:
        state = comparison.begin_refining(state)
    for _ in range(n_steps):
        state, _ = comparison.step(state)
    (resumed,) = unpack_runs(comparison, pack_runs(comparison, [Run(state)]))
    going, again = (comparison.step(one)[0] for one in (state, resumed.state))
    for name in ("posteriors", "coefficients", "support"):
        np.testing.assert_array_equal(getattr(again, name), getattr(going, name))
    np.testing.assert_array_equal(again.spectrum.spectrum, going.spectrum.spectrum)


def test_early_statistics_are_let_go_when_they_have_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the last early cycle, and once particles are copied, pages of files are given back."""
    problem, coarse = both()
    given_back: list[np.ndarray] = []
    monkeypatch.setattr(sharded_statistics, "let_go", given_back.append)
    comparison = ResidualComparison(problem, RunPlan(2, "subspace", 1), coarse=coarse)
    state = comparison.begin(np.random.default_rng(2).dirichlet([5.0, 5.0], len(plant().labels)))
    while state.is_early:
        assert not given_back
        state, _ = comparison.step(state)
    statistics = coarse.statistics.whole()
    expected = [statistics.data, statistics.compared, statistics.precision]
    assert [id(one) for one in given_back] == [id(one) for one in expected]
    given_back.clear()
    coarse.statistics.take(np.arange(7))
    assert [id(one) for one in given_back] == [id(one) for one in expected]
