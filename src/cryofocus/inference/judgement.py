"""What is asked of the best run once it is over: are there classes, and what is known of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int

from cryofocus.consensus.ground import Ground
from cryofocus.inference.calibration import calibrate
from cryofocus.inference.comparison import Comparison, Divisible
from cryofocus.inference.expected_accuracy import expected_accuracy
from cryofocus.inference.held_out import SIGNIFICANT, HeldOut, compare_half_sets
from cryofocus.inference.merging import FinishedRun, pair_up
from cryofocus.inference.posterior import estimate_class_weights
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.inference.share_errors import estimate_share_errors, widen_for_copies
from cryofocus.maths.copies import find_effective_classes

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Judged:
    """What was found out about the best run's classes.

    Attributes:
        same_images: Pairs of classes that the images do not tell apart.
        held_out: What classes found in one half set say of the other.
        expected_accuracy: Fraction of particles that can be put into their true class.
        share_errors: `(n_classes,)` standard errors of the classes' shares.
        spread: Variance of images about their class, relative to that of noise.
        gain: Distance of images from the mean of the classes, relative to that of the maps.
        posteriors: Of the last state's classes, with the spread taken into account; None where
            there are no classes.
    """

    same_images: tuple[tuple[int, int], ...] = ()
    held_out: HeldOut | None = None
    expected_accuracy: float | None = None
    share_errors: Float64[np.ndarray, " n_classes"] | None = None
    spread: float | None = None
    gain: float | None = None
    posteriors: Float64[np.ndarray, "particle n_left"] | None = None

    def reordered(self, order: Int[np.ndarray, " n_classes"]) -> Judged:
        """Return the same of the classes in another order."""
        place = np.argsort(order)
        return replace(
            self,
            same_images=tuple((int(place[a]), int(place[b])) for a, b in self.same_images),
            share_errors=None if self.share_errors is None else self.share_errors[order],
        )


def judge_run(
    comparison: Comparison[Any],
    best: FinishedRun[Any],
    settings: ClassifierSettings,
    ground: Ground,
) -> Judged:
    """Ask which classes are the same, whether there are any, and how well they are known.

    Nothing is said where the strategy cannot, or before a run has settled.

    Args:
        comparison: Of all particles.
        best: The run.
        settings: Of the runs.
        ground: Half sets and monitor.
    """
    has_settled = best.outcome.is_converged
    if not (settings.asks_half_sets and has_settled and isinstance(comparison, Divisible)):
        return Judged()
    state = best.run.state
    effective = find_effective_classes(state.posteriors, best.alike_at_the_end)
    few = comparison.with_classes(max(2, len(effective)))
    held_out = compare_half_sets(
        few,
        settings,
        ground.half_set,
        ground.monitor,
        ground.kernels.host_gb,
        refines=best.n_refining_cycles > 0,
    )
    with ground.monitor.stage("classes judged", 3) as advance:
        moments, weights = comparison.own_moments(state), estimate_class_weights(state.posteriors)
        spread = gain = posteriors = None
        if held_out is not None and held_out.p_value <= SIGNIFICANT:
            calibrated = calibrate(moments, weights)
            moments, spread, gain = calibrated.moments, calibrated.spread, calibrated.gain
            posteriors = calibrated.posteriors
            logger.info(
                "images scatter %.2f times as much about their classes as noise does, and lie "
                "%.2f times as far from the mean as the maps say: probabilities allow for that",
                *(spread, gain),
            )
        advance()
        generator = np.random.default_rng([settings.seed, 0xEA])
        accuracy = expected_accuracy(moments, weights, effective, generator)
        advance()
        parents = ground.consensus.images.particles.parent_of_particle
        widened = estimate_share_errors(moments, weights)
        widened *= widen_for_copies(state.posteriors, parents)
        errors = best.spread(widened)
        advance()
    return Judged(pair_up(best.alike), held_out, accuracy, errors, spread, gain, posteriors)
