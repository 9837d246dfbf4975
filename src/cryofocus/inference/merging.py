"""Classes that the images do not tell apart: merging two of them raises the log-posterior.

The classes of a run that asked for too many are one another's copies with different noise. Two
classes merge into their weighted mean. That explains less, costs less under the prior of maps,
and frees a weight; all three follow from what is known of the run's end, without another cycle.
Pairs merge, the best first, while the log-posterior rises: by the measure that also decides how
many classes there are (`counting`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float64

from cryofocus.inference.comparison import ClassMoments
from cryofocus.inference.posterior import class_posteriors, class_weight_log_prior


@dataclass(frozen=True)
class _Mixture:
    """Classes as combinations of those of the run; `members` says which went into each."""

    members: tuple[tuple[int, ...], ...]
    combinations: Float64[np.ndarray, "group n_classes"]
    weights: Float64[np.ndarray, " group"]

    def merged(self, first: int, second: int) -> _Mixture:
        """Return the mixture with two classes in one, at the end."""
        pair, total = [first, second], self.weights[[first, second]].sum()
        others = [k for k in range(len(self.weights)) if k not in pair]
        mean = self.weights[pair] @ self.combinations[pair] / total
        return _Mixture(
            (*(self.members[k] for k in others), self.members[first] + self.members[second]),
            np.vstack([self.combinations[others], mean]),
            np.append(self.weights[others], total),
        )

    def log_posterior(self, moments: ClassMoments) -> float:
        """Return the log-posterior, up to what all mixtures of these classes share."""
        combined = moments.combined(self.combinations)
        evidence = class_posteriors(combined.log_likelihood, self.weights)[1].sum()
        # The prior is one of contrasts: classes cost by their distances from their mean.
        mean = self.weights @ self.combinations
        away = self.combinations - mean
        cost = 0.5 * float(self.weights @ np.einsum("gk,kl,gl->g", away, moments.prior, away))
        return float(evidence) - cost + class_weight_log_prior(self.weights)


def merge_classes(
    moments: ClassMoments, class_weights: Float64[np.ndarray, " n_classes"]
) -> tuple[tuple[int, ...], ...]:
    """Return which classes, counted from 0, belong together.

    Args:
        moments: What all particles say of the maps a run ended with.
        class_weights: Its weights.
    """
    n_classes = len(class_weights)
    mixture = _Mixture(
        tuple((k,) for k in range(n_classes)), np.eye(n_classes), np.asarray(class_weights)
    )
    best = mixture.log_posterior(moments)
    while len(mixture.members) > 1:
        pairs = combinations(range(len(mixture.members)), 2)
        candidates = [mixture.merged(*pair) for pair in pairs]
        values = [candidate.log_posterior(moments) for candidate in candidates]
        if max(values) < best:
            break
        best, mixture = max(values), candidates[int(np.argmax(values))]
    return tuple(tuple(sorted(group)) for group in mixture.members)
