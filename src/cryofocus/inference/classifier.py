"""The main job: particles and a focus mask in, classes, posteriors and maps out.

`FocusedClassifier.fit` is the straight path: images -> consensus -> small-box statistics ->
independent runs -> the best run's posteriors -> whole-box class maps.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int, Int8

from cryofocus.calls import checked
from cryofocus.consensus.consensus import Consensus, estimate_consensus
from cryofocus.consensus.ground import Allocate, Ground
from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.outliers.scores import outlier_scores
from cryofocus.consensus.preparation import assign_half_sets, open_images
from cryofocus.consensus.reconstruct import (
    MapEstimate,
    MapSource,
    keep_each,
    reconstruct_maps,
)
from cryofocus.consensus.resolution import choose_shells
from cryofocus.consensus.sampling import sample_map
from cryofocus.data.images import Reader
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.errors import SettingError
from cryofocus.execution.contract import Executor
from cryofocus.execution.monitor import Monitor, SilentMonitor
from cryofocus.execution.serial import HERE
from cryofocus.formatting import format_resolution
from cryofocus.inference.comparison import Divisible
from cryofocus.inference.counting import Trial, count_classes, monitor_after
from cryofocus.inference.driver import Run, prepare_comparison, run_all
from cryofocus.inference.expected_memory import log_memory
from cryofocus.inference.judgement import Judged, judge_run
from cryofocus.inference.merging import FinishedRun, merge_runs
from cryofocus.inference.refining import refine_run
from cryofocus.inference.region_content import require_density
from cryofocus.inference.result import ClassificationResult, RunResult
from cryofocus.inference.runs import RunComparison, compare_runs
from cryofocus.inference.settings import AUTO, ClassifierSettings
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.shells import shell_resolution_angstrom

logger = logging.getLogger(__name__)


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
    trials: tuple[Trial, ...]
    judged: Judged


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

    @checked
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

    @checked
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
        if len(particles) < 2 * settings.least_classes:
            message = (
                f"classes: {settings.least_classes} asked for, but there are only "
                f"{len(particles)} particles; expected at least two particles per class. Ask for "
                "fewer classes."
            )
            raise SettingError(message)
        for region in (mask, self._solvent):
            if region is not None:
                region.require_grid(particles.box, particles.pixel_size_angstrom)
        half_set, origin = assign_half_sets(particles, settings.seed)
        logger.info("%s", origin)
        consensus = self._estimate_consensus(particles, reader, half_set, monitor)
        consensus = replace(consensus, map=consensus.map.kept(allocate))
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
        _log_plan(ground, settings)
        if STRATEGIES[settings.strategy].needs_region:
            require_density(mask, consensus)
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
                reach=self.settings.reach,
                advance=advance,
            )

    def _run(
        self, ground: Ground, starts: Sequence[Float64[np.ndarray, "particle n_classes"]]
    ) -> _Found:
        """Make all runs; their large arrays are freed on return."""
        settings, monitor = self.settings, ground.monitor
        box = ground.consensus.images.particles.box
        references = tuple(sample_map(volume, box) for volume in self._references)
        comparison = prepare_comparison(ground, settings, references)
        trials: tuple[Trial, ...] = ()
        done: tuple[Run[Any], ...] = ()
        if settings.n_classes == AUTO:
            assert isinstance(comparison, Divisible)  # the settings refuse other strategies
            counted = count_classes(comparison, settings, monitor)
            trials, done = counted.trials, counted.runs
            comparison = comparison.with_classes(counted.n_classes)
            monitor = monitor_after(monitor, counted)
        made = run_all(comparison, settings, monitor, starts, done)
        runs = merge_runs(comparison, settings, made, monitor)
        scores = [run.history[-1].objective for run in runs]
        rows = ground.consensus.images.particles.counted
        compared = compare_runs([run.posteriors[rows] for run in runs], scores)
        runs[compared.best] = refine_run(comparison, settings, runs[compared.best], monitor, runs)
        best = runs[compared.best]
        judged = judge_run(comparison, best, settings, ground)
        runs[compared.best] = replace(best, calibrated=judged.posteriors)
        ordered = _order_runs(runs, compared, settings, is_ordered=bool(self._references))
        (agreement, results, log_evidence), order = ordered
        judged = judged.reordered(order)
        return _Found(
            comparison.scale, agreement, results, log_evidence, comparison.match, trials, judged
        )

    def _conclude(
        self, ground: Ground, found: _Found, half_set_origin: str
    ) -> ClassificationResult:
        """Reconstruct the best run's classes from the intact images."""
        comparison, runs, scale = found.comparison, found.runs, found.scale
        posteriors = runs[comparison.best].posteriors
        maps = list(self._reconstruct(ground, scale, posteriors, "class maps"))
        for first, other in found.judged.same_images:
            if not posteriors[:, other].any():
                maps[other] = maps[first]
        controls: tuple[MapEstimate, ...] = ()
        if self.settings.control_maps:
            drawn = _random_subsets(posteriors, self.settings.seed)
            controls = self._reconstruct(ground, scale, drawn, "control maps")
        return ClassificationResult(
            posteriors=posteriors,
            log_evidence=found.log_evidence,
            runs=runs,
            comparison=comparison,
            maps=tuple(maps),
            controls=controls,
            consensus=ground.consensus,
            half_set=ground.half_set,
            half_set_origin=half_set_origin,
            n_shells=ground.n_shells,
            outlier=_outliers(ground, found.match),
            match=found.match,
            trials=found.trials,
            same_images=found.judged.same_images,
            held_out=found.judged.held_out,
            expected_accuracy=found.judged.expected_accuracy,
            share_errors=found.judged.share_errors,
            spread=found.judged.spread,
            gain=found.judged.gain,
        )

    def _reconstruct(
        self,
        ground: Ground,
        scale: Float32[np.ndarray, " particle"],
        weights: Float64[np.ndarray, "particle n_classes"],
        name: str,
    ) -> tuple[MapEstimate, ...]:
        """Reconstruct whole-box maps, a few classes in each pass over the images.

        Maps of classes without particles hold nothing.
        """
        images = ground.consensus.images
        source = MapSource(images, ground.consensus.noise, scale, ground.half_set)
        filled = np.flatnonzero(weights.any(axis=0))
        maps = [MapEstimate.of_nothing(images.particles.box)] * weights.shape[1]
        columns = weights[:, filled].astype(np.float32)
        with ground.monitor.stage(name, len(filled) * len(images)) as advance:
            made = reconstruct_maps(source, columns, self._kernels, advance=advance)
            for k, estimate in zip(filled, keep_each(made, ground.allocate), strict=True):
                maps[k] = estimate
        return tuple(maps)


def _outliers(ground: Ground, match: ImageMatch | None) -> Float64[np.ndarray, " particle"] | None:
    if match is None:
        return None
    particles = ground.consensus.images.particles
    return outlier_scores(match, particles.optics_of_particle, particles.rotation[:, 2])


def _log_plan(ground: Ground, settings: ClassifierSettings) -> None:
    consensus = ground.consensus
    particles = consensus.images.particles
    logger.info(
        "protein is %s in the images (skewness of the consensus %.2f)",
        "bright" if consensus.images.treatment.sign > 0 else "dark",
        consensus.skewness,
    )
    grid = (particles.box, particles.pixel_size_angstrom)
    logger.info(
        "classification to %s, %d shells; maps to %s",
        format_resolution(shell_resolution_angstrom(ground.n_shells, *grid), *grid),
        ground.n_shells,
        format_resolution(
            shell_resolution_angstrom(consensus.images.largest_band().n_shells, *grid), *grid
        ),
    )
    log_memory(ground, settings)


def _order_runs(
    runs: list[FinishedRun[Any]],
    compared: RunComparison,
    settings: ClassifierSettings,
    *,
    is_ordered: bool,
) -> tuple[
    tuple[RunComparison, tuple[RunResult, ...], Float64[np.ndarray, " particle"]],
    Int[np.ndarray, " n_classes"],
]:
    """Match the runs, which were compared before the best was refined, and number the classes.

    By falling population in the best run, or, where the first run's classes have an order from
    the maps given, in that order. Also returned: which of the best run's classes each one is.
    """
    comparison = compared.matched([run.posteriors for run in runs])
    best = runs[comparison.best]
    numbering = np.argsort(-best.posteriors.sum(axis=0), kind="stable")
    if is_ordered:
        numbering = np.argsort(comparison.orders[0])
    results = tuple(
        RunResult(
            seed=(settings.seed, index),
            posteriors=run.posteriors[:, order[numbering]],
            history=tuple(record.reordered(order[numbering]) for record in run.history),
            outcome=run.outcome,
            n_refining_cycles=run.n_refining_cycles,
        )
        for index, (run, order) in enumerate(zip(runs, comparison.orders, strict=True))
    )
    order = comparison.orders[comparison.best][numbering]
    return (comparison, results, best.run.state.log_evidence), order


def _random_subsets(
    posteriors: Float64[np.ndarray, "particle n_classes"], seed: int
) -> Float64[np.ndarray, "particle n_classes"]:
    """Shuffle each class's weights among the particles: as many, but drawn at random."""
    generator = np.random.default_rng([seed, 0xC0])
    return np.stack([generator.permutation(column) for column in posteriors.T], axis=1)
