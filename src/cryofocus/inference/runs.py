"""Several independent runs: matched class to class, compared particle by particle."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, Int
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True, eq=False)
class RunComparison:
    """How runs agree once their classes are matched to the best run's.

    Attributes:
        best: Index of the best run.
        orders: For each run, which of its classes is the best run's class 0, 1, ...
        agreement: `(particle,)` fraction of the runs that put a particle in the best run's class.
        pairs: (first, second, fraction of particles in the same class) for each pair of runs, as
            they ended by themselves.
    """

    best: int
    orders: tuple[Int[np.ndarray, " n_classes"], ...]
    agreement: Float32[np.ndarray, " particle"]
    pairs: tuple[tuple[int, int, float], ...]

    @property
    def mean_agreement(self) -> float | None:
        """Fraction of particles two runs agree on, averaged over all pairs; None for one run."""
        return float(np.mean([pair[2] for pair in self.pairs])) if self.pairs else None

    def matched(
        self, posteriors: list[Float64[np.ndarray, "particle n_classes"]]
    ) -> RunComparison:
        """Return the comparison with all matched anew, after a run has gone on."""
        orders, agreement = _match_to(self.best, posteriors)
        return replace(self, orders=orders, agreement=agreement)


def compare_runs(
    posteriors: list[Float64[np.ndarray, "particle n_classes"]], scores: list[float]
) -> RunComparison:
    """Match every run's classes to those of the run with the highest score.

    Matching maximises the expected number of particles in matched classes (Hungarian method on
    products of posteriors).
    """
    best = int(np.argmax(scores))
    orders, agreement = _match_to(best, posteriors)
    pairs = tuple(
        (i, j, _matched_fraction(posteriors[i], posteriors[j]))
        for i in range(len(posteriors))
        for j in range(i + 1, len(posteriors))
    )
    return RunComparison(best, orders, agreement, pairs)


def _match_to(
    best: int, posteriors: list[Float64[np.ndarray, "particle n_classes"]]
) -> tuple[tuple[Int[np.ndarray, " n_classes"], ...], Float32[np.ndarray, " particle"]]:
    """Return each run's classes in the best run's order, and the share of runs in its class."""
    orders = tuple(match_classes_softly(posteriors[best], run) for run in posteriors)
    labels = np.stack(
        [run[:, order].argmax(axis=1) for run, order in zip(posteriors, orders, strict=True)]
    )
    return orders, (labels == labels[best]).mean(axis=0).astype(np.float32)


def match_classes_softly(
    reference: Float64[np.ndarray, "particle n_classes"],
    other: Float64[np.ndarray, "particle n_classes"],
) -> Int[np.ndarray, " n_classes"]:
    """Return which class of `other` corresponds to each class of `reference`."""
    _, order = linear_sum_assignment(-(reference.T @ other))
    return order


def _matched_fraction(
    first: Float64[np.ndarray, "particle n_classes"],
    second: Float64[np.ndarray, "particle n_classes"],
) -> float:
    order = match_classes_softly(first, second)
    return float((first.argmax(axis=1) == second[:, order].argmax(axis=1)).mean())
