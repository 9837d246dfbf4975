"""Coordinates of particles behind what their images say of them.

Image i says `linear_i.x - x.quadratic_i.x / 2` of its coordinates x, up to a constant; over the
particles x is normal. Mathematics: docs/derivations/factors.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int

from cryofocus.maths.population import fit_normal_population

Linear = Float64[np.ndarray, "particle q"]
Quadratic = Float64[np.ndarray, "particle q q"]
Square = Float64[np.ndarray, "q q"]

# Covariances stay invertible where a coordinate hardly varies.
SMALLEST_VARIANCE = 1e-10


@dataclass(frozen=True, eq=False)
class Moments:
    """What all images say of their coordinates.

    Attributes:
        linear: `(particle, q)`.
        quadratic: `(particle, q, q)`.
    """

    linear: Linear
    quadratic: Quadratic

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.linear)

    def take(self, which: Int[np.ndarray, " m"]) -> Moments:
        """Return those of some of the particles."""
        return replace(self, linear=self.linear[which], quadratic=self.quadratic[which])

    @property
    def information(self) -> Float64[np.ndarray, " q"]:
        """Mean information of one image on each coordinate."""
        return np.asarray(np.diagonal(self.quadratic, axis1=1, axis2=2).mean(axis=0))


@dataclass(frozen=True, eq=False)
class Population:
    """Normal distribution of the coordinates over the particles.

    Attributes:
        mean: `(q,)`.
        covariance: `(q, q)`.
    """

    mean: Float64[np.ndarray, " q"]
    covariance: Square


@dataclass(frozen=True, eq=False)
class Posterior:
    """Normal distribution of every particle's coordinates, given its image.

    Attributes:
        mean: `(particle, q)`.
        covariance: `(particle, q, q)`.
    """

    mean: Linear
    covariance: Quadratic

    @property
    def second_moment(self) -> Square:
        """Mean of x x^T over the particles, uncertainty included."""
        return np.asarray(self.covariance.mean(axis=0) + self.mean.T @ self.mean / len(self.mean))


def locate(moments: Moments, population: Population) -> Posterior:
    """Return the posterior of every particle's coordinates."""
    precision = np.linalg.inv(population.covariance)
    covariance = np.linalg.inv(precision + moments.quadratic)
    centred = moments.linear - moments.quadratic @ population.mean
    mean = population.mean + np.einsum("nij,nj->ni", covariance, centred)
    return Posterior(mean, covariance)


def estimate_population(posterior: Posterior) -> Population:
    """Return the mean and covariance that one step of expectation maximisation arrives at."""
    mean = posterior.mean.mean(axis=0)
    covariance = posterior.second_moment - np.outer(mean, mean)
    return Population(mean, _invertible(covariance))


def settle_population(
    moments: Moments, start: Population, *, keep_mean: bool = False
) -> Population:
    """Return the most likely population, which may be singular but for a floor."""
    mean, covariance = fit_normal_population(
        moments.linear,
        moments.quadratic,
        (start.mean, start.covariance),
        keep_mean=keep_mean,
    )
    return Population(mean, _invertible(covariance))


def _invertible(covariance: Square) -> Square:
    """Return a covariance without rounding errors, a little wider where nothing varies."""
    floor = SMALLEST_VARIANCE * max(float(np.trace(covariance)), 1.0)
    return np.asarray(0.5 * (covariance + covariance.T) + floor * np.eye(len(covariance)))


def log_evidence(moments: Moments, population: Population) -> Float64[np.ndarray, " particle"]:
    """Log-likelihood of each image over all coordinates, relative to coordinates of zero."""
    precision = np.linalg.inv(population.covariance)
    total = precision + moments.quadratic
    pull = moments.linear + precision @ population.mean
    means = np.linalg.solve(total, pull[..., None])[..., 0]
    own = float(population.mean @ precision @ population.mean)
    volume = np.linalg.slogdet(total)[1] - np.linalg.slogdet(precision)[1]
    return np.asarray(0.5 * ((pull * means).sum(axis=1) - own - volume))
