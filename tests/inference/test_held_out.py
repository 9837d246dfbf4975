"""Half sets that judge each other's classes: classes are found out, and noise is not taken in."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.execution.monitor import SilentMonitor
from cryofocus.inference.comparison import ClassMoments, Divisible, RunPlan
from cryofocus.inference.deviations.comparison import ResidualComparison
from cryofocus.inference.held_out import (
    SIGNIFICANT,
    HeldOut,
    compare_half_sets,
    log_likelihood_ratio,
)
from cryofocus.inference.settings import ClassifierSettings
from planted import Planted, plant, prepare

SETTINGS = ClassifierSettings(n_classes=2)


def judge(planted: Planted, seed: int = 1, *, refines: bool = False) -> HeldOut:
    """Judge a planted set by its half sets."""
    comparison = ResidualComparison(prepare(planted)[0], RunPlan(2, "subspace", seed))
    half_set = (1 + np.arange(len(planted.labels)) % 4 // 2).astype(np.int8)
    held_out = compare_half_sets(comparison, SETTINGS, half_set, SilentMonitor(), refines=refines)
    assert held_out is not None
    return held_out


def test_classes_are_significant_and_noise_is_not() -> None:
    """Classes give a tiny p-value; images without any give one that says nothing."""
    assert judge(plant(600)).p_value < 1e-6
    assert judge(plant(600, signal=0.0)).p_value > SIGNIFICANT


def test_refined_classes_show_a_rare_state() -> None:
    """One in fourteen in noisy images: plain classes of half the images die, refined do not."""
    rare = plant(900, noise_sd=42.0, every=14)
    assert judge(rare).p_value > SIGNIFICANT
    held_out = judge(rare, refines=True)
    assert held_out.p_value < 1e-4
    assert len(held_out.log_ratios) == 4
    assert len(judge(plant(600), refines=True).log_ratios) == 2
    assert judge(plant(600, signal=0.0), refines=True).p_value > SIGNIFICANT


def test_ratios_of_noise_average_to_at_most_one() -> None:
    """Whatever the maps, images that do not know them give ratios of mean 1 or less."""
    rng = np.random.default_rng(5)
    weights, ratios = np.array([0.7, 0.3]), []
    for _ in range(400):
        maps = rng.normal(0, 0.3, (2, 6))
        images = rng.standard_normal((50, 6))
        overlap = np.broadcast_to(maps @ maps.T, (50, 2, 2))
        moments = ClassMoments(images @ maps.T, overlap, maps @ maps.T)
        ratios.append(np.exp(log_likelihood_ratio(moments, weights)))
    assert np.mean(ratios) < 1.0
    assert np.mean(np.array(ratios) > 1 / SIGNIFICANT) <= SIGNIFICANT


def test_what_all_images_share_is_no_class() -> None:
    """A deviation that every image has explains them, but one structure does so as well."""
    rng = np.random.default_rng(6)
    shared = np.full(6, 0.8)
    images = shared + rng.standard_normal((500, 6))
    maps = np.stack([0.8 * shared, 1.2 * shared])
    overlap = np.broadcast_to(maps @ maps.T, (500, 2, 2))
    moments = ClassMoments(images @ maps.T, overlap, maps @ maps.T)
    assert log_likelihood_ratio(moments, np.array([0.5, 0.5])) < 1.0
    away = np.stack([shared + 1.0, shared - 1.0])
    signs = rng.choice([-1.0, 1.0], (500, 1))
    overlap = np.broadcast_to(away @ away.T, (500, 2, 2))
    moments = ClassMoments((images + signs) @ away.T, overlap, away @ away.T)
    assert log_likelihood_ratio(moments, np.array([0.5, 0.5])) > 100.0


def test_classes_may_lie_on_the_other_side_of_the_consensus() -> None:
    """What a half set has too much of, the other lacks; its classes are found all the same."""
    rng = np.random.default_rng(8)
    shared, apart = np.full(6, 1.0), np.array([0.8, -0.8, 0.8, -0.8, 0.8, -0.8])
    images = rng.choice([-1.0, 1.0], (500, 1)) * apart - shared + rng.standard_normal((500, 6))
    maps = np.stack([shared + apart, shared - apart])
    overlap = np.broadcast_to(maps @ maps.T, (500, 2, 2))
    moments = ClassMoments(images @ maps.T, overlap, maps @ maps.T)
    assert log_likelihood_ratio(moments, np.array([0.5, 0.5])) > 100.0


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ((-5.0, -9.0), 1.0),
        ((np.log(4), -np.inf), 1.0),
        ((5.0, 5.0), 2 * np.exp(-5)),
        ((1e4, 0.0), 0.0),
        ((-5.0, -np.inf, 9.0, 9.0), 2 * np.exp(-9)),
    ],
)
def test_p_values_are_one_over_the_mean_ratio(ratios: tuple[float, ...], expected: float) -> None:
    """Four ratios count, those that were not asked as 0, and no p-value exceeds 1."""
    assert HeldOut(ratios).p_value == pytest.approx(expected)


def test_labels_do_not_matter() -> None:
    """The ratio does not depend on the order of the classes."""
    rng = np.random.default_rng(7)
    maps, images = rng.normal(0, 0.5, (3, 6)), rng.standard_normal((40, 6))
    weights = np.array([0.5, 0.3, 0.2])
    ratios = []
    for order in ([0, 1, 2], [2, 0, 1]):
        mine = maps[order]
        overlap = np.broadcast_to(mine @ mine.T, (40, 3, 3))
        moments = ClassMoments(images @ mine.T, overlap, mine @ mine.T)
        ratios.append(log_likelihood_ratio(moments, weights[order]))
    assert ratios[0] == pytest.approx(ratios[1])


def test_no_verdict_where_runs_do_not_settle_or_particles_are_few() -> None:
    """Runs cut short, or half sets smaller than twice the classes, say nothing."""
    planted = plant()
    comparison = ResidualComparison(prepare(planted)[0], RunPlan(2, "subspace", 1))
    assert isinstance(comparison, Divisible)
    half_set = (1 + np.arange(len(planted.labels)) % 2).astype(np.int8)
    short = ClassifierSettings(n_classes=2, max_cycles=1)
    assert compare_half_sets(comparison, short, half_set, SilentMonitor()) is None
    lonely = np.ones(len(half_set), np.int8)
    lonely[:3] = 2
    assert compare_half_sets(comparison, SETTINGS, lonely, SilentMonitor()) is None
