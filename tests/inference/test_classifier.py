"""The classifier from images to maps, and its choice of resolution."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.image_model import ScalePrior
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.consensus.resolution import choose_shells
from cryofocus.errors import SettingError
from cryofocus.execution.monitor import Advance
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.result import ClassificationResult
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.maths.statistics import posterior_kappa
from planted import BOX, KERNELS, plant
from samples import PIXEL_SIZE, ArrayReader, correlation, make_particles, wrap_images

SETTINGS = ClassifierSettings(n_classes=2, n_runs=2, seed=3, control_maps=True)


class Stopped(Exception):
    """What a test throws to end a run in the middle."""


class KeepingMonitor:
    """A monitor that keeps checkpoints in memory and can stop after so many."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.kept: Mapping[str, np.ndarray] | None = None
        self.n_saved = 0
        self.stages: list[str] = []
        self.stop_after = stop_after

    @contextmanager
    def stage(self, name: str, n_steps: int, *, at_most: bool = False) -> Iterator[Advance]:
        """Note the name of the stage."""
        self.stages.append(name)
        yield lambda steps=1, note="": None

    def save(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep a copy."""
        self.kept = {name: np.copy(array) for name, array in arrays.items()}
        self.n_saved += 1
        if self.n_saved == self.stop_after:
            raise Stopped

    def load(self) -> Mapping[str, np.ndarray] | None:
        """Return what was kept."""
        return self.kept


@cache
def classify() -> ClassificationResult:
    """Classify the planted set once."""
    return fit(KeepingMonitor())


def fit(monitor: KeepingMonitor, settings: ClassifierSettings = SETTINGS) -> ClassificationResult:
    """Classify the planted set."""
    planted = plant()
    classifier = FocusedClassifier(settings, KERNELS)
    reader = ArrayReader(planted.images)
    return classifier.fit(planted.particles, reader, planted.mask, monitor=monitor)


def make_consensus(fsc: np.ndarray) -> Consensus:
    """A consensus of which only the resolution matters."""
    particles = make_particles(2, BOX, np.random.default_rng(0))
    nothing = np.zeros((BOX,) * 3, np.float32)
    noise = NoiseModel(np.ones((1, BOX // 2)), np.zeros((1, BOX // 2)))
    images = wrap_images(particles, np.zeros((2, BOX, BOX), np.float32))
    estimate = MapEstimate(nothing, (nothing, nothing), fsc)
    return Consensus(images, estimate, noise, ScalePrior(1.0, 0.0), 1.0)


def test_a_limit_beyond_nyquist_is_clamped_with_a_notice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A resolution finer than the pixels allow is brought to Nyquist, and the log says so."""
    consensus = make_consensus(np.ones(BOX // 2 + 1))
    with caplog.at_level(logging.WARNING):
        assert choose_shells(consensus, 1.0) == BOX // 2
    assert "lies beyond Nyquist (8.00 Å)" in caplog.text


def test_a_limit_too_coarse_is_raised_with_a_notice(caplog: pytest.LogCaptureFixture) -> None:
    """A resolution coarser than a few shells is brought to them, and the log says so."""
    consensus = make_consensus(np.ones(BOX // 2 + 1))
    with caplog.at_level(logging.WARNING):
        assert choose_shells(consensus, 2 * BOX * PIXEL_SIZE) == 5
    assert "is coarser than can be classified at in a box of" in caplog.text


def test_a_limit_within_nyquist_holds(caplog: pytest.LogCaptureFixture) -> None:
    """A resolution limit is followed silently, whatever the consensus resolves."""
    consensus = make_consensus(np.zeros(BOX // 2 + 1))
    with caplog.at_level(logging.WARNING):
        assert choose_shells(consensus, BOX * PIXEL_SIZE / 8.5) == 9
    assert not caplog.records


def test_without_a_limit_the_consensus_decides(caplog: pytest.LogCaptureFixture) -> None:
    """Shells in which half maps agree enter; where none do, a few do and the log warns."""
    fsc = np.where(np.arange(BOX // 2 + 1) < 11, 0.9, 0.0)
    assert choose_shells(make_consensus(fsc), None) == 11
    with caplog.at_level(logging.WARNING):
        few = choose_shells(make_consensus(np.zeros(BOX // 2 + 1)), None)
    assert 1 <= few < 11
    assert "look like noise" in caplog.text


def test_result_is_consistent() -> None:
    """Posteriors, labels, weights, runs, maps and half sets belong together."""
    result = classify()
    n = len(plant().labels)
    assert result.posteriors.shape == (n, 2)
    np.testing.assert_allclose(result.posteriors.sum(axis=1), 1)
    assert result.class_weights[0] >= result.class_weights[1]
    best = result.runs[result.comparison.best]
    np.testing.assert_array_equal(best.posteriors, result.posteriors)
    assert [run.seed for run in result.runs] == [(3, 0), (3, 1)]
    assert len(result.maps) == len(result.controls) == 2
    assert set(result.half_set) == {1, 2}
    assert "seed 3" in result.half_set_origin
    assert result.classes_found
    assert result.log_evidence.shape == (n,)


def test_posteriors_allow_for_the_spread_of_images() -> None:
    """The best run's are calibrated; images of the planted set scatter as noise does."""
    result = classify()
    assert result.spread == pytest.approx(1, abs=0.3)  # few images
    kappa = posterior_kappa(result.posteriors, plant().labels)
    ended_with = fit(KeepingMonitor(), SETTINGS.model_copy(update={"asks_half_sets": False}))
    assert ended_with.spread is None
    assert kappa == pytest.approx(posterior_kappa(ended_with.posteriors, plant().labels), abs=0.02)
    assert 0 < np.abs(result.posteriors - ended_with.posteriors).max() < 0.2


def test_class_maps_show_the_planted_difference() -> None:
    """The difference of the class maps is that of the classes; that of the controls is not."""
    result, planted = classify(), plant()
    inside = planted.mask.data > 0.5
    truth = planted.difference[inside]
    sign = 1 if (result.labels == planted.labels).mean() > 0.5 else -1
    maps = [sign * (e[1].full - e[0].full)[inside] for e in (result.maps, result.controls)]
    assert correlation(maps[0], truth) > 0.8
    shown = [m @ truth for m in maps]
    assert abs(shown[1]) < 0.4 * shown[0]


def test_a_stopped_run_resumes_to_the_same_result() -> None:
    """Stopped in the middle of the second run and resumed, the result is bit for bit the same."""
    expected, whole = classify(), KeepingMonitor()
    fit(whole)
    monitor = KeepingMonitor(stop_after=whole.n_saved - 2)
    with pytest.raises(Stopped):
        fit(monitor)
    monitor.stop_after = None
    result = fit(monitor)
    np.testing.assert_array_equal(result.posteriors, expected.posteriors)
    for ours, theirs in zip(result.maps, expected.maps, strict=True):
        np.testing.assert_array_equal(ours.full, theirs.full)


def test_too_few_particles_are_refused() -> None:
    """Fewer than two particles per class is an error that names both numbers."""
    planted = plant()
    few = planted.particles.take(np.arange(3))
    with pytest.raises(SettingError, match="2 asked for, but there are only 3 particles"):
        FocusedClassifier(SETTINGS, KERNELS).fit(few, ArrayReader(planted.images), planted.mask)


def test_a_stretching_magnification_is_classified() -> None:
    """Anisotropic magnification that moves frequencies outwards does not leave the grids."""
    planted = plant()
    optics = planted.particles.optics[0]
    stretched = replace(optics.microscope, magnification_matrix=((1.04, 0.01), (0.01, 0.99)))
    particles = replace(planted.particles, optics=(replace(optics, microscope=stretched),))
    settings = ClassifierSettings(n_classes=2, n_runs=1, max_cycles=1)
    result = FocusedClassifier(settings, KERNELS).fit(
        particles, ArrayReader(planted.images), planted.mask
    )
    assert np.isfinite(result.posteriors).all()


def test_given_posteriors_start_the_first_runs() -> None:
    """A run that starts from settled classes keeps them, and they stay its own in order."""
    planted, settings = plant(), SETTINGS.model_copy(update={"control_maps": False})
    known = np.eye(2)[planted.labels]
    classifier = FocusedClassifier(settings, KERNELS)
    reader = ArrayReader(planted.images)
    result = classifier.fit(planted.particles, reader, planted.mask, starts=[known, known])
    first, second = (run.posteriors.argmax(axis=1) for run in result.runs)
    assert (first == second).all()
    assert max((first == planted.labels).mean(), (first != planted.labels).mean()) > 0.9


def test_statistics_in_half_the_bytes_give_the_same_classes() -> None:
    """Statistics stored as bfloat16 take half the bytes; posteriors and maps hardly change."""
    planted = plant()
    taken: list[int] = []

    def allocate(shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
        array = np.empty(shape, dtype)
        if len(set(shape)) > 1:  # no map
            taken.append(array.nbytes)
        return array

    def total(storage: str) -> tuple[int, ClassificationResult]:
        taken.clear()
        settings = ClassifierSettings.model_validate(
            {"n_classes": 2, "n_runs": 1, "seed": 3, "storage": storage}
        )
        result = FocusedClassifier(settings, KERNELS).fit(
            planted.particles, ArrayReader(planted.images), planted.mask, allocate=allocate
        )
        return sum(taken), result

    (n_bytes, single), (n_half, half) = total("float32"), total("bfloat16")
    assert n_half * 2 == n_bytes
    assert abs(half.posteriors - single.posteriors).mean() < 0.005
    for one, other in zip(half.maps, single.maps, strict=True):
        assert correlation(one.full, other.full) > 0.9999


def test_mask2d_refuses_half_the_bytes() -> None:
    """The strategy that keeps whole images says that it does not use the option."""
    with pytest.raises(SettingError, match="storage: found bfloat16, but the strategy is mask2d"):
        ClassifierSettings(n_classes=2, strategy="mask2d", storage="bfloat16")
