"""What a classification found, how sure that is, and what a user should be warned of."""

from __future__ import annotations

import logging
from itertools import combinations

import numpy as np
from jaxtyping import Float, Float32

from cryofocus.inference.classifier import ClassificationResult
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.maths.fourier import forward_3d, inverse_3d
from cryofocus.maths.grids import shell_index_3d
from cryofocus.maths.masks import mask_bounds
from cryofocus.poses.accuracy import PoseAccuracy
from cryofocus.workflows.classify.inputs import Inputs
from cryofocus.workflows.classify.related_classes import find_related_classes

logger = logging.getLogger(__name__)

EMPTY_WEIGHT = 0.01
IDENTICAL_CORRELATION = 0.98
# Differences between two classes that correlate less than this between half sets are noise.
REPRODUCIBLE_CORRELATION = 0.1
POOR_AGREEMENT = 0.8
WEAK_SKEWNESS = 0.5
SMALL_HALF_SET = 0.25


def mean_agreement(result: ClassificationResult) -> float | None:
    """Return the fraction of particles two runs agree on, over all pairs; None for one run."""
    pairs = [fraction for _, _, fraction in result.comparison.pairs]
    return float(np.mean(pairs)) if pairs else None


def describe_findings(result: ClassificationResult) -> str:
    """Say in one sentence what was found and how sure it is."""
    highest = float(result.posteriors.max(axis=1).mean())
    weights = result.class_weights
    if not result.classes_found:
        return (
            "No classes were found: the highest posterior of a particle is "
            f"{highest:.2f} on average, and calling every particle the largest class would give "
            f"{float(weights.max()):.2f}; differences between these maps are noise."
        )
    shares = ", ".join(f"{100 * weight:.0f} %" for weight in weights[:-1])
    agreement = mean_agreement(result)
    runs = (
        f"; {len(result.runs)} independent runs agree on {100 * agreement:.0f} % of them"
        if agreement is not None
        else "; a single run cannot say how reproducible this is"
    )
    return (
        f"Found {len(weights)} classes of {shares} and {100 * weights[-1]:.0f} % of the "
        f"particles, whose highest posterior is {highest:.2f} on average{runs}."
    )


def log_findings(
    result: ClassificationResult, inputs: Inputs, settings: ClassifierSettings
) -> None:
    """Log everything a user should be warned of; each warning ends in advice."""
    if not result.classes_found:
        logger.warning(
            "no classes were found: posteriors hardly leave those of guessing. Check poses and "
            "the place and size of the focus region (in Å, not voxels), or accept that the region "
            "does not vary."
        )
    _warn_about_runs(result)
    _warn_about_images(result, inputs, settings)
    _warn_about_classes(result, inputs)


def warn_about_poses(accuracy: PoseAccuracy) -> None:
    """Say when images suffer from errors of their poses more than from noise."""
    if accuracy.is_limiting:
        logger.warning(
            "the poses seem to be off by %.1f degrees and %.1f Å (standard deviation of each "
            "rotation and shift), which costs accuracy. Let them follow with --refine-poses 4, or "
            "refine them beforehand (cryofocus align refine).",
            accuracy.angle_sd_degrees,
            accuracy.shift_sd_angstrom,
        )


def _warn_about_runs(result: ClassificationResult) -> None:
    for number, run in enumerate(result.runs, start=1):
        if not run.converged:
            logger.warning("run %d did not converge: %s.", number, run.reason)
    agreement = mean_agreement(result)
    if result.classes_found and agreement is not None and agreement < POOR_AGREEMENT:
        logger.warning(
            "the runs agree on %.0f %% of the particles only: different starts lead to different "
            "classes. Raise --runs, ask for fewer classes, or trust only particles on which runs "
            "agree (agreement.npy).",
            100 * agreement,
        )


def _warn_about_images(
    result: ClassificationResult, inputs: Inputs, settings: ClassifierSettings
) -> None:
    skewness = result.consensus.skewness
    if settings.invert == "auto" and skewness < WEAK_SKEWNESS:
        logger.warning(
            "the contrast sign is uncertain (skewness %.2f of the consensus density): look at "
            "consensus.mrc, and if protein is dark there, force the sign with --invert.",
            skewness,
        )
    particles = inputs.particles
    has_half_sets = bool((particles.half_set > 0).all())
    if not has_half_sets and len(np.unique(particles.micrograph_of_particle)) < 2:
        logger.warning(
            "half sets were drawn at random, because the table gives neither rlnRandomSubset nor "
            "several micrographs: the FSC may be too high. Give half sets of the refinement."
        )
    smaller = min(np.mean(result.half_set == 1), np.mean(result.half_set == 2))
    if smaller < SMALL_HALF_SET:
        logger.warning(
            "one half set holds only %.0f %% of the particles: the FSC says little. Remove "
            "rlnRandomSubset from the table to have new half sets made.",
            100 * smaller,
        )


def _warn_about_classes(result: ClassificationResult, inputs: Inputs) -> None:
    weights = result.class_weights
    filled = [k for k, weight in enumerate(weights) if weight >= EMPTY_WEIGHT]
    for k in sorted(set(range(len(weights))) - set(filled)):
        logger.warning(
            "class %d is empty (%.2f %% of the particles): the data show fewer classes than were "
            "asked for. Ignore it, or ask for fewer classes.",
            k + 1,
            100 * weights[k],
        )
    if not result.classes_found:
        return
    for first, second in near_identical(result, inputs.mask.data, filled):
        logger.warning(
            "classes %d and %d are nearly identical inside the focus region: they may be one "
            "class split in two. Compare their maps, and merge them (cryofocus select --classes "
            "%d,%d) or ask for fewer classes.",
            first + 1,
            second + 1,
            first + 1,
            second + 1,
        )

    _warn_about_symmetry(result, inputs, filled)


def _warn_about_symmetry(result: ClassificationResult, inputs: Inputs, classes: list[int]) -> None:
    """Say when classifying an expanded set has only told its units apart."""
    expansion, operators = inputs.particles.expansion, inputs.particles.derive_operators()
    if expansion is None or operators is None:
        return
    pixel_size = inputs.particles.pixel_size_angstrom
    for pair in find_related_classes(
        result.maps, classes, operators, inputs.mask.data, pixel_size, result.n_shells
    ):
        logger.warning(
            "class %d is the image of class %d under operator %d of the symmetry expansion: the "
            "same molecules are in both, seen from different units, and the classification has "
            "undone the expansion. Count them as one state, and ask for fewer classes or classify "
            "the set that was expanded.",
            pair.second + 1,
            pair.first + 1,
            expansion.operators[pair.operator] + 1,
        )


def near_identical(
    result: ClassificationResult, mask: Float32[np.ndarray, "box box box"], classes: list[int]
) -> list[tuple[int, int]]:
    """Return pairs of classes whose maps cannot be told apart inside a mask.

    Two classes are nearly identical when their deviations from the mean of all classes correlate
    above 0.98, or when their difference is not the same in both half sets (correlation below
    0.1), both to the resolution of the classification.

    Args:
        result: Of the classifier.
        mask: Focus mask.
        classes: Which classes to compare, counted from 0.
    """
    inside = _Inside(mask, result.n_shells)
    full = np.stack([inside.values(result.maps[k].full) for k in classes])
    halves = [
        np.stack([inside.values(result.maps[k].halves[half]) for k in classes]) for half in (0, 1)
    ]
    weights = result.class_weights[classes]
    deviations = full - (weights / weights.sum()) @ full
    return [
        (classes[i], classes[j])
        for i, j in combinations(range(len(classes)), 2)
        if _correlation(deviations[i], deviations[j]) > IDENTICAL_CORRELATION
        or _correlation(halves[0][i] - halves[0][j], halves[1][i] - halves[1][j])
        < REPRODUCIBLE_CORRELATION
    ]


class _Inside:
    """Takes the masked voxels of a map, to some resolution."""

    def __init__(self, mask: Float32[np.ndarray, "box box box"], n_shells: int) -> None:
        self._bounds = mask_bounds(mask)
        self._mask = mask[self._bounds]
        self._is_resolved = shell_index_3d(len(mask)) < n_shells

    def values(self, volume: Float32[np.ndarray, "box box box"]) -> Float[np.ndarray, " voxel"]:
        smooth = inverse_3d(forward_3d(volume) * self._is_resolved, len(volume))
        return np.asarray((smooth[self._bounds] * self._mask)[self._mask > 0], np.float64)


def _correlation(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]) -> float:
    """Return the uncentred correlation; 1 where both are zero, hence the same."""
    norm = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / norm if norm > 0 else 1.0
