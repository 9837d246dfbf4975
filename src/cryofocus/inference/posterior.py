"""The E-step over classes and the M-step over their weights, whatever classes are."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

# Prior particles in every class: keeps a class that loses all its particles from dividing by 0.
PRIOR_PARTICLES = 5.0
# As many as a processor's second cache holds.
PARTICLES_AT_ONCE = 4096


def class_posteriors(
    log_likelihood: Float64[np.ndarray, "particle n_classes"],
    class_weights: Float64[np.ndarray, " n_classes"],
) -> tuple[Float64[np.ndarray, "particle n_classes"], Float64[np.ndarray, " particle"]]:
    """E-step: return the posteriors and each particle's log evidence, in float64 throughout."""
    posteriors = np.empty_like(log_likelihood, np.float64)
    log_evidence = np.empty(len(posteriors))
    log_weights = np.log(class_weights)[:, None]
    for first in range(0, len(posteriors), PARTICLES_AT_ONCE):
        part = slice(first, first + PARTICLES_AT_ONCE)
        # Classes are few: over particles side by side, sums run several times as fast.
        joint = np.add(log_likelihood[part].T, log_weights, order="C")
        largest = joint.max(axis=0)
        joint -= largest
        np.exp(joint, out=joint)
        total = joint.sum(axis=0)
        np.divide(joint.T, total[:, None], out=posteriors[part])
        log_evidence[part] = largest + np.log(total)
    return posteriors, log_evidence


def estimate_class_weights(
    posteriors: Float64[np.ndarray, "particle n_classes"],
) -> Float64[np.ndarray, " n_classes"]:
    """M-step: return the most probable weights under a Dirichlet prior of `PRIOR_PARTICLES`."""
    counts = posteriors.sum(axis=0) + PRIOR_PARTICLES
    return np.asarray(counts / counts.sum())


def class_weight_log_prior(class_weights: Float64[np.ndarray, " n_classes"]) -> float:
    """Return the Dirichlet log prior that `estimate_class_weights` maximises with the data."""
    return float(PRIOR_PARTICLES * np.log(class_weights).sum())


def posterior_change(
    before: Float64[np.ndarray, "particle n_classes"],
    after: Float64[np.ndarray, "particle n_classes"],
) -> float:
    """Return the mean total-variation distance between two sets of posteriors (0 to 1)."""
    return float(0.5 * np.abs(after - before).sum(axis=1).mean())


def random_posteriors(
    n: int, n_classes: int, generator: np.random.Generator
) -> Float64[np.ndarray, "particle n_classes"]:
    """Draw every posterior uniformly and bring each particle's sum to 1.

    cisTEM draws occupancies so, but leaves the sums as they fall.
    """
    drawn = generator.uniform(size=(n, n_classes))
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))
