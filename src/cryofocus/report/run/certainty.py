"""How certain particles are of their classes, and whether other runs bear it out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from cryofocus.report.run.results import RunResults

N_BINS = 25
N_THRESHOLDS = 101
N_CALIBRATION_BINS = 8
MIN_CALIBRATION_PARTICLES = 20

Points = Float[np.ndarray, " m"]


def count_posteriors(
    results: RunResults,
) -> tuple[Points, Float[np.ndarray, "n_classes bins"]]:
    """Count the particles of each class by their highest posterior.

    Returns:
        Edges of the bins, from chance to 1, and shares of the particles that count.
    """
    n_classes = results.job.n_classes
    edges = np.linspace(1.0 / results.n_filled, 1.0, N_BINS + 1)
    highest, classes = results.max_posterior, results.class_index
    counts = [np.histogram(highest[classes == k], edges)[0] for k in range(n_classes)]
    return edges, np.stack(counts) / max(len(highest), 1)


def kept_fractions(results: RunResults) -> tuple[Points, Float[np.ndarray, "n_classes m"]]:
    """Find the share of each class that a threshold of the posterior would keep.

    Returns:
        Thresholds, and the shares.
    """
    n_classes = results.job.n_classes
    threshold = np.linspace(1.0 / results.n_filled, 1.0, N_THRESHOLDS)
    highest, classes = results.max_posterior, results.class_index
    kept = []
    for k in range(n_classes):
        values = np.sort(highest[classes == k])
        kept.append(1.0 - np.searchsorted(values, threshold) / max(len(values), 1))
    return threshold, np.stack(kept)


def calibrate(results: RunResults) -> tuple[Points, Points] | None:
    """Compare posteriors with how often other runs give a particle the class it has.

    Returns:
        Mean highest posterior of the particles in a bin, and the share of other runs that agree on
            them; None for a single run.
    """
    if results.agreement is None:
        return None
    n_runs = len(results.job.runs)
    # The reported run is one of those that agree with it.
    borne_out = (results.agreement[results.counted] * n_runs - 1) / (n_runs - 1)
    highest = results.max_posterior
    edges = np.linspace(1.0 / results.n_filled, 1.0, N_CALIBRATION_BINS + 1)
    bins = np.clip(np.digitize(highest, edges) - 1, 0, N_CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=N_CALIBRATION_BINS)
    enough = counts >= MIN_CALIBRATION_PARTICLES
    posterior, agreeing = (
        np.bincount(bins, weights=values, minlength=len(counts))[enough] / counts[enough]
        for values in (highest, borne_out)
    )
    return posterior, agreeing
