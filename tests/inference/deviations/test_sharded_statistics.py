"""Statistics in several ranges say what they say in one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import pytest
from jaxtyping import Bool

from cryofocus.consensus.band import Band
from cryofocus.consensus.half_grids import HalfGrids
from cryofocus.consensus.images import ParticleImages
from cryofocus.execution.serial import HERE, Serial
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.deviations import em
from cryofocus.inference.deviations.focus import FocusBox, FocusPlan, FocusStatistics
from cryofocus.inference.deviations.sharded_statistics import (
    ShardedStatistics,
    measure_statistics,
)
from cryofocus.inference.posterior import random_posteriors
from cryofocus.inference.result import ClassificationResult
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.filters import lowpass
from planted import KERNELS, N_SHELLS, plant, prepare
from samples import PIXEL_SIZE, ArrayReader


def divided(n_ranges: int) -> ShardedStatistics:
    """Return the planted statistics in so many ranges."""
    held = prepare(plant())[0].statistics
    executor = Serial(n_ranges)
    ranges = executor.ranges(len(held))
    shards = [held.whole().take(np.arange(rows.start, rows.stop)) for rows in ranges]
    return ShardedStatistics(
        held.box, held.band, held.scale, executor.place(shards, ranges), held.kernels, executor
    )


@pytest.mark.parametrize("n_ranges", [2, 5])
def test_any_division_gives_the_same_moments_and_sums(n_ranges: int) -> None:
    """Moments of a particle do not depend on its range; sums differ by rounding."""
    problem, _ = prepare(plant())
    rng = np.random.default_rng(3)
    d = problem.statistics.box.diameter
    grid = problem.space.to_grid(rng.standard_normal((2, d, d, d)).astype(np.float32))
    whole, parts = problem.statistics, divided(n_ranges)
    np.testing.assert_array_equal(
        parts.class_log_likelihoods(grid), whole.class_log_likelihoods(grid)
    )
    for found, expected in zip(
        parts.latent_moments(grid), whole.latent_moments(grid), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    weights = rng.random((len(whole), 2))
    found, expected = (s.sum_slices(weights, weights[:, :1]) for s in (parts, whole))
    for name in ("data", "precision"):
        a, b = getattr(found, name), getattr(expected, name)
        assert np.abs(a - b).max() < 1e-6 * np.abs(b).max()


CHOSEN = {
    "none": np.arange(0),
    "one": np.array([207]),
    "all in one range": np.arange(70, 110),
    "all but one range": np.r_[0:60, 120:300],
}


@pytest.mark.parametrize("which", CHOSEN.values(), ids=CHOSEN)
def test_ranges_may_hold_none_of_those_chosen(which: np.ndarray) -> None:
    """Some of the particles say what they say in one range, wherever they lie."""
    problem, _ = prepare(plant())
    d = problem.statistics.box.diameter
    deviations = np.random.default_rng(3).standard_normal((2, d, d, d)).astype(np.float32)
    grid = problem.space.to_grid(deviations)
    weights = np.random.default_rng(4).random((len(which), 2))
    whole, parts = problem.statistics.take(which), divided(5).take(which)
    assert len(whole) == len(parts) == len(which)
    expected, found = (
        (one.class_log_likelihoods(grid), *one.latent_moments(grid)) for one in (whole, parts)
    )
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    sums, others = (one.sum_slices(weights, weights[:, :1]) for one in (whole, parts))
    np.testing.assert_allclose(others.data, sums.data, atol=1e-6 * (np.abs(sums.data).max() + 1))
    assert sums.precision.any() == bool(len(which))


@pytest.mark.parametrize("n_ranges", [2, 5])
def test_cycles_agree_for_any_division(n_ranges: int) -> None:
    """After cycles that learn the prior and cycles that climb, posteriors agree to 1e-4."""
    problem, _ = prepare(plant())
    start = random_posteriors(len(problem.statistics), 2, np.random.default_rng(0))
    states = []
    for statistics in (problem.statistics, divided(n_ranges)):
        same = replace(problem, statistics=statistics)
        state = em.init(same, start)
        for _ in range(em.PRIOR_CYCLES + 5):
            state, _ = em.step(same, state)
        states.append(state)
    first, second = (state.posteriors for state in states)
    assert np.abs(first - second).max() < 1e-4


@pytest.mark.parametrize(
    ("strategy", "n_ranges"), [("residual", 2), ("residual", 5), ("subtract", 5), ("mask3d", 5)]
)
def test_classifications_agree_for_any_division(strategy: str, n_ranges: int) -> None:
    """From images to maps, posteriors agree to 1e-4 and maps to 1e-5 of their largest value."""
    found, expected = classify(strategy, Serial(n_ranges)), classify(strategy, HERE)
    assert np.abs(found.posteriors - expected.posteriors).max() < 1e-4
    pairs = [(found.consensus.map, expected.consensus.map)]
    for a, b in (*pairs, *zip(found.maps, expected.maps, strict=True)):
        for one, other in zip((a.full, *a.halves), (b.full, *b.halves), strict=True):
            assert np.abs(one - other).max() < 1e-5 * np.abs(other).max()


def test_ranges_may_hold_none_of_a_half_set() -> None:
    """In a table sorted by half set, of which one has a single particle, ranges agree with one."""
    results = [classify_sorted(299, executor) for executor in (Serial(5), HERE)]
    found, expected = results
    assert np.abs(found.posteriors - expected.posteriors).max() < 1e-4
    maps = [[result.consensus.map, *result.maps] for result in results]
    for a, b in zip(*maps, strict=True):
        for one, other in zip((a.full, *a.halves), (b.full, *b.halves), strict=True):
            assert np.abs(one - other).max() <= 1e-5 * np.abs(other).max()


def classify_sorted(n_in_first: int, executor: Serial) -> ClassificationResult:
    """Classify the planted set, whose first particles are in half set 1, the rest in 2."""
    planted = plant()
    half_set = np.where(np.arange(len(planted.labels)) < n_in_first, 1, 2).astype(np.int8)
    particles = replace(planted.particles, half_set=half_set)
    settings = ClassifierSettings(n_classes=2, n_runs=1, max_cycles=1, control_maps=False)
    classifier = FocusedClassifier(settings, KERNELS, executor=executor)
    return classifier.fit(particles, ArrayReader(planted.images), planted.mask)


@cache
def classify(strategy: str, executor: Serial) -> ClassificationResult:
    """Classify the planted set, a few cycles."""
    planted = plant()
    settings = ClassifierSettings(n_classes=2, n_runs=1, max_cycles=2, strategy=strategy)
    classifier = FocusedClassifier(settings, KERNELS, executor=executor)
    return classifier.fit(planted.particles, ArrayReader(planted.images), planted.mask)


def test_outliers_do_not_depend_on_the_division() -> None:
    """Every image is matched where it is read, and the scores are those of the whole set."""
    whole, parts = (classify("residual", executor).outlier for executor in (HERE, Serial(4)))
    assert whole is not None
    assert parts is not None
    np.testing.assert_allclose(parts, whole, atol=0.01)


def test_spread_statistics_are_not_gathered() -> None:
    """Who needs all of them in one place is told that they are not."""
    with pytest.raises(ValueError, match="larger than one process may hold"):
        divided(2).whole()


@dataclass(frozen=True, eq=False)
class ChosenMap:
    """`Background` that is one of two maps, chosen for every particle."""

    maps: HalfGrids
    is_second: Bool[np.ndarray, " particle"]
    n_columns: int = 1

    @property
    def images(self) -> ParticleImages:
        """Return the images."""
        return self.maps.images

    @property
    def kernels(self) -> SliceKernels:
        """Return the kernels."""
        return self.maps.kernels

    def slices(self, band: Band, which: np.ndarray) -> np.ndarray:
        """Return the slices of each particle's own map."""
        chosen = self.is_second[which].astype(int)
        return np.take_along_axis(self.maps.slices(band, which), chosen[:, None, None], axis=2)

    def of_range(self, rows: slice) -> Callable[[ParticleImages], ChosenMap]:
        """Return what makes the choices of a range."""
        return partial(_choose, self.maps.of_range(rows), self.is_second[rows])


def _choose(
    maps: Callable[[ParticleImages], HalfGrids], is_second: np.ndarray, images: ParticleImages
) -> ChosenMap:
    return ChosenMap(maps(images), is_second)


def test_a_background_may_differ_from_particle_to_particle() -> None:
    """Each particle's own background is taken out of it, in one range and in several."""
    consensus = prepare(plant())[1]
    full = consensus.map.full
    volumes = full, lowpass(full, PIXEL_SIZE, 40.0).astype(np.float32)
    is_second = np.random.default_rng(5).random(len(consensus.images)) < 0.5

    def measure(executor: Serial, *columns: np.ndarray) -> FocusStatistics:
        images = replace(consensus.images, executor=executor)
        background: HalfGrids | ChosenMap = HalfGrids(images, None, (columns,), KERNELS)
        if len(columns) == 2:
            background = ChosenMap(background, is_second)
        box = FocusBox.around(plant().mask.data, PIXEL_SIZE, N_SHELLS)
        plan = FocusPlan(box, N_SHELLS)
        found = measure_statistics(background, consensus.image_model, plan)
        return join(found)

    alone = [measure(HERE, volume) for volume in volumes]
    for n_ranges in (1, 4):
        chosen = measure(Serial(n_ranges), *volumes)
        for name in ("data", "compared", "precision", "scale"):
            first, second = (getattr(one, name) for one in alone)
            mine = is_second.reshape(-1, *[1] * (first.ndim - 1))
            np.testing.assert_array_equal(getattr(chosen, name), np.where(mine, second, first))
    assert np.abs(alone[0].data - alone[1].data).max() > 0


def join(statistics: ShardedStatistics) -> FocusStatistics:
    """Return the statistics of all ranges as one."""
    parts = statistics.shards.parts
    names = ("data", "compared", "precision", "scale")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return replace(parts[0], **joined)
