"""Whether there are classes at all: what classes found in one half set say of the other.

Maps and weights are found in one half set alone. If nothing varies, the images of the other half
set do not know them, and the likelihood ratio of 'these classes' to 'one structure' among them is
1 on average, whatever the maps are. By Markov's inequality a ratio of R therefore has a p-value
of 1/R, exactly and for any number of particles (Wasserman, Ramdas & Balakrishnan 2020, universal
inference). Both directions are averaged, which keeps the mean at 1. 'One structure' may differ
from the consensus as the classes' mean does, by as much as suits the images best; the classes may
by multiples of it over which the ratio is averaged.

Plain cycles learn a prior that may let the classes of half a set die though the whole set has
them. Where plain classes say too little, and those of the whole set could be refined, refined ones
of the half sets are asked, too. All ratios pay for that, whether it comes to it or not.
"""

from __future__ import annotations

from collections.abc import Iterable
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
# Ratios averaged at most: both directions, of plain and of refined classes.
N_RATIOS = 4
# Starts of refined classes, of which each half set takes the best: one alone of half the particles
# often misses a rare state.
N_STARTS = 3
# Of the classes' mean. The consensus lies between the half sets, so that what one of them lacks,
# the other may have too much of: multiples below 0 are among them.
MULTIPLES = np.linspace(-3, 3, 61)


@dataclass(frozen=True)
class HeldOut:
    """What classes found in one half set say of the other.

    Attributes:
        log_ratios: Logarithms of the likelihood ratios of classes to one structure, in each half
            set under the maps of the other; of plain classes, and, where these were asked, of
            refined ones.
    """

    log_ratios: tuple[float, ...]

    @property
    def p_value(self) -> float:
        """Bound on the probability of such ratios where nothing varies.

        A ratio that was not asked counts as 0: the mean is then 1 at most, whatever decides which
        are asked.
        """
        log_mean = np.logaddexp.reduce(self.log_ratios) - np.log(N_RATIOS)
        return float(np.exp(-max(log_mean, 0.0)))


def compare_half_sets(
    comparison: Divisible[Any],
    settings: ClassifierSettings,
    half_set: Int8[np.ndarray, " particle"],
    monitor: Monitor,
    memory_gb: float | None = None,
    *,
    refines: bool = False,
) -> HeldOut | None:
    """Find classes in each half set alone, and judge them by the other.

    Args:
        comparison: Of all particles, and of the number of classes to look for.
        settings: Of the runs.
        half_set: `(particle,)` 1 or 2.
        monitor: Shows progress.
        memory_gb: Bound on the memory of the process, if there is one.
        refines: Whether refined classes are asked where plain ones do not decide.

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
    # Copied for each question anew, so that one copy is held at a time.
    with monitor.stage("half sets apart", n_cycles, at_most=True) as advance:

        def find_classes(part: Divisible[Any]) -> Run[Any]:
            return finish_run(part, settings, Run(part.start(0, noting(advance))), advance)

        plain = [find_classes(comparison.take(rows)) for rows in halves]
    if not _have_settled(plain, settings):
        return None
    held_out = HeldOut(_log_ratios(comparison, halves, plain))
    if held_out.p_value <= SIGNIFICANT or not refines:
        return held_out
    with monitor.stage("half sets refined", N_STARTS * n_cycles, at_most=True) as advance:

        def refine(part: Divisible[Any], run: Run[Any]) -> Run[Any]:
            others = (part.start(number, noting(advance)) for number in range(1, N_STARTS))
            runs = [
                finish_run(part, settings.refining, Run(part.begin_refining(state)), advance)
                for state in (run.state, *others)
            ]
            return max(runs, key=lambda run: run.history[-1].objective)

        refined = [
            refine(comparison.take(rows), run) for rows, run in zip(halves, plain, strict=True)
        ]
    if not _have_settled(refined, settings):
        return held_out
    return HeldOut(held_out.log_ratios + _log_ratios(comparison, halves, refined))


def most_particles(bytes_per_particle: int, memory_gb: float | None) -> int:
    """Return how many particles of a half set are looked at, at most."""
    most_gb = MOST_GB if memory_gb is None else min(MOST_GB, SHARE_OF_MEMORY * memory_gb)
    return max(1, min(MOST_PARTICLES, int(most_gb * 1e9 / bytes_per_particle)))


def _thin(rows: Int[np.ndarray, " n"], most: int) -> Int[np.ndarray, " m"]:
    """Leave particles out at equal distances, if there are more than are needed."""
    return rows[:: -(-len(rows) // most) or 1]


def _have_settled(runs: Iterable[Run[Any]], settings: ClassifierSettings) -> bool:
    return all(run.outcome(settings).is_converged for run in runs)


def _log_ratios(
    comparison: Divisible[Any], halves: list[np.ndarray], runs: list[Run[Any]]
) -> tuple[float, ...]:
    """Return what the particles of each half set say of the classes found in the other."""
    return tuple(
        log_likelihood_ratio(
            comparison.take(rows).class_moments(run.state),
            estimate_class_weights(run.state.posteriors),
        )
        for rows, run in zip(halves, reversed(runs), strict=True)
    )


def log_likelihood_ratio(
    moments: ClassMoments, class_weights: Float64[np.ndarray, " n_classes"]
) -> float:
    """Return the logarithm of the likelihood ratio of classes to one structure.

    One structure is the consensus plus the mean deviation of the classes, times what suits these
    images best. The classes' differences lie about multiples of that mean; their likelihood is
    averaged over these.

    Args:
        moments: What images say that did not take part in finding the classes.
        class_weights: Of the classes.
    """
    to_mean = moments.quadratic @ class_weights
    linear, quadratic = moments.linear @ class_weights, to_mean @ class_weights
    differences = moments.less_mean(class_weights)
    overlap = to_mean - quadratic[:, None]
    best = linear.sum() ** 2 / (2 * quadratic.sum()) if quadratic.sum() > 0 else 0.0

    def log_likelihood(multiple: float) -> float:
        told = differences.log_likelihood - multiple * overlap
        evidence = class_posteriors(told, class_weights)[1].sum()
        shared = multiple * linear.sum() - 0.5 * multiple**2 * quadratic.sum()
        return float(evidence + shared)

    of_classes = np.logaddexp.reduce([log_likelihood(multiple) for multiple in MULTIPLES])
    return float(of_classes - np.log(len(MULTIPLES)) - best)
