"""Sums of slices brought up to date by what has moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cryofocus.inference.deviations import incremental
from cryofocus.inference.deviations import sharded_statistics as spread_statistics
from cryofocus.inference.deviations.deviation import DeviationPrior
from cryofocus.inference.deviations.incremental import insert
from cryofocus.inference.deviations.likelihood import sum_slices
from cryofocus.inference.deviations.prior import contrasts
from planted import plant, prepare


@pytest.fixture
def inserted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many particles each pass inserts."""
    passes: list[int] = []

    def counted(statistics: Any, data: np.ndarray, precision: np.ndarray, kernels: Any) -> Any:
        passes.append(int(data.any(axis=1).sum()))
        return sum_slices(statistics, data, precision, kernels)

    monkeypatch.setattr(spread_statistics, "sum_slices", counted)
    return passes


def cycles(n: int, n_cycles: int, n_moving: int) -> list[np.ndarray]:
    """Posteriors of three classes, one of them rare; all settle but the first few particles."""
    rng = np.random.default_rng(5)
    posteriors = rng.dirichlet([1.0, 1.0, 0.05], n)
    result = [posteriors]
    for _ in range(n_cycles - 1):
        posteriors = posteriors.copy()
        posteriors[:n_moving] = rng.dirichlet([1.0, 1.0, 0.05], n_moving)
        # What settles goes on moving by less than counts.
        posteriors[n_moving:, :2] += 1e-8 * rng.standard_normal((n - n_moving, 1)) * [1, -1]
        result.append(posteriors)
    return result


def maps(sums: Any, prior: Any, problem: Any) -> np.ndarray:
    """Solve for the deviations that some sums stand for."""
    solution = problem.space.solve(sums, prior, tolerance=1e-7, max_steps=200)
    return np.asarray(problem.space.expand(solution.coefficients, prior))


def test_maps_are_those_of_a_full_pass(inserted: list[int]) -> None:
    """After many cycles, in which few particles move, maps equal a full pass's to 1e-5."""
    problem, _ = prepare(plant())
    kept = None
    for posteriors in cycles(len(problem.statistics), 12, n_moving=20):
        kept = insert(problem.statistics, posteriors, kept)
    assert kept is not None
    assert inserted == [len(problem.statistics)] + [20] * 11
    prior = DeviationPrior(
        problem.spectrum.spectrum, problem.support, contrasts(posteriors.mean(axis=0))
    )
    ours = maps(kept.sums, prior, problem)
    full = maps(problem.statistics.sum_slices(posteriors, posteriors), prior, problem)
    for one, other in zip(ours, full, strict=True):
        assert np.linalg.norm(one - other) < 1e-5 * np.linalg.norm(other)


def test_what_is_left_out_is_bounded() -> None:
    """No weight in the sums differs from its posterior by more than is negligible."""
    problem, _ = prepare(plant())
    kept = None
    for posteriors in cycles(len(problem.statistics), 6, n_moving=5):
        kept = insert(problem.statistics, posteriors, kept)
    assert kept is not None
    least = incremental.NEGLIGIBLE * posteriors.mean(axis=0)
    rounding = np.finfo(np.float32).eps
    assert (abs(kept.weights - posteriors) <= least + rounding * posteriors).all()


def test_a_pass_is_as_large_as_what_moves(inserted: list[int]) -> None:
    """Nothing is inserted again where nothing moves, everything where most do."""
    problem, _ = prepare(plant())
    first, still = cycles(len(problem.statistics), 2, n_moving=0)
    kept = insert(problem.statistics, first)
    insert(problem.statistics, still, kept)
    insert(problem.statistics, first[::-1].copy(), kept)
    assert inserted == [len(first), 0, len(first)]


def test_negligible_classes_are_not_inserted() -> None:
    """A particle's weight in a class it hardly belongs to is left out."""
    problem, _ = prepare(plant())
    n = len(problem.statistics)
    posteriors = np.tile([1 - 1e-9, 1e-9], (n, 1))
    posteriors[: n // 2] = [0.3, 0.7]
    weights = insert(problem.statistics, posteriors).weights
    assert (weights[n // 2 :, 1] == 0).all()
    assert (weights[: n // 2, 1] > 0).all()
