"""What a focused classification found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.inference.counting import Trial
from cryofocus.inference.cycles import CycleRecord, Outcome
from cryofocus.inference.held_out import SIGNIFICANT, HeldOut
from cryofocus.inference.runs import RunComparison
from cryofocus.maths.copies import EffectiveClasses, find_effective_classes

# Posteriors that exceed chance by less than this are those of guessing; where a state is rare and
# chance leaves little to say, by less than a part of that.
BETTER_THAN_CHANCE, PART_OF_THE_REST, BETTER_AT_ALL = 0.05, 0.25, 1e-3


@dataclass(frozen=True, eq=False)
class RunResult:
    """One independent run.

    Attributes:
        seed: Seed of the settings and number of the run (from 0), the run's random stream.
        posteriors: `(particle, n_classes)` float64, classes in the best run's order.
        history: One record a cycle, of those that raise the log-posterior.
        outcome: How it ended.
        n_refining_cycles: Cycles since then that refined it; 0 where it was not.
    """

    seed: tuple[int, int]
    posteriors: Float64[np.ndarray, "particle n_classes"]
    history: tuple[CycleRecord, ...]
    outcome: Outcome
    n_refining_cycles: int = 0


@dataclass(frozen=True, eq=False)
class ClassificationResult:
    """What a focused classification found.

    Attributes:
        posteriors: `(particle, n_classes)` float64 of the best run, classes by falling population.
        log_evidence: `(particle,)` log-likelihood of each image's residual, over all classes.
        runs: All runs, their classes in the same order.
        comparison: How the runs agree.
        maps: Whole-box map, half maps and FSC of every class, on the grid of the consensus; a
            class that merged into another has that one's.
        controls: The same from equally many particles drawn at random, where asked for.
        consensus: What all classes share.
        half_set: Half set of each particle.
        half_set_origin: Where it came from.
        n_shells: Shells that entered the classification.
        same_maps: Pairs of classes, counted from 0, whose maps cannot be told apart.
        same_images: Pairs of classes, counted from 0, that the images do not tell apart.
        trials: Numbers of classes that were tried, where the number was to be found.
        held_out: What classes found in one half set say of the other; None where no verdict is
            possible, because runs did not settle or the strategy cannot say.
        expected_accuracy: Fraction of particles that can be put into their true class, if classes
            are as found; None where the strategy cannot say.
        share_errors: `(n_classes,)` standard error of each class's share; None where the strategy
            cannot say.
        spread: Variance of images about their class along the differences of the classes, relative
            to that of noise; posteriors allow for it. None where there are no classes.
        gain: Distance of images from the mean of the classes, relative to that of the maps;
            likewise.
        outlier: `(particle,)` how far each image is from showing the consensus as the others do,
            in standard deviations; None where the strategy does not measure it.
        match: What that was judged by.
    """

    posteriors: Float64[np.ndarray, "particle n_classes"]
    log_evidence: Float64[np.ndarray, " particle"]
    runs: tuple[RunResult, ...]
    comparison: RunComparison
    maps: tuple[MapEstimate, ...]
    controls: tuple[MapEstimate, ...]
    consensus: Consensus
    half_set: Int8[np.ndarray, " particle"]
    half_set_origin: str
    n_shells: int
    same_maps: tuple[tuple[int, int], ...] = ()
    outlier: Float64[np.ndarray, " particle"] | None = None
    match: ImageMatch | None = None
    same_images: tuple[tuple[int, int], ...] = ()
    trials: tuple[Trial, ...] = ()
    held_out: HeldOut | None = None
    expected_accuracy: float | None = None
    share_errors: Float64[np.ndarray, " n_classes"] | None = None
    spread: float | None = None
    gain: float | None = None

    @property
    def labels(self) -> Int64[np.ndarray, " particle"]:
        """Most probable class of each particle, counted from 0."""
        return np.asarray(self.posteriors.argmax(axis=1), np.int64)

    @property
    def counted(self) -> Bool[np.ndarray, " particle"]:
        """Which particles count; nothing else is said of the others than their posteriors."""
        return self.consensus.images.particles.counted

    @cached_property
    def counted_posteriors(self) -> Float64[np.ndarray, "counted n_classes"]:
        """Posteriors of the particles that count."""
        counted = self.counted
        return self.posteriors if counted.all() else self.posteriors[counted]

    @property
    def class_weights(self) -> Float64[np.ndarray, " n_classes"]:
        """Fraction of the particles in each class, summed over posteriors."""
        return np.asarray(self.counted_posteriors.mean(axis=0))

    @property
    def mean_highest_posterior(self) -> float:
        """Posterior of each particle's most probable class, averaged over the particles."""
        return float(self.counted_posteriors.max(axis=1).mean())

    @cached_property
    def effective_classes(self) -> EffectiveClasses:
        """Classes that are copies of one another, by images, posteriors or maps; empty ones."""
        same = (*self.same_maps, *self.same_images)
        return find_effective_classes(self.counted_posteriors, same)

    @property
    def merged_classes(self) -> tuple[int, ...]:
        """Classes, counted from 0, whose particles all went to another during the runs."""
        others = {other for _, other in self.same_images}
        return tuple(sorted(k for k in others if not self.posteriors[:, k].any()))

    @property
    def guessing_posterior(self) -> float:
        """Mean highest posterior up to which nothing was found: chance, and a little more."""
        merged = self.effective_classes.merge(self.counted_posteriors)
        chance = max(merged.mean(axis=0).max(), 1 / merged.shape[1])
        of_the_rest = max(PART_OF_THE_REST * (1 - chance), BETTER_AT_ALL)
        return float(chance + min(BETTER_THAN_CHANCE, of_the_rest))

    @property
    def p_value_no_classes(self) -> float | None:
        """Bound on the probability of what was found where nothing varies; None if not known."""
        return None if self.held_out is None else self.held_out.p_value

    @property
    def classes_found(self) -> bool:
        """Whether there are classes, and images can be told apart.

        Half sets have to bear each other out, where they could be asked. And posteriors have to
        be better than chance, of effective classes: between copies of a class nobody can choose,
        and nobody need.
        """
        if self.held_out is not None and self.held_out.p_value > SIGNIFICANT:
            return False
        merged = self.effective_classes.merge(self.counted_posteriors)
        return float(merged.max(axis=1).mean()) > self.guessing_posterior
