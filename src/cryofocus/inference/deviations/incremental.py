"""Sums of slices that are brought up to date by what has moved (incremental EM).

Insertion is linear: the sums of new posteriors are those of the old ones plus the insertion of the
differences. Particles whose posteriors stay are not inserted again, and of the others only the
classes that move (Neal & Hinton 1998 show that EM over a part of the particles climbs, too).

A change counts when it exceeds `NEGLIGIBLE` times the class's weight, and what does not count is
kept for later: the weights that are in the sums are known exactly, and each differs from the
posterior by no more than that. What is missing in a class's sums is therefore at most `NEGLIGIBLE`
of what its particles put there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from cryofocus.inference.deviations.sharded_statistics import ShardedStatistics
from cryofocus.kernels.contract import SliceSums

NEGLIGIBLE = 1e-6
# Beyond this share of weights that move, starting anew costs about as much and rounds less.
LARGEST_SHARE = 0.7


@dataclass(frozen=True, eq=False)
class InsertedSums:
    """Sums of slices, and what is in them.

    Attributes:
        sums: Residuals and kernels, one component a class.
        weights: `(particle, n_classes)` with which each particle is in them.
    """

    sums: SliceSums
    weights: Float32[np.ndarray, "particle n_classes"]


def insert(
    statistics: ShardedStatistics,
    posteriors: Float64[np.ndarray, "particle n_classes"],
    before: InsertedSums | None = None,
) -> InsertedSums:
    """Return the sums of slices weighted by posteriors, to `NEGLIGIBLE`.

    Args:
        statistics: Of all particles.
        posteriors: Of the particles.
        before: Sums of former posteriors; without them, or where most weights have moved, all
            particles are inserted.
    """
    least = NEGLIGIBLE * posteriors.mean(axis=0)
    if before is not None:
        change = posteriors - before.weights
        # Weights are single precision: a difference within their rounding is none.
        has_moved = np.abs(change) > least + np.finfo(np.float32).eps * posteriors
        if has_moved.mean() <= LARGEST_SHARE:
            added = np.where(has_moved, change, 0).astype(np.float32)
            weights = before.weights + added
            return InsertedSums(before.sums + statistics.sum_slices(added, added), weights)
    weights = np.where(posteriors > least, posteriors, 0).astype(np.float32)
    return InsertedSums(statistics.sum_slices(weights, weights), weights)
