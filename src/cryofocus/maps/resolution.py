"""How far two half maps agree: Fourier shell correlation, with the effect of a mask removed.

Within cones it tells the resolution by direction, and how far that is from a sphere. The
definitions are in docs/derivations/directional-fsc.md; equation numbers refer to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex64, Float64
from scipy.spatial import ConvexHull

from cryofocus.arrays import Volume
from cryofocus.maths.fourier import forward_3d, hermitian_weights, inverse_3d
from cryofocus.maths.grids import n_shells, shell_index_3d, shell_planes_3d, unit_vectors_3d
from cryofocus.maths.shells import crossing_shell, first_shell_below, fourier_shell_correlation

RANDOMISE_BELOW = 0.8
GUARD_SHELLS = 2
IDENTICAL = 0.9999
CONE_DEGREES = 20.0

Curve = Float64[np.ndarray, " n_shells"]


@dataclass(frozen=True, eq=False)
class FscCurves:
    """Fourier shell correlation of two half maps, each `(box//2+1,)`.

    Attributes:
        unmasked: Of the maps as they are.
        masked: Of the masked maps; None without a mask.
        randomised: Of the masked maps after randomising phases from a shell on; None without a
            mask.
        corrected: Masked, less what the mask alone brings about; unmasked without a mask.
        randomised_from: First shell whose phases were randomised; None without a mask.
    """

    unmasked: Curve
    masked: Curve | None
    randomised: Curve | None
    corrected: Curve
    randomised_from: int | None

    @property
    def are_identical(self) -> bool:
        """Whether the half maps agree in every shell, as no independent maps do."""
        return bool((self.unmasked[1:] > IDENTICAL).all())


def measure_fsc(
    first: Volume, second: Volume, mask: Volume | None = None, *, seed: int = 1
) -> FscCurves:
    """Fourier shell correlation, and for masked maps its correction by phase randomisation.

    A mask correlates the maps it is applied to. How much, is seen where their phases were made
    random: FSC_true = (FSC_masked - FSC_randomised) / (1 - FSC_randomised) (Chen et al. 2013,
    eq. 4). Phases are random from the shell on where the unmasked FSC falls below 0.8; the
    correction begins two shells further, beyond the reach of the mask's own transform.

    Args:
        first: Half map.
        second: The other half map, on the same grid.
        mask: Soft mask from 0 to 1.
        seed: Of the random phases.
    """
    box = first.shape[0]
    halves = [_transform(volume) for volume in (first, second)]
    unmasked = fourier_shell_correlation(halves[0], halves[1], box)
    if mask is None:
        return FscCurves(unmasked, None, None, unmasked, None)
    masked = _masked_fsc(first, second, mask)
    start = min(first_shell_below(unmasked, RANDOMISE_BELOW), box // 2)
    generator = np.random.default_rng(seed)
    noisy = [randomise_phases(halves.pop(0), box, start, generator) for _ in range(2)]
    randomised = _masked_fsc(noisy[0], noisy[1], mask)
    corrected = masked.copy()
    beyond = np.arange(len(masked)) >= start + GUARD_SHELLS
    room = np.maximum(1 - randomised[beyond], np.finfo(np.float64).eps)
    corrected[beyond] = (masked[beyond] - randomised[beyond]) / room
    return FscCurves(unmasked, masked, randomised, corrected, start)


def randomise_phases(
    half: Complex64[np.ndarray, "box box half"],
    box: int,
    from_shell: int,
    generator: np.random.Generator,
) -> Volume:
    """Volume whose coefficients have random phases from a shell on, and their own amplitudes.

    The phases are those of white noise, so that Friedel mates match.
    """
    changed = np.asarray(forward_3d(generator.normal(size=(box,) * 3)), np.complex64)
    tiny = np.finfo(np.float32).tiny
    for plane, own, shells in zip(changed, half, shell_planes_3d(box), strict=True):
        plane *= np.abs(own) / np.maximum(np.abs(plane), tiny)
        plane[:] = np.where(shells >= from_shell, plane, own)
    return np.asarray(inverse_3d(changed, box), np.float32)


def _masked_fsc(first: Volume, second: Volume, mask: Volume) -> Curve:
    masked = [_transform(volume, mask) for volume in (first, second)]
    return fourier_shell_correlation(masked[0], masked[1], len(mask))


def _transform(
    volume: Volume, mask: Volume | None = None
) -> Complex64[np.ndarray, "box box half"]:
    """Transform in double precision: weak shells have to survive beside strong ones."""
    fine = volume.astype(np.float64)
    if mask is not None:
        fine *= mask
    return np.asarray(forward_3d(fine), np.complex64)


@dataclass(frozen=True, eq=False)
class DirectionalFsc:
    """Fourier shell correlation within double cones about many directions.

    Attributes:
        direction: `(n, 3)` unit vectors x, y, z of the cones' axes, one of each opposite pair.
        fsc: `(n, box//2+1)` correlation within each cone.
        cone_degrees: Half angle of the cones.
    """

    direction: Float64[np.ndarray, "n 3"]
    fsc: Float64[np.ndarray, "n n_shells"]
    cone_degrees: float

    def averaged(self) -> DirectionalFsc:
        """Average over all cones that hold a direction (eq. 2): the 3-D FSC of Tan et al."""
        cosines = np.abs(self.direction @ self.direction.T)
        holds = cosines >= np.cos(np.radians(self.cone_degrees))
        return replace(self, fsc=holds @ self.fsc / holds.sum(axis=1, keepdims=True))

    def crossings(self, threshold: float) -> Float64[np.ndarray, " n"]:
        """Shell at which each direction's FSC falls below a threshold to stay."""
        return np.array([crossing_shell(curve, threshold) for curve in self.fsc])


def directional_fsc(
    first: Volume,
    second: Volume,
    direction: Float64[np.ndarray, "n 3"],
    *,
    cone_degrees: float = CONE_DEGREES,
    advance: Callable[[], None] = lambda: None,
) -> DirectionalFsc:
    """Fourier shell correlation within double cones (eq. 1; Tan et al. 2017).

    Args:
        first: Half map, masked or not.
        second: The other half map, on the same grid.
        direction: Unit vectors x, y, z.
        cone_degrees: Half angle of the cones.
        advance: Called after each direction.
    """
    box = first.shape[0]
    shells = shell_index_3d(box)
    inside = (shells > 0) & (shells < n_shells(box))
    sums = _products(first, second, inside)
    index, limit = shells[inside], np.cos(np.radians(cone_degrees))
    whole_shells = _correlate(sums, index, n_shells(box))
    vectors = unit_vectors_3d(box)[:, inside]
    curves = np.empty((len(direction), n_shells(box)))
    for curve, axis in zip(curves, direction, strict=True):
        chosen = np.flatnonzero(np.abs(axis.astype(np.float32) @ vectors) >= limit)
        within = _correlate([values[chosen] for values in sums], index[chosen], n_shells(box))
        # Cones miss the few coefficients of the first shells.
        is_empty = np.bincount(index[chosen], minlength=n_shells(box)) == 0
        curve[:] = np.where(is_empty, whole_shells, within)
        curve[0] = 1.0
        advance()
    return DirectionalFsc(direction, curves, cone_degrees)


def sphericity(direction: Float64[np.ndarray, "n 3"], radius: Float64[np.ndarray, " n"]) -> float:
    """Sphericity of the body with a radius in every direction and its opposite (eq. 3).

    1 for a sphere; surface of the sphere of equal volume over the body's own (Wadell 1935).

    Args:
        direction: Unit vectors, one of each opposite pair, at least four and not in one plane.
        radius: Positive.
    """
    points = np.concatenate([direction, -direction])
    triangles = ConvexHull(points).simplices
    # A polyhedron of a sphere's points is not quite as round as the sphere.
    return _roundness(points * np.tile(radius, 2)[:, None], triangles) / _roundness(
        points, triangles
    )


def _roundness(points: Float64[np.ndarray, "n 3"], triangles: np.ndarray) -> float:
    a, b, c = (points[triangles[:, i]] for i in range(3))
    volume = np.abs(np.einsum("ij,ij->i", a, np.cross(b, c))).sum() / 6
    surface = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    return float(np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / surface)


def _correlate(
    sums: Sequence[np.ndarray], index: np.ndarray, n: int
) -> Float64[np.ndarray, " n_shells"]:
    """Correlation in each shell from the products of its coefficients; 0 without power."""
    cross, power_1, power_2 = (np.bincount(index, values, minlength=n) for values in sums)
    power = np.sqrt(power_1 * power_2)
    return np.asarray(np.divide(cross, power, out=np.zeros(n), where=power > 0))


def _products(
    first: Volume, second: Volume, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cross and own powers of the coefficients inside, counted as in the full volume."""
    weight = np.broadcast_to(hermitian_weights(len(first)), inside.shape)[inside]
    a, b = (_transform(volume)[inside] for volume in (first, second))
    cross = weight * (a * b.conj()).real
    return cross, weight * np.abs(a) ** 2, weight * np.abs(b) ** 2
