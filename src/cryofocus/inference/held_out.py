"""Whether there are classes at all: what classes found in one half set say of the other.

Maps and weights are found in one half set alone. If nothing varies, the images of the other half
set do not know them, and the likelihood ratio of 'these classes' to 'one structure' among them is
1 on average, whatever the maps are. By Markov's inequality a ratio of R therefore has a p-value
of 1/R, exactly and for any number of particles (Wasserman, Ramdas & Balakrishnan 2020, universal
inference). Both directions are averaged, which keeps the mean at 1. 'One structure' may differ
from the consensus as the classes' mean does, by as much as suits the images best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int, Int8

from cryofocus.execution.monitor import Monitor, noting
from cryofocus.inference.comparison import ClassMoments, Divisible
from cryofocus.inference.driver import Run, finish_run
from cryofocus.inference.posterior import class_posteriors, estimate_class_weights
from cryofocus.inference.settings import ClassifierSettings

# So many particles of a half set decide; more would only take memory and time. Their statistics
# are copied, and take this part of the memory allowed at most.
MOST_PARTICLES, MOST_GB, SHARE_OF_MEMORY = 25_000, 1.0, 0.05
# Chance of calling it classes where there are none, at most.
SIGNIFICANT = 0.01


@dataclass(frozen=True)
class HeldOut:
    """What classes found in one half set say of the other.

    Attributes:
        log_ratios: Logarithm of the likelihood ratio of classes to one structure, in each half
            set under the maps of the other.
    """

    log_ratios: tuple[float, float]

    @property
    def p_value(self) -> float:
        """Bound on the probability of such a ratio where nothing varies."""
        log_mean = np.logaddexp(*self.log_ratios) - np.log(2)
        return float(np.exp(-max(log_mean, 0.0)))


def compare_half_sets(
    comparison: Divisible[Any],
    settings: ClassifierSettings,
    half_set: Int8[np.ndarray, " particle"],
    monitor: Monitor,
    memory_gb: float | None = None,
) -> HeldOut | None:
    """Find classes in each half set alone, and judge them by the other.

    Args:
        comparison: Of all particles, and of the number of classes to look for.
        settings: Of the runs.
        half_set: `(particle,)` 1 or 2.
        monitor: Shows progress.
        memory_gb: Bound on the memory of the process, if there is one.

    Returns:
        None where no verdict is possible: a half set has too few particles, or its classes did
        not settle within the limit of cycles.
    """
    n_classes = comparison.plan.n_classes
    most = most_particles(comparison.bytes_per_particle, memory_gb)
    halves = [_thin(np.flatnonzero(half_set == half), most) for half in (1, 2)]
    if min(map(len, halves)) < 2 * n_classes:
        return None
    n_cycles = 2 * (comparison.n_prior_cycles + settings.max_cycles)
    with monitor.stage("half sets apart", n_cycles, at_most=True) as advance:

        def find_classes(rows: Int[np.ndarray, " m"]) -> Run[Any]:
            part = comparison.take(rows)
            return finish_run(part, settings, Run(part.start(0, noting(advance))), advance)

        # Copied for each question anew, so that one copy is held at a time.
        runs = [find_classes(rows) for rows in halves]
    if not all(run.outcome(settings).is_converged for run in runs):
        return None
    first, second = (
        _log_ratio(comparison.take(rows), run)
        for rows, run in zip(halves, reversed(runs), strict=True)
    )
    return HeldOut((first, second))


def most_particles(bytes_per_particle: int, memory_gb: float | None) -> int:
    """Return how many particles of a half set are looked at, at most."""
    most_gb = MOST_GB if memory_gb is None else min(MOST_GB, SHARE_OF_MEMORY * memory_gb)
    return max(1, min(MOST_PARTICLES, int(most_gb * 1e9 / bytes_per_particle)))


def _thin(rows: Int[np.ndarray, " n"], most: int) -> Int[np.ndarray, " m"]:
    """Leave particles out at equal distances, if there are more than are needed."""
    return rows[:: -(-len(rows) // most) or 1]


def _log_ratio(part: Divisible[Any], run: Run[Any]) -> float:
    """Return what particles say of classes that were found without them."""
    weights = estimate_class_weights(run.state.posteriors)
    return log_likelihood_ratio(part.class_moments(run.state), weights)


def log_likelihood_ratio(
    moments: ClassMoments, class_weights: Float64[np.ndarray, " n_classes"]
) -> float:
    """Return the logarithm of the likelihood ratio of classes to one structure.

    One structure is the consensus plus the mean deviation of the classes, times what suits these
    images best.

    Args:
        moments: What images say that did not take part in finding the classes.
        class_weights: Of the classes.
    """
    evidence = class_posteriors(moments.log_likelihood, class_weights)[1].sum()
    linear = float((moments.linear @ class_weights).sum())
    quadratic = float(class_weights @ moments.quadratic.sum(axis=0) @ class_weights)
    shared = linear**2 / (2 * quadratic) if quadratic > 0 else 0.0
    return float(evidence) - shared
