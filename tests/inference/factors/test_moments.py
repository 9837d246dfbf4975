"""Coordinates behind noisy images: posteriors, populations and evidence."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.inference.factors.moments import (
    Moments,
    Population,
    estimate_population,
    locate,
    log_evidence,
    settle_population,
)

COVARIANCE = np.array([[1.0, 0.5], [0.5, 0.8]])
MEAN = np.array([0.3, -0.2])


def measure(n: int, seed: int = 1) -> tuple[Moments, np.ndarray]:
    """Images that say something of two coordinates each, and the true coordinates."""
    generator = np.random.default_rng(seed)
    true = generator.multivariate_normal(MEAN, COVARIANCE, size=n)
    design = generator.standard_normal((n, 3, 2))
    data = np.einsum("npq,nq->np", design, true) + generator.standard_normal((n, 3))
    linear = np.einsum("npq,np->nq", design, data)
    return Moments(linear, np.einsum("npq,npr->nqr", design, design)), true


def test_posterior_is_that_of_a_grid() -> None:
    """Mean and variance agree with a sum over a fine grid of coordinates."""
    moments, _ = measure(1)
    population = Population(MEAN, COVARIANCE)
    line = np.linspace(-6, 6, 401)
    grid = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    centred = grid - MEAN
    log_density = grid @ moments.linear[0]
    log_density -= 0.5 * np.einsum("gi,ij,gj->g", grid, moments.quadratic[0], grid)
    log_density -= 0.5 * np.einsum("gi,ij,gj->g", centred, np.linalg.inv(COVARIANCE), centred)
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    found = locate(moments, population)
    np.testing.assert_allclose(found.mean[0], weight @ grid, atol=1e-3)
    spread = (weight[:, None] * (grid - weight @ grid)).T @ (grid - weight @ grid)
    np.testing.assert_allclose(found.covariance[0], spread, atol=1e-3)


def test_evidence_is_the_integral() -> None:
    """The log evidence is the log of the mean likelihood over the population."""
    moments, _ = measure(3)
    drawn = np.random.default_rng(2).multivariate_normal(MEAN, COVARIANCE, size=400_000)
    for row, found in enumerate(log_evidence(moments, Population(MEAN, COVARIANCE))):
        value = drawn @ moments.linear[row]
        value -= 0.5 * np.einsum("di,ij,dj->d", drawn, moments.quadratic[row], drawn)
        assert found == pytest.approx(np.log(np.exp(value).mean()), abs=0.02)


def test_every_cycle_raises_the_evidence() -> None:
    """Expectation maximisation never loses, and ends near the truth."""
    moments, _ = measure(4000)
    population = Population(np.zeros(2), 0.1 * np.eye(2))
    before = -np.inf
    for _ in range(40):
        evidence = float(log_evidence(moments, population).sum())
        assert evidence >= before - 1e-6
        before, population = evidence, estimate_population(locate(moments, population))
    settled = settle_population(moments, Population(np.zeros(2), 0.1 * np.eye(2)))
    assert float(log_evidence(moments, settled).sum()) >= before - 0.01
    for found in (population, settled):
        np.testing.assert_allclose(found.covariance, COVARIANCE, atol=0.1)
        np.testing.assert_allclose(found.mean, MEAN, atol=0.08)


def test_the_choice_of_coordinates_changes_nothing() -> None:
    """A linear change of coordinates carries posteriors along."""
    moments, _ = measure(50)
    turn = np.array([[2.0, 0.3], [-0.4, 0.7]])
    back = np.linalg.inv(turn)
    other = Moments(moments.linear @ back, back.T @ moments.quadratic @ back)
    plain = locate(moments, Population(MEAN, COVARIANCE))
    turned = locate(other, Population(turn @ MEAN, turn @ COVARIANCE @ turn.T))
    np.testing.assert_allclose(turned.mean, plain.mean @ turn.T, atol=1e-10)
