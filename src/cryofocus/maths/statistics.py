"""How well found classes agree with true ones, and whether posteriors can be believed.

The definitions, with an example, stand in docs/evaluation.md.

Kappa and accuracy pool one-versus-rest counts over the K classes: with N = n K decisions,
accuracy Po = (TP + TN) / N, chance Pe = 1/K^2 + (1 - 1/K)^2, kappa = (Po - Pe) / (1 - Pe). With
fraction correct p this is 1 - (1 - p) K / (K - 1). Cohen's kappa of the K x K table is reported
beside it under its own name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from cryofocus.calls import checked


@dataclass(frozen=True)
class Agreement:
    """Agreement of matched hard classes with the truth.

    Attributes:
        kappa: Pooled one-versus-rest, see the module's docstring.
        accuracy: Pooled likewise.
        cohen_kappa: Cohen's kappa of the K x K table.
        fraction_correct: The plain fraction of correct particles.
        sensitivity: Of each true class; NaN for a class that no particle has (or that all have).
        specificity: Of each true class, likewise.
        youden_j: Of each true class, likewise.
        confusion: Particles by true class (row) and matched class (column).
        matching: True class that each found class was matched to.
    """

    kappa: float
    accuracy: float
    cohen_kappa: float
    fraction_correct: float
    sensitivity: Float[np.ndarray, " k"]
    specificity: Float[np.ndarray, " k"]
    youden_j: Float[np.ndarray, " k"]
    confusion: Int[np.ndarray, "k k"]
    matching: Int[np.ndarray, " k"]


@dataclass(frozen=True)
class GroupedAgreement:
    """Agreement of any number of found classes with a given number of true ones.

    Attributes:
        agreement: Of what each found class was assigned to.
        assignment: True class of each found one; -1 for a class without particles.
        is_by_majority: Whether each found class was assigned to the true class that it mostly
            holds, because there are more of them; else they were matched one to one.
    """

    agreement: Agreement
    assignment: Int[np.ndarray, " found"]
    is_by_majority: bool


@dataclass(frozen=True)
class Calibration:
    """Reliability of the highest posterior of each particle.

    Attributes:
        mean_posterior: Over all particles; equal to `fraction_correct`, up to chance, when the
            posteriors mean something.
        fraction_correct: Over all particles.
        expected_error: Mean over particles of the absolute difference between the two within their
            bin.
        bin_posterior: The reliability curve's abscissa; NaN in empty bins.
        bin_fraction_correct: Its ordinate; NaN in empty bins.
        bin_particles: Particles in each bin.
    """

    mean_posterior: float
    fraction_correct: float
    expected_error: float
    bin_posterior: Float[np.ndarray, " bins"]
    bin_fraction_correct: Float[np.ndarray, " bins"]
    bin_particles: Int[np.ndarray, " bins"]


def confusion_matrix(
    truth: Int[np.ndarray, " n"], found: Int[np.ndarray, " n"], n_classes: int
) -> Int[np.ndarray, "k k"]:
    """Count particles by true (row) and found (column) class, both counted from zero."""
    pair = truth.astype(np.int64) * n_classes + found
    return np.bincount(pair, minlength=n_classes**2).reshape(n_classes, n_classes)


def match_classes(
    found: Int[np.ndarray, " n"], truth: Int[np.ndarray, " n"], n_classes: int
) -> Int[np.ndarray, " k"]:
    """Match found to true classes so that as many particles as possible agree.

    Args:
        found: Class indices found, 0 to n_classes - 1.
        truth: True class indices, 0 to n_classes - 1.
        n_classes: K, the larger of the numbers of found and of true classes.

    Returns:
        ``matching[found]`` is the true class of a found one; a permutation (Hungarian method).
    """
    _, matching = linear_sum_assignment(confusion_matrix(truth, found, n_classes).T, maximize=True)
    return matching.astype(np.int64)


def posterior_kappa(posteriors: Float[np.ndarray, "n k"], truth: Int[np.ndarray, " n"]) -> float:
    """Kappa of a classifier whose classes are the true ones, such as an oracle.

    Args:
        posteriors: Class posteriors; the highest decides.
        truth: True class indices.

    Returns:
        1 - (1 - p) K / (K - 1), without matching classes.
    """
    n_classes = int(posteriors.shape[1])
    fraction_wrong = float(np.mean(posteriors.argmax(axis=1) != truth))
    return 1.0 - fraction_wrong * n_classes / (n_classes - 1)


@checked
def measure_agreement(
    found: Int[np.ndarray, " n"], truth: Int[np.ndarray, " n"], n_classes: int
) -> Agreement:
    """Match classes and count how well they agree.

    Args:
        found: Class indices found, 0 to n_classes - 1; at least one particle.
        truth: True class indices, 0 to n_classes - 1.
        n_classes: K >= 2, the larger of the numbers of found and of true classes.

    Returns:
        Every figure of docs/evaluation.md.

    Raises:
        ValueError: If there is no particle, fewer than two classes, or an index outside 0 to K -
            1.
    """
    if len(found) == 0 or n_classes < 2:
        raise ValueError(f"agreement needs particles and two classes: {len(found)}, {n_classes}")
    if min(found.min(), truth.min()) < 0 or max(found.max(), truth.max()) >= n_classes:
        raise ValueError(f"class indices must lie in 0 to {n_classes - 1}")
    matching = match_classes(found, truth, n_classes)
    confusion = confusion_matrix(truth, matching[found], n_classes)
    n, k = len(found), n_classes
    true_positive = np.diag(confusion)
    positive, called = confusion.sum(axis=1), confusion.sum(axis=0)
    true_negative = n - positive - called + true_positive
    accuracy = float((true_positive + true_negative).sum()) / (n * k)
    chance = 1.0 / k**2 + (1.0 - 1.0 / k) ** 2
    fraction_correct = float(true_positive.sum()) / n
    sensitivity = _ratio(true_positive, positive)
    specificity = _ratio(true_negative, n - positive)
    return Agreement(
        kappa=(accuracy - chance) / (1.0 - chance),
        accuracy=accuracy,
        cohen_kappa=_cohen(fraction_correct, positive / n, called / n),
        fraction_correct=fraction_correct,
        sensitivity=sensitivity,
        specificity=specificity,
        youden_j=sensitivity + specificity - 1.0,
        confusion=confusion,
        matching=matching,
    )


def measure_grouped_agreement(
    found: Int[np.ndarray, " n"], truth: Int[np.ndarray, " n"], n_classes: int
) -> GroupedAgreement:
    """Count how well any number of found classes agree with the true ones.

    Up to as many found classes as true ones are matched one to one. Of more, each is assigned to
    the true class that it mostly holds.

    Args:
        found: Class indices found, from 0; at least one particle. Those that no particle has do
            not count.
        truth: True class indices, 0 to n_classes - 1.
        n_classes: K >= 2, the number of true classes.

    Raises:
        ValueError: As `measure_agreement`.
    """
    held, index = np.unique(found, return_inverse=True)
    is_by_majority = len(held) > n_classes
    if is_by_majority:
        pair = index * n_classes + truth
        counts = np.bincount(pair, minlength=len(held) * n_classes).reshape(-1, n_classes)
        majority = counts.argmax(axis=1)
        # Matching what is assigned keeps it: every class holds more of its own than of others.
        agreement = measure_agreement(majority[index], truth, n_classes)
        assigned = agreement.matching[majority]
    else:
        agreement = measure_agreement(index, truth, n_classes)
        assigned = agreement.matching[: len(held)]
    assignment = np.full(1 + int(held.max(initial=0)), -1)
    assignment[held] = assigned
    return GroupedAgreement(agreement, assignment, is_by_majority)


def measure_calibration(
    max_posterior: Float[np.ndarray, " n"], correct: np.ndarray, n_bins: int = 10
) -> Calibration:
    """Compare the highest posterior of each particle with how often it is right.

    Args:
        max_posterior: Highest class posterior of each particle, 0 to 1.
        correct: Whether the matched hard class is the true one.
        n_bins: Number of equal bins of the posterior between 0 and 1.

    Returns:
        Overall means, reliability curve and expected calibration error (Guo et al., 2017).
    """
    index = np.minimum((max_posterior * n_bins).astype(np.int64), n_bins - 1)
    particles = np.bincount(index, minlength=n_bins)
    posterior = _ratio(np.bincount(index, weights=max_posterior, minlength=n_bins), particles)
    fraction = _ratio(np.bincount(index, weights=correct, minlength=n_bins), particles)
    filled = particles > 0
    gap = np.abs(posterior[filled] - fraction[filled])
    return Calibration(
        mean_posterior=float(max_posterior.mean()),
        fraction_correct=float(correct.mean()),
        expected_error=float(np.average(gap, weights=particles[filled])),
        bin_posterior=posterior,
        bin_fraction_correct=fraction,
        bin_particles=particles,
    )


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> Float[np.ndarray, " k"]:
    """Divide, giving NaN where there is nothing to divide by."""
    quotient = np.full(len(denominator), np.nan)
    return np.asarray(np.divide(numerator, denominator, out=quotient, where=denominator > 0))


def _cohen(observed: float, true_share: np.ndarray, found_share: np.ndarray) -> float:
    """Cohen's kappa; 0 where chance alone already explains everything (one class only)."""
    chance = float(true_share @ found_share)
    return 0.0 if chance >= 1.0 else (observed - chance) / (1.0 - chance)
