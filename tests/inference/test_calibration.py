"""Posteriors mean what they say where images vary more than the maps and the noise tell."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.inference.calibration import Calibration, calibrate
from cryofocus.inference.comparison import ClassMoments
from cryofocus.inference.posterior import class_posteriors

WEIGHTS = {2: np.array([0.65, 0.35]), 4: np.array([0.4, 0.3, 0.2, 0.1])}


def draw(
    n_classes: int, gain: float, spread: float, n: int = 20_000, signal: float = 3.0
) -> tuple[ClassMoments, np.ndarray]:
    """Draw what images say of maps, with their true classes.

    Maps are vectors of a few numbers that an image sees with noise; images differ in how much
    they see.
    """
    generator = np.random.default_rng([n_classes, n])
    maps = generator.standard_normal((n_classes, 6))
    maps *= np.sqrt(signal / (maps.var(axis=0).sum()))
    weights = WEIGHTS[n_classes]
    labels = generator.choice(n_classes, size=n, p=weights)
    mean = weights @ maps
    seen = generator.uniform(0.3, 1.7, size=(n, 1))
    noise = np.sqrt(spread) * generator.standard_normal((n, 6))
    images = seen * (mean + gain * (maps[labels] - mean)) + noise
    linear = seen * images @ maps.T
    return ClassMoments(linear, (seen**2)[..., None] * (maps @ maps.T), maps @ maps.T), labels


def measure_gap(posteriors: np.ndarray, labels: np.ndarray) -> float:
    """Return what the posteriors claim less what is right."""
    return float(posteriors.max(axis=1).mean() - (posteriors.argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(("gain", "spread"), [(1.0, 1.0), (1.0, 1.4), (1.08, 1.0), (0.95, 1.6)])
def test_what_is_planted_is_found(n_classes: int, gain: float, spread: float) -> None:
    """Gain and spread are found within a few per cent, and posteriors are right with them."""
    moments, labels = draw(n_classes, gain, spread)
    found = calibrate(moments, WEIGHTS[n_classes])
    assert found.gain == pytest.approx(gain, rel=0.04)
    assert found.spread == pytest.approx(spread, rel=0.04)
    assert measure_gap(found.posteriors, labels) == pytest.approx(0, abs=0.01)
    plain, _ = class_posteriors(moments.log_likelihood, WEIGHTS[n_classes])
    if spread > 1.2:
        assert measure_gap(plain, labels) > 0.02


def test_images_that_tell_little_change_nothing() -> None:
    """Where a set is small or classes are hardly told apart, posteriors stay what they were."""
    for n, signal in ((40, 3.0), (20_000, 1e-4)):
        moments, _ = draw(2, 1.0, 1.0, n, signal)
        found = calibrate(moments, WEIGHTS[2])
        plain, _ = class_posteriors(moments.log_likelihood, WEIGHTS[2])
        assert np.abs(found.posteriors - plain).max() < 0.1


def test_neither_the_order_of_classes_nor_the_map_they_are_seen_from_matters() -> None:
    """Classes in another order have their posteriors in it; what all maps share says nothing."""
    moments, _ = draw(4, 1.0, 1.3, 2000)
    order = np.array([2, 0, 3, 1])
    found = calibrate(moments, WEIGHTS[4])
    turned = calibrate(moments.combined(np.eye(4)[order]), WEIGHTS[4][order])
    assert_same(turned, found, order)


def test_copies_of_a_class_add_no_differences() -> None:
    """Two classes with one map have a difference that images say nothing of; it does not count."""
    moments, _ = draw(2, 1.0, 1.3, 2000)
    doubled = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    shares = np.array([0.65, 0.2, 0.15])
    found = calibrate(moments, WEIGHTS[2])
    more = calibrate(moments.combined(doubled), shares)
    assert more.spread == pytest.approx(found.spread, rel=1e-2)
    together = np.column_stack([more.posteriors[:, 0], more.posteriors[:, 1:].sum(axis=1)])
    np.testing.assert_allclose(together, found.posteriors, atol=5e-3)


def assert_same(turned: Calibration, found: Calibration, order: np.ndarray) -> None:
    """Compare two calibrations of the same classes in two orders."""
    assert turned.spread == pytest.approx(found.spread, rel=1e-2)
    np.testing.assert_allclose(turned.posteriors, found.posteriors[:, order], atol=5e-3)
