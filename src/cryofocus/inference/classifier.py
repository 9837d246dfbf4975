"""The main job: particles and a focus mask in, classes, posteriors and maps out.

`FocusedClassifier.fit` is the straight path: images -> consensus -> small-box statistics ->
independent runs -> the best run's posteriors -> whole-box class maps.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Float64, Int8, Int64

from cryofocus.consensus.consensus import Consensus, estimate_consensus
from cryofocus.consensus.ground import Allocate, Ground
from cryofocus.consensus.images import PADDING, Reader
from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.outliers import outlier_scores
from cryofocus.consensus.preparation import assign_half_sets, open_images
from cryofocus.consensus.reconstruct import MapEstimate, MapSource, accumulate_halves, solve_maps
from cryofocus.consensus.resolution import choose_shells
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.errors import SettingError
from cryofocus.execution.contract import Executor
from cryofocus.execution.monitor import Monitor, SilentMonitor
from cryofocus.execution.serial import HERE
from cryofocus.inference.comparison import State
from cryofocus.inference.cycles import CycleRecord, Outcome
from cryofocus.inference.driver import Run, prepare_comparison, run_all
from cryofocus.inference.runs import RunComparison, compare_runs
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.copies import (
    EffectiveClasses,
    find_effective_classes,
)
from cryofocus.maths.shells import shell_resolution_angstrom

logger = logging.getLogger(__name__)

# Posteriors that exceed chance by less than this are those of guessing.
BETTER_THAN_CHANCE = 0.05


@dataclass(frozen=True, eq=False)
class RunResult:
    """One independent run.

    Attributes:
        seed: Seed of the settings and number of the run (from 0), the run's random stream.
        posteriors: `(particle, n_classes)` float64, classes in the best run's order.
        history: One record a cycle.
        outcome: How it ended.
    """

    seed: tuple[int, int]
    posteriors: Float64[np.ndarray, "particle n_classes"]
    history: tuple[CycleRecord, ...]
    outcome: Outcome


@dataclass(frozen=True, eq=False)
class ClassificationResult:
    """What a focused classification found.

    Attributes:
        posteriors: `(particle, n_classes)` float64 of the best run, classes by falling population.
        log_evidence: `(particle,)` log-likelihood of each image's residual, over all classes.
        runs: All runs, their classes in the same order.
        comparison: How the runs agree.
        maps: Whole-box map, half maps and FSC of every class.
        controls: The same from equally many particles drawn at random, where asked for.
        consensus: What all classes share.
        half_set: Half set of each particle.
        half_set_origin: Where it came from.
        n_shells: Shells that entered the classification.
        same_maps: Pairs of classes, counted from 0, whose maps cannot be told apart.
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

    @property
    def labels(self) -> Int64[np.ndarray, " particle"]:
        """Most probable class of each particle, counted from 0."""
        return np.asarray(self.posteriors.argmax(axis=1), np.int64)

    @property
    def class_weights(self) -> Float64[np.ndarray, " n_classes"]:
        """Fraction of the particles in each class, summed over posteriors."""
        return np.asarray(self.posteriors.mean(axis=0))

    @property
    def mean_highest_posterior(self) -> float:
        """Posterior of each particle's most probable class, averaged over the particles."""
        return float(self.posteriors.max(axis=1).mean())

    @cached_property
    def effective_classes(self) -> EffectiveClasses:
        """Classes that are copies of one another, by posteriors or maps, and empty ones."""
        return find_effective_classes(self.posteriors, self.same_maps)

    @property
    def guessing_posterior(self) -> float:
        """Mean highest posterior up to which nothing was found: chance, and a little more."""
        merged = self.effective_classes.merge(self.posteriors)
        chance = max(merged.mean(axis=0).max(), 1 / merged.shape[1])
        return float(chance + BETTER_THAN_CHANCE)

    @property
    def classes_found(self) -> bool:
        """Whether images can be told apart: False where posteriors are no better than chance.

        Of effective classes: between copies of a class nobody can choose, and nobody need.
        """
        merged = self.effective_classes.merge(self.posteriors)
        return float(merged.max(axis=1).mean()) > self.guessing_posterior


@dataclass(frozen=True, eq=False)
class _Found:
    """What the runs found: how the runs agree, the runs, and the best one's evidence.

    And what was measured before: scales, and how well images match the consensus.
    """

    scale: Float32[np.ndarray, " particle"]
    comparison: RunComparison
    runs: tuple[RunResult, ...]
    log_evidence: Float64[np.ndarray, " particle"]
    match: ImageMatch | None


class FocusedClassifier:
    """Focused classification with fixed poses.

    Args:
        settings: Every setting that changes the result.
        kernels: Slice kernels of the device, from `select_kernels`.
        threads: Threads of the Fourier transforms.
        executor: Where passes over the images are made and statistics stay.
        solvent: Mask, on the particles' grid, that the consensus is multiplied by; or None.
        references: Maps that the first run starts from, one per class, on the particles' grid in
            any grey scale; their order is the order of the classes.

    Raises:
        SettingError: When there are not as many references as classes.
    """

    def __init__(
        self,
        settings: ClassifierSettings,
        kernels: SliceKernels,
        threads: int = 1,
        *,
        executor: Executor = HERE,
        solvent: FocusMask | None = None,
        references: Sequence[Float32[np.ndarray, "box box box"]] = (),
    ) -> None:
        if references and len(references) != settings.n_classes:
            message = (
                f"references: {len(references)} maps for {settings.n_classes} classes; expected "
                "one per class. Give as many maps as classes."
            )
            raise SettingError(message)
        self.settings = settings
        self._kernels = kernels
        self._threads = threads
        self._executor = executor
        self._solvent = solvent
        self._references = tuple(references)

    def fit(
        self,
        particles: ParticleSet,
        reader: Reader,
        mask: FocusMask,
        *,
        monitor: Monitor | None = None,
        allocate: Allocate = np.empty,
        starts: Sequence[Float64[np.ndarray, "particle n_classes"]] = (),
    ) -> ClassificationResult:
        """Classify particles by what the focus mask shows.

        Args:
            particles: Poses, CTFs and groups.
            reader: Gives raw pixels by particle index, for instance `ImageReader(particles)`.
            mask: The region in focus, on the particles' grid.
            monitor: Progress and checkpoints; silent by default.
            allocate: Makes the arrays of the statistics, `np.empty` by default; bring a
                disk-backed one for statistics larger than memory.
            starts: Posteriors that the first runs start from, such as those of a classification
                under other poses; the strategy starts the others.

        Raises:
            SettingError: When there are fewer than two particles per class, or an option does
                nothing with this kind of mask.
            RegionError: When the mask does not fit the particles.
        """
        settings, monitor = self.settings, monitor or SilentMonitor()
        if len(particles) < 2 * settings.n_classes:
            message = (
                f"classes: {settings.n_classes} asked for, but there are only {len(particles)} "
                "particles; expected at least two particles per class. Ask for fewer classes."
            )
            raise SettingError(message)
        for region in (mask, self._solvent):
            if region is not None:
                region.require_grid(particles.box, particles.pixel_size_angstrom)
        half_set, origin = assign_half_sets(particles, settings.seed)
        logger.info("%s", origin)
        consensus = self._estimate_consensus(particles, reader, half_set, monitor)
        ground = Ground(
            consensus=consensus,
            mask=mask,
            half_set=half_set,
            n_shells=choose_shells(consensus, settings.max_resolution_angstrom),
            kernels=self._kernels,
            monitor=monitor,
            allocate=allocate,
            solvent=None if self._solvent is None else self._solvent.data,
        )
        _log_plan(ground)
        return self._conclude(ground, self._run(ground, starts), origin)

    def _estimate_consensus(
        self,
        particles: ParticleSet,
        reader: Reader,
        half_set: Int8[np.ndarray, " particle"],
        monitor: Monitor,
    ) -> Consensus:
        """Decide how images are treated and reconstruct what all classes share."""
        images = open_images(
            particles,
            self.settings.invert,
            reader=reader,
            threads=self._threads,
            executor=self._executor,
        )
        with monitor.stage("consensus", len(particles)) as advance:
            return estimate_consensus(
                images,
                half_set,
                self._kernels,
                solvent=None if self._solvent is None else self._solvent.data,
                advance=advance,
            )

    def _run(
        self, ground: Ground, starts: Sequence[Float64[np.ndarray, "particle n_classes"]]
    ) -> _Found:
        """Make all runs; their large arrays are freed on return."""
        comparison = prepare_comparison(ground, self.settings, self._references)
        runs = run_all(comparison, self.settings, ground.monitor, starts)
        ordered = _order_runs(runs, self.settings, is_ordered=bool(self._references))
        return _Found(comparison.scale, *ordered, comparison.match)

    def _conclude(
        self, ground: Ground, found: _Found, half_set_origin: str
    ) -> ClassificationResult:
        """Reconstruct the best run's classes from the intact images."""
        comparison, runs, scale = found.comparison, found.runs, found.scale
        posteriors = runs[comparison.best].posteriors
        maps = self._reconstruct(ground, scale, posteriors, "class maps")
        controls: tuple[MapEstimate, ...] = ()
        if self.settings.control_maps:
            drawn = _random_subsets(posteriors, self.settings.seed)
            controls = self._reconstruct(ground, scale, drawn, "control maps")
        return ClassificationResult(
            posteriors=posteriors,
            log_evidence=found.log_evidence,
            runs=runs,
            comparison=comparison,
            maps=maps,
            controls=controls,
            consensus=ground.consensus,
            half_set=ground.half_set,
            half_set_origin=half_set_origin,
            n_shells=ground.n_shells,
            outlier=_outliers(ground, found.match),
            match=found.match,
        )

    def _reconstruct(
        self,
        ground: Ground,
        scale: Float32[np.ndarray, " particle"],
        weights: Float64[np.ndarray, "particle n_classes"],
        name: str,
    ) -> tuple[MapEstimate, ...]:
        """Reconstruct whole-box maps, a few classes in each pass over the images."""
        images = ground.consensus.images
        source = MapSource(images, ground.consensus.noise, scale, ground.half_set)
        maps: list[MapEstimate] = []
        with ground.monitor.stage(name, weights.shape[1] * len(images)) as advance:
            at_once = self._kernels.columns_at_once(PADDING * images.particles.box)
            for start in range(0, weights.shape[1], at_once):
                columns = weights[:, start : start + at_once].astype(np.float32)
                count = _times(advance, columns.shape[1])
                sums = accumulate_halves(source, columns, self._kernels, advance=count)
                maps.extend(solve_maps(sums, images.particles.box, threads=self._threads))
        return tuple(maps)


def _outliers(ground: Ground, match: ImageMatch | None) -> Float64[np.ndarray, " particle"] | None:
    if match is None:
        return None
    return outlier_scores(match, ground.consensus.images.particles.optics_of_particle)


def _log_plan(ground: Ground) -> None:
    consensus = ground.consensus
    particles = consensus.images.particles
    logger.info(
        "protein is %s in the images (skewness of the consensus %.2f)",
        "bright" if consensus.images.treatment.sign > 0 else "dark",
        consensus.skewness,
    )
    logger.info(
        "classification to %.1f Å (%d shells)",
        shell_resolution_angstrom(ground.n_shells, particles.box, particles.pixel_size_angstrom),
        ground.n_shells,
    )


def _order_runs(
    runs: list[Run[State]], settings: ClassifierSettings, *, is_ordered: bool
) -> tuple[RunComparison, tuple[RunResult, ...], Float64[np.ndarray, " particle"]]:
    """Match the runs and number the classes.

    By falling population in the best run, or, where the first run's classes have an order from
    the maps given, in that order.
    """
    states = [run.state for run in runs]
    scores = [run.history[-1].objective for run in runs]
    comparison = compare_runs([state.posteriors for state in states], scores)
    best = states[comparison.best]
    numbering = np.argsort(-best.posteriors.sum(axis=0), kind="stable")
    if is_ordered:
        numbering = np.argsort(comparison.orders[0])
    results = tuple(
        RunResult(
            seed=(settings.seed, index),
            posteriors=run.state.posteriors[:, order[numbering]],
            history=tuple(record.reordered(order[numbering]) for record in run.history),
            outcome=run.outcome(settings),
        )
        for index, (run, order) in enumerate(zip(runs, comparison.orders, strict=True))
    )
    return comparison, results, best.log_evidence


def _random_subsets(
    posteriors: Float64[np.ndarray, "particle n_classes"], seed: int
) -> Float64[np.ndarray, "particle n_classes"]:
    """Shuffle each class's weights among the particles: as many, but drawn at random."""
    generator = np.random.default_rng([seed, 0xC0])
    return np.stack([generator.permutation(column) for column in posteriors.T], axis=1)


def _times(advance: Callable[..., None], n_columns: int) -> Callable[[int], None]:
    return lambda n_particles: advance(n_particles * n_columns)
