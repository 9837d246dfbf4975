"""Fit one map to another: all rotations and shifts at low resolution, then refinement.

1. Both maps are cut to seven Fourier shells, whitened. For rotations spread evenly (16 degrees
   apart) the rotated transform is compared with the target under all shifts at once, by Fourier
   transform.
2. The best few of them are refined at low resolution by least squares, the best of these at the
   resolution asked for. Least squares between maps of zero mean and unit norm maximise their
   correlation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Complex64, Float, Float32, Float64
from pydantic import Field
from scipy.ndimage import map_coordinates, spline_filter
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from cryofocus.arrays import Volume
from cryofocus.calls import checked
from cryofocus.maps.rigid import RigidTransform
from cryofocus.maths.filters import expand_shells, lowpass
from cryofocus.maths.fourier import forward_3d, inverse_3d, next_fast_len, resize_volume
from cryofocus.maths.grids import fit_box_3d, n_shells, shell_index_3d, wave_vectors_3d
from cryofocus.maths.masks import resample_mask, sphere_mask
from cryofocus.maths.rotations import geodesic_degrees
from cryofocus.maths.sampling import even_rotations
from cryofocus.maths.shells import shell_mean_3d
from cryofocus.option import Option
from cryofocus.settings import Settings

SEARCH_SHELLS = 7
SEARCH_BOX = 16
SEARCH_PADDING = 2
N_ROTATIONS = 3600
N_CANDIDATES = 4
CANDIDATE_DEGREES = 20.0
BATCH = 200
SAMPLES = 3.0
"""Voxels per resolution length: what cubic splines reproduce."""
SMALLEST_BOX, LARGEST_BOX = 24, 96
MOST_POINTS = 150_000
ROUGH_SHELLS = 10
ROUGH_TOLERANCE, FINE_TOLERANCE = 1e-3, 1e-6
MAX_STEPS = 12
DEFAULT_RESOLUTION_VOXELS = 3.0


class FitSettings(Settings):
    """How to fit.

    Attributes:
        max_resolution_angstrom: Finest detail to compare, in Å; coarser for noisy maps. Default:
            3 voxels.
        search: `global` tries all rotations and shifts; `local` only refines the given position.
    """

    max_resolution_angstrom: float | None = Field(default=None, ge=0.1)
    search: Annotated[Literal["global", "local"], Option(is_hidden=True)] = "global"


@dataclass(frozen=True, eq=False)
class FittedTransform:
    """The motion that carries a map onto its target, and how well they then agree.

    Attributes:
        transform: From the map to the target.
        correlation: Of the band-limited maps inside the mask, after fitting.
        correlation_before: The same before; None where they were not compared as they lay.
    """

    transform: RigidTransform
    correlation: float
    correlation_before: float | None


@checked
def fit_rigid(
    volume: Volume,
    target: Volume,
    voxel_size_angstrom: float,
    mask: Volume | None = None,
    settings: FitSettings | None = None,
) -> FittedTransform:
    """Find the rotation and shift that carry a map onto another.

    Args:
        volume: Map that moves.
        target: Map on the same grid that stays.
        voxel_size_angstrom: Å per voxel.
        mask: Where the target counts; the sphere in the box otherwise.
        settings: Defaults if left out.
    """
    settings = settings or FitSettings()
    box = target.shape[0]
    resolution = settings.max_resolution_angstrom
    resolution = resolution or DEFAULT_RESOLUTION_VOXELS * voxel_size_angstrom
    weight = sphere_mask(box, 1.0, (0, 0, 0), box / 2 - 1, 0.0) if mask is None else mask
    extent = box * voxel_size_angstrom
    pair = (volume, target, weight, voxel_size_angstrom)
    rough = _compare(*pair, max(resolution, extent / ROUGH_SHELLS))
    fine = _compare(*pair, resolution)
    starts = [RigidTransform.identity()]
    if settings.search == "global":
        starts = _search(volume, target * weight, extent)
    best = max((rough.refine(start) for start in starts), key=rough.correlation)
    transform = fine.refine(best)
    return FittedTransform(
        transform, fine.correlation(transform), fine.correlation(RigidTransform.identity())
    )


@dataclass(frozen=True, eq=False)
class _Comparison:
    """Two maps at one resolution, compared inside a mask.

    Attributes:
        coefficients: Cubic spline of the moving map.
        points: `(n, 3)` voxels inside the mask, of large maps a part; x, y, z from the box centre.
        values: `(n,)` target there, of zero mean and unit norm under the weight.
        weight: `(n,)` mask there, of sum 1.
        voxel_size_angstrom: Of this comparison's grid.
        tolerance: Relative change of the mismatch at which refinement stops.
    """

    coefficients: Float64[np.ndarray, "box box box"]
    points: Float64[np.ndarray, "n 3"]
    values: Float64[np.ndarray, " n"]
    weight: Float64[np.ndarray, " n"]
    voxel_size_angstrom: float
    tolerance: float

    def correlation(self, transform: RigidTransform) -> float:
        """Weighted correlation of the moved map with the target."""
        return float((self.weight * self._moved(transform)) @ self.values)

    def refine(self, start: RigidTransform) -> RigidTransform:
        """Maximise the correlation by least squares over three rotations and three shifts."""
        # Rotations as the way of a point at half the radius, so that all six have one scale.
        lever = len(self.coefficients) / 4

        def transform_at(step: Float64[np.ndarray, " 6"]) -> RigidTransform:
            turn = Rotation.from_rotvec(step[:3] / lever).as_matrix()
            shift = start.shift_angstrom + step[3:] * self.voxel_size_angstrom
            return RigidTransform(turn @ start.rotation, shift)

        def residuals(step: Float64[np.ndarray, " 6"]) -> Float64[np.ndarray, " n"]:
            return np.asarray(
                np.sqrt(self.weight) * (self._moved(transform_at(step)) - self.values)
            )

        found = least_squares(
            residuals, np.zeros(6), xtol=self.tolerance, ftol=self.tolerance, max_nfev=MAX_STEPS
        )
        return transform_at(found.x)

    def _moved(self, transform: RigidTransform) -> Float64[np.ndarray, " n"]:
        """Values of the moved map at the points, of zero mean and unit norm."""
        shift = transform.shift_angstrom / self.voxel_size_angstrom
        sources = (self.points - shift) @ transform.rotation + len(self.coefficients) // 2
        values = map_coordinates(
            self.coefficients, sources.T[::-1], order=3, prefilter=False, mode="constant"
        )
        return _normalise(values, self.weight)


def _compare(
    volume: Volume,
    target: Volume,
    mask: Volume,
    voxel_size_angstrom: float,
    resolution_angstrom: float,
) -> _Comparison:
    """Filter both maps and bring them to a box no larger than the resolution needs."""
    box = target.shape[0]
    extent = box * voxel_size_angstrom
    needed = next_fast_len(int(np.ceil(SAMPLES * extent / resolution_angstrom)))
    small = min(box, max(needed, SMALLEST_BOX), LARGEST_BOX)
    is_rough = resolution_angstrom >= extent / ROUGH_SHELLS
    moving, fixed = (
        resize_volume(lowpass(v, voxel_size_angstrom, resolution_angstrom), small)
        for v in (volume, target)
    )
    weight = mask if small == box else resample_mask(mask, small)
    inside = np.argwhere(weight > 0)
    # Six numbers do not need every voxel of a large map.
    inside = inside[:: len(inside) // MOST_POINTS + 1]
    chosen = weight[tuple(inside.T)].astype(np.float64)
    chosen /= chosen.sum()
    return _Comparison(
        spline_filter(moving.astype(np.float64), order=3),
        (inside[:, ::-1] - small // 2).astype(np.float64),
        _normalise(fixed[tuple(inside.T)].astype(np.float64), chosen),
        chosen,
        extent / small,
        ROUGH_TOLERANCE if is_rough else FINE_TOLERANCE,
    )


def _normalise(
    values: Float64[np.ndarray, " n"], weight: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    centred = values - weight @ values
    return np.asarray(centred / np.sqrt(max(weight @ centred**2, np.finfo(np.float64).tiny)))


def _search(
    volume: Volume, target: Float[np.ndarray, "box box box"], extent_angstrom: float
) -> list[RigidTransform]:
    """Try all rotations and shifts on a coarse grid; return the best few, far from each other."""
    rotations = even_rotations(N_ROTATIONS)
    moving = _whitened(fit_box_3d(resize_volume(volume, SEARCH_BOX), SEARCH_PADDING * SEARCH_BOX))
    fixed = _whitened(resize_volume(target, SEARCH_BOX))
    scores, shifts = np.empty(N_ROTATIONS), np.empty((N_ROTATIONS, 3))
    for first in range(0, N_ROTATIONS, BATCH):
        batch = slice(first, first + BATCH)
        scores[batch], shifts[batch] = _best_shifts(moving, fixed, rotations[batch])
    chosen: list[int] = []
    for i in np.argsort(-scores):
        near = (geodesic_degrees(rotations[i], rotations[j]) < CANDIDATE_DEGREES for j in chosen)
        if not any(near):
            chosen.append(int(i))
        if len(chosen) == N_CANDIDATES:
            break
    step = extent_angstrom / SEARCH_BOX
    return [RigidTransform(rotations[i], shifts[i] * step) for i in chosen]


def _whitened(volume: Float32[np.ndarray, "box box box"]) -> Complex64[np.ndarray, "box box half"]:
    """Half transform with every shell brought to the same power.

    Otherwise the first shells, which are much the same in every rotation, would decide.
    """
    box = volume.shape[0]
    half = forward_3d(volume)
    power = shell_mean_3d(np.abs(half) ** 2, box)
    factor = np.divide(1, np.sqrt(power), out=np.zeros(n_shells(box)), where=power > 0)
    return np.asarray(half * expand_shells(factor, box), np.complex64)


def _best_shifts(
    moving: Complex64[np.ndarray, "padded padded padded_half"],
    fixed: Complex64[np.ndarray, "box box half"],
    rotations: Float64[np.ndarray, "n 3 3"],
) -> tuple[Float32[np.ndarray, " n"], Float64[np.ndarray, "n 3"]]:
    """Highest correlation of each rotation over all shifts, and that shift x, y, z in voxels."""
    box = fixed.shape[0]
    shells = shell_index_3d(box)
    used = (shells > 0) & (shells <= SEARCH_SHELLS)
    # The transform of the rotated map at k is the map's own at R^T k.
    sources = SEARCH_PADDING * np.einsum("ck,nci->nki", wave_vectors_3d(box)[:, used], rotations)
    values = _interpolate(moving, sources)
    product = np.zeros((len(rotations), *fixed.shape), np.complex64)
    product[:, used] = fixed[used] * values.conj()
    correlation = inverse_3d(product, box)
    best = correlation.reshape(len(rotations), -1).argmax(axis=1)
    places = np.stack(np.unravel_index(best, correlation.shape[1:]), axis=1) - box // 2
    scores = correlation.reshape(len(rotations), -1)[np.arange(len(rotations)), best]
    return scores, places[:, ::-1].astype(np.float64)


def _interpolate(
    half: Complex64[np.ndarray, "box box half"], places: Float[np.ndarray, "n k 3"]
) -> Complex64[np.ndarray, "n k"]:
    """Half transform at frequencies x, y, z in between, linearly; x < 0 by the Friedel mate."""
    mirrored = places[..., 0] < 0
    positive = np.where(mirrored[..., None], -places, places)
    coordinates = np.moveaxis(positive[..., ::-1], -1, 0)
    real, imaginary = (
        map_coordinates(part, coordinates, order=1, mode="grid-wrap")
        for part in (half.real, half.imag)
    )
    return np.asarray(real + 1j * np.where(mirrored, -imaginary, imaginary), np.complex64)
