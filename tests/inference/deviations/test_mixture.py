"""The mixture in the subspace, on clusters planted there."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.inference.deviations import mixture as mixture_module
from cryofocus.inference.deviations.mixture import fit_mixture
from cryofocus.inference.deviations.subspace import Subspace
from cryofocus.inference.runs import match_classes_softly

CENTRES = np.array([[1.4, 0.0], [-0.8, 1.2], [-0.6, -1.3]])


def plant(n: int = 300, signal_to_noise: float = 30.0) -> tuple[Subspace, np.ndarray]:
    """Particles whose coordinates are three points, seen with Gaussian noise."""
    rng = np.random.default_rng(8)
    labels = np.arange(n) % 3
    roots = rng.normal(0, 0.2, (n, 2, 2)) + np.eye(2)
    quadratic = signal_to_noise * roots @ np.swapaxes(roots, 1, 2)
    noise = np.einsum("nij,nj->ni", np.linalg.cholesky(quadratic), rng.normal(size=(n, 2)))
    linear = np.einsum("nij,nj->ni", quadratic, CENTRES[labels]) + noise
    nothing = np.zeros((2, 4, 4, 4), np.float32)
    return Subspace(nothing, linear, quadratic, np.ones(2), 1), labels


def test_planted_clusters_are_found() -> None:
    """Centres and members of three clusters are recovered."""
    subspace, labels = plant()
    found = fit_mixture(subspace, 3, np.random.default_rng(0))
    order = match_classes_softly(np.eye(3)[labels], found.posteriors)
    assert (found.posteriors[:, order].argmax(axis=1) == labels).mean() > 0.97
    np.testing.assert_allclose(found.centres[order], CENTRES, atol=0.15)
    np.testing.assert_allclose(found.posteriors.sum(axis=1), 1)


def test_permuting_particles_permutes_posteriors() -> None:
    """The order of the particles carries no information about their classes."""
    subspace, _ = plant(90)
    permutation = np.random.default_rng(1).permutation(90)
    shuffled = Subspace(
        subspace.deviations,
        subspace.linear[permutation],
        subspace.quadratic[permutation],
        subspace.information,
        1,
    )
    first, second = (fit_mixture(s, 3, np.random.default_rng(0)) for s in (subspace, shuffled))
    expected = first.posteriors[permutation]
    # Equally good starts differ by the numbering of their classes.
    order = match_classes_softly(expected, second.posteriors)
    np.testing.assert_allclose(expected, second.posteriors[:, order], atol=1e-6)


def test_log_posterior_never_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    """More cycles from the same starts never lower what the starts are ranked by."""
    subspace, _ = plant(90, signal_to_noise=2.0)
    monkeypatch.setattr(mixture_module, "N_STARTS", 1)
    scores = []
    for n_cycles in range(8):
        monkeypatch.setattr(mixture_module, "N_SHORT_CYCLES", n_cycles)
        monkeypatch.setattr(mixture_module, "MAX_CYCLES", 0)
        scores.append(fit_mixture(subspace, 3, np.random.default_rng(3)).log_posterior)
    assert (np.diff(scores) >= -1e-9 * abs(scores[-1])).all()
