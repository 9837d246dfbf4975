"""Classes of a symmetry-expanded set that are one another's image under an operator.

Such a pair says nothing new: the same molecules are in both classes, seen once from each unit, and
the classification has undone the expansion.

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
from itertools import permutations

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import map_coordinates, spline_filter

from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.maths.fourier import forward_3d, inverse_3d
from cryofocus.maths.grids import shell_index_3d
from cryofocus.maths.symmetry import OperatorSet

# Quotients below this are reached only by units whose correlation is below -0.5.
RELATED = 0.1
# Differences between classes that correlate less than this between half sets are noise.
REPRODUCIBLE = 0.1
MAX_POINTS = 10_000


@dataclass(frozen=True)
class RelatedClasses:
    """Class `second` is the image of class `first` under an operator; all counted from 0."""

    first: int
    second: int
    operator: int


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
        voxel_size_angstrom: Å per voxel of maps and mask.
        n_shells: Shells to which maps are compared.
    """
    points = _mask_points(mask, voxel_size_angstrom)
    fields = {k: _Field(maps[k], voxel_size_angstrom, n_shells) for k in classes}
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
            if pair not in found and _is_explained(plain, turned):
                found[pair] = RelatedClasses(a, b, number)
    return list(found.values())


class _Field:
    """The half maps of a class to some resolution, between the voxels."""

    def __init__(self, estimate: MapEstimate, voxel_size_angstrom: float, n_shells: int) -> None:
        box = len(estimate.full)
        is_resolved = shell_index_3d(box) < n_shells
        self._voxel_size_angstrom = voxel_size_angstrom
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


def _is_explained(plain: Float[np.ndarray, "2 n"], turned: Float[np.ndarray, "2 n"]) -> bool:
    """Whether turning one class takes away its difference from the other.

    Args:
        plain: Differences of the two half maps without the operator.
        turned: Differences with it.
    """
    signal = float(plain[0] @ plain[1])
    power = float(np.sqrt((plain[0] @ plain[0]) * (plain[1] @ plain[1])))
    if signal <= REPRODUCIBLE * power:
        return False
    return bool(turned[0] @ turned[1] < RELATED * signal)
