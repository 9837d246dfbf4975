"""Classes that say nothing new: one class split in two, or images of one another.

Of a symmetry-expanded set, a class can be another's image under an operator: the same molecules
are in both, seen once from each unit, and the classification has undone the expansion.

Class b is the image of class a under the operator g when V_b(g x) = V_a(x). Over the focus region
and its image, the squared difference of V_b from the turned V_a is compared with that from V_a as
it is. Both are products of the differences in two half sets, so that noise does not count. The
quotient is 0 for images of one another; for units that vary independently of each other it is at
least 1/2, because the unit that was not in focus is a mixture in both classes (two units of
correlation -c, equal classes: (1 - c)^2 / 2 / (1 + c^2)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import map_coordinates, spline_filter

from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.inference.result import ClassificationResult
from cryofocus.maths.fourier import forward_3d, inverse_3d
from cryofocus.maths.grids import shell_index_3d
from cryofocus.maths.masks import mask_bounds, resample_mask
from cryofocus.maths.symmetry import OperatorSet

# Deviations from the mean of all classes that correlate more than this are the same.
IDENTICAL = 0.98
# Differences between classes that correlate less than this between half sets are noise.
REPRODUCIBLE = 0.1
# Quotients below this are reached only by units whose correlation is below -0.5.
RELATED = 0.1
MAX_POINTS = 10_000


@dataclass(frozen=True)
class IdenticalClasses:
    """Two classes, counted from 0, that cannot be told apart inside the mask.

    Attributes:
        first: The one class.
        second: The other.
        correlation: Of their deviations from the mean of all classes.
        half_set_correlation: Of their difference in one half set with that in the other.
    """

    first: int
    second: int
    correlation: float
    half_set_correlation: float


@dataclass(frozen=True)
class RelatedClasses:
    """Class `second` is the image of class `first` under an operator; all counted from 0.

    Attributes:
        first: The one class.
        second: Its image.
        operator: That turns the first into the second.
        quotient: Of the squared differences with and without it.
    """

    first: int
    second: int
    operator: int
    quotient: float


def find_identical_classes(
    result: ClassificationResult,
    mask: Float32[np.ndarray, "box box box"],
    classes: Sequence[int],
) -> list[IdenticalClasses]:
    """Find pairs of classes, counted from 0, whose maps cannot be told apart inside a mask.

    Their deviations from the mean of all classes correlate above 0.98, or their difference is not
    the same in both half sets (correlation below 0.1), both to the resolution of the
    classification.
    """
    maps = [result.maps[k] for k in classes]
    box = len(result.consensus.map.full)
    inside = _Inside(mask if len(mask) == box else resample_mask(mask, box), result.n_shells)
    full = np.stack([inside.values(estimate.full) for estimate in maps])
    halves = [np.stack([inside.values(m.halves[half]) for m in maps]) for half in (0, 1)]
    weights = result.class_weights[list(classes)]
    deviations = full - (weights / weights.sum()) @ full
    pairs = [
        IdenticalClasses(
            classes[i],
            classes[j],
            _correlation(deviations[i], deviations[j]),
            _correlation(halves[0][i] - halves[0][j], halves[1][i] - halves[1][j]),
        )
        for i, j in combinations(range(len(classes)), 2)
    ]
    return [
        pair
        for pair in pairs
        if pair.correlation > IDENTICAL or pair.half_set_correlation < REPRODUCIBLE
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


def find_related_classes(
    maps: Sequence[MapEstimate],
    classes: Sequence[int],
    operators: OperatorSet,
    mask: Float32[np.ndarray, "box box box"],
    voxel_size_angstrom: float,
    n_shells: int,
) -> list[RelatedClasses]:
    """Find pairs of classes that are one another's image under an operator, each pair once.

    Args:
        maps: Of all classes.
        classes: Which of them to compare, counted from 0.
        operators: Of the expansion, the identity first.
        mask: Focus mask.
        voxel_size_angstrom: Å per voxel of the mask; maps may have a coarser grid.
        n_shells: Shells to which maps are compared.
    """
    points = _mask_points(mask, voxel_size_angstrom)
    extent = len(mask) * voxel_size_angstrom
    fields = {k: _Field(maps[k], extent, n_shells) for k in classes}
    found: dict[tuple[int, int], RelatedClasses] = {}
    here = {k: field.at(points) for k, field in fields.items()}
    for number in range(1, len(operators)):
        rotation = operators.rotation[number]
        translation = operators.translation_angstrom[number]
        moved = points @ rotation.T + translation
        back = (points - translation) @ rotation
        there = {k: field.at(moved) for k, field in fields.items()}
        origin = {k: field.at(back) for k, field in fields.items()}
        for a, b in permutations(classes, 2):
            plain = np.hstack([here[b] - here[a], there[b] - there[a]])
            turned = np.hstack([here[b] - origin[a], there[b] - here[a]])
            pair = (min(a, b), max(a, b))
            if pair not in found and (quotient := _quotient(plain, turned)) < RELATED:
                found[pair] = RelatedClasses(a, b, number, quotient)
    return list(found.values())


class _Field:
    """The half maps of a class to some resolution, between the voxels."""

    def __init__(self, estimate: MapEstimate, extent_angstrom: float, n_shells: int) -> None:
        box = len(estimate.full)
        is_resolved = shell_index_3d(box) < n_shells
        self._voxel_size_angstrom = extent_angstrom / box
        self._centre = box // 2
        self._splines = [
            spline_filter(inverse_3d(forward_3d(half) * is_resolved, box), order=3)
            for half in estimate.halves
        ]

    def at(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "2 n"]:
        """Values of both half maps at points x, y, z in Å from the box centre; 0 outside."""
        voxels = points[:, ::-1].T / self._voxel_size_angstrom + self._centre
        return np.stack(
            [map_coordinates(spline, voxels, order=3, prefilter=False) for spline in self._splines]
        ).astype(np.float64)


def _mask_points(
    mask: Float32[np.ndarray, "box box box"], voxel_size_angstrom: float
) -> Float[np.ndarray, "n 3"]:
    """Places x, y, z in Å from the box centre of voxels in a mask, evenly thinned if many."""
    voxels = np.argwhere(mask >= 0.5)
    voxels = voxels[:: -(-len(voxels) // MAX_POINTS)]
    return np.asarray((voxels[:, ::-1] - len(mask) // 2) * voxel_size_angstrom)


def _quotient(plain: Float[np.ndarray, "2 n"], turned: Float[np.ndarray, "2 n"]) -> float:
    """Return how much of a difference is left by turning one class; infinite where it is noise.

    Args:
        plain: Differences of the two half maps without the operator.
        turned: Differences with it.
    """
    signal = float(plain[0] @ plain[1])
    power = float(np.sqrt((plain[0] @ plain[0]) * (plain[1] @ plain[1])))
    if signal <= REPRODUCIBLE * power:
        return float("inf")
    return float(turned[0] @ turned[1]) / signal
