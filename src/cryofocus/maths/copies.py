"""Classes that hold nobody, and classes that are copies of one another, by posteriors alone.

A class that was split in two has the same posterior twice, up to a factor: whatever tells for the
one tells for the other. The overlap of two classes, the cosine of their posteriors over the
particles, is 1 then. For two equal classes that the images tell apart with probabilities of
0.6, 0.7 and 0.9 on average it is 0.94, 0.77 and 0.27.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

# Posteriors that overlap more than this are one class's.
SAME = 0.97
# A class of less weight holds nobody.
EMPTY_WEIGHT = 0.01


@dataclass(frozen=True)
class EffectiveClasses:
    """What a number of classes come to; all counted from 0.

    Attributes:
        groups: Classes that count as one, the largest group first; without the empty ones.
        empty: Classes that hold nobody.
    """

    groups: tuple[tuple[int, ...], ...]
    empty: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of effective classes."""
        return len(self.groups)

    @property
    def copies(self) -> tuple[tuple[int, ...], ...]:
        """Groups of more than one class."""
        return tuple(group for group in self.groups if len(group) > 1)

    def merge(
        self, posteriors: Float[np.ndarray, "particle n_classes"]
    ) -> Float64[np.ndarray, "particle group"]:
        """Return the posteriors of the groups; what empty classes had is shared out."""
        merged = np.stack(
            [posteriors[:, list(group)].sum(axis=1) for group in self.groups], axis=1
        )
        total = merged.sum(axis=1, keepdims=True)
        equal = np.full_like(merged, 1 / len(self.groups))
        return np.where(total > 0, merged / np.where(total > 0, total, 1), equal).astype(
            np.float64
        )

    def of_class(self, number: int) -> int | None:
        """Return which group a class is in, from 0; None for an empty one."""
        return next((k for k, group in enumerate(self.groups) if number in group), None)


def filled_classes(posteriors: Float[np.ndarray, "particle n_classes"]) -> list[int]:
    """Return the classes that have some weight, counted from 0."""
    return np.flatnonzero(posteriors.mean(axis=0) >= EMPTY_WEIGHT).tolist()


def find_effective_classes(
    posteriors: Float[np.ndarray, "particle n_classes"],
    same: Iterable[tuple[int, int]] = (),
) -> EffectiveClasses:
    """Group classes that are copies of one another, and find the empty ones.

    Args:
        posteriors: Of all particles.
        same: Further pairs of classes that are known to be the same.
    """
    weights, filled = posteriors.mean(axis=0), np.array(filled_classes(posteriors))
    used = posteriors[:, filled].astype(np.float64)
    power = (used**2).sum(axis=0)
    overlap = used.T @ used / np.sqrt(np.outer(power, power))
    group = np.arange(posteriors.shape[1])

    def unite(first: int, second: int) -> None:
        group[group == group[second]] = group[first]

    for i, j in np.argwhere(np.triu(overlap, 1) > SAME).tolist():
        unite(int(filled[i]), int(filled[j]))
    for first, second in same:
        unite(first, second)
    # An empty class that is known to be the same as a filled one belongs to it.
    groups = [np.flatnonzero(group == name).tolist() for name in np.unique(group[filled])]
    merged = np.stack([posteriors[:, members].sum(axis=1) for members in groups], axis=1)
    # A group of little weight in everybody, and nobody's most probable one, holds nobody either.
    chosen = np.bincount(merged.argmax(axis=1), minlength=len(groups))
    kept = [tuple(members) for members, n in zip(groups, chosen, strict=True) if n]
    kept.sort(key=lambda members: -weights[list(members)].sum())
    empty = sorted(set(range(len(weights))) - {k for members in kept for k in members})
    return EffectiveClasses(tuple(kept), tuple(empty))
