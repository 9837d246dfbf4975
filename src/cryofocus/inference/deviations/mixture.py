"""A mixture of classes in the subspace: milliseconds a start, so many starts.

Class k has coordinates x_k with a standard normal prior; particle i's log-likelihood under it is
`b_i.x_k - x_k.A_i.x_k / 2`. EM from many random starts, the most probable result wins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from cryofocus.execution.monitor import Advance, uncounted
from cryofocus.inference.deviations.subspace import Subspace
from cryofocus.inference.posterior import class_posteriors, estimate_class_weights

N_STARTS = 24
N_SHORT_CYCLES = 12
N_FINALISTS = 4
MAX_CYCLES = 100
TOLERANCE = 1e-7


@dataclass(frozen=True)
class Mixture:
    """Classes in the subspace.

    Attributes:
        centres: `(n_classes, q)` coordinates.
        posteriors: `(particle, n_classes)`.
        log_posterior: What the starts are ranked by.
    """

    centres: Float64[np.ndarray, "n_classes q"]
    posteriors: Float64[np.ndarray, "particle n_classes"]
    log_posterior: float


def fit_mixture(
    subspace: Subspace,
    n_classes: int,
    generator: np.random.Generator,
    advance: Advance = uncounted,
) -> Mixture:
    """Fit the mixture from many random starts: all for a few cycles, the best to convergence.

    There are `N_STARTS` and `N_FINALISTS` steps.
    """
    packed = MixtureMoments(subspace.linear, subspace.quadratic)
    finalists: list[Mixture] = []
    for number in range(1, N_STARTS + 1):
        finalists.append(packed.cycle(packed.scatter(n_classes, generator), N_SHORT_CYCLES))
        # The others are let go at once: each holds as much as the posteriors of a run.
        finalists = sorted(finalists, key=_rank)[:N_FINALISTS]
        advance(note=f"classes among them, start {number}")
    for place, start in enumerate(finalists):
        finalists[place] = packed.cycle(start, MAX_CYCLES)
        advance(note="classes among them, the best starts")
    return min(finalists, key=_rank)


def _rank(mixture: Mixture) -> float:
    """Order mixtures, the most probable first."""
    return -mixture.log_posterior


class MixtureMoments:
    """What images say of coordinates, symmetric parts stored once, so that EM is matrix products.

    Args:
        linear: `(image, q)`.
        quadratic: `(image, q, q)`.
        precision: Of the normal prior of coordinates.
    """

    def __init__(
        self,
        linear: Float64[np.ndarray, "image q"],
        quadratic: Float64[np.ndarray, "image q q"],
        precision: float = 1.0,
    ) -> None:
        self._linear, self._precision = linear, precision
        self._rows, self._columns = np.triu_indices(linear.shape[1])
        self._quadratic = quadratic[:, self._rows, self._columns]
        self._twice = np.where(self._rows == self._columns, 1.0, 2.0)

    def scatter(self, n_classes: int, generator: np.random.Generator) -> Mixture:
        """Return equal classes at random coordinates."""
        centres = generator.standard_normal((n_classes, self._linear.shape[1]))
        weights = np.full(n_classes, 1.0 / n_classes)
        return self._e_step(centres, weights)

    def cycle(self, mixture: Mixture, n_cycles: int) -> Mixture:
        """Run EM for so many cycles, or until it gains nothing."""
        return self._climb(mixture, n_cycles, self._m_step)

    def cycle_weights(
        self,
        centres: Float64[np.ndarray, "n_classes q"],
        weights: Float64[np.ndarray, " n"],
        n_cycles: int,
    ) -> Mixture:
        """Run EM for so many cycles, or until it gains nothing, with classes that stay."""
        return self._climb(self._e_step(centres, weights), n_cycles, lambda _: centres)

    def _climb(
        self,
        mixture: Mixture,
        n_cycles: int,
        place: Callable[
            [Float64[np.ndarray, "particle n_classes"]], Float64[np.ndarray, "n_classes q"]
        ],
    ) -> Mixture:
        """Run EM with classes placed by their posteriors."""
        for _ in range(n_cycles):
            weights = estimate_class_weights(mixture.posteriors)
            better = self._e_step(place(mixture.posteriors), weights)
            gain = better.log_posterior - mixture.log_posterior
            mixture = better
            if gain < TOLERANCE * len(self._linear):
                break
        return mixture

    def _e_step(
        self, centres: Float64[np.ndarray, "n_classes q"], weights: Float64[np.ndarray, " n"]
    ) -> Mixture:
        products = centres[:, self._rows] * centres[:, self._columns] * self._twice
        log_likelihood = self._linear @ centres.T - 0.5 * self._quadratic @ products.T
        posteriors, evidence = class_posteriors(log_likelihood, weights)
        prior = 0.5 * self._precision * (centres**2).sum()
        return Mixture(centres, posteriors, float(evidence.sum() - prior))

    def _m_step(
        self, posteriors: Float64[np.ndarray, "particle n_classes"]
    ) -> Float64[np.ndarray, "n_classes q"]:
        linear = posteriors.T @ self._linear
        n_dimensions = linear.shape[1]
        matrix = np.zeros((len(linear), n_dimensions, n_dimensions))
        matrix[:, self._rows, self._columns] = posteriors.T @ self._quadratic
        matrix[:, self._columns, self._rows] = matrix[:, self._rows, self._columns]
        matrix += self._precision * np.eye(n_dimensions)
        return np.asarray(np.linalg.solve(matrix, linear[:, :, None])[..., 0])
