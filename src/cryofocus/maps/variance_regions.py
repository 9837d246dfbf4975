"""Regions of a variance map: where the density varies, and what varies together.

Voxels above a level fall into basins, one around each local maximum. With the deviations that
make up the variance, basins that are close and move together (a domain that leaves one place for
another) are one region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int
from scipy.ndimage import distance_transform_edt, label

from cryofocus.arrays import Volume
from cryofocus.calls import checked
from cryofocus.maps.regions import TOUCHING
from cryofocus.maths.masks import Vector

# Basins whose main deviations correlate at least so much, either way, move together.
MOVES_TOGETHER = 0.5


@dataclass(frozen=True, eq=False)
class VariableRegion:
    """A part of a variance map. Places are x, y, z in Å from the box centre (voxel `box//2`).

    Attributes:
        voxels: Which voxels it has.
        peak_angstrom: Of the largest variance.
        centre_angstrom: Centre of its variance.
        radius_angstrom: Of the sphere about that centre that holds all of its voxels.
        share: Of the variance of the whole map.
    """

    voxels: Bool[np.ndarray, "box box box"]
    peak_angstrom: Vector
    centre_angstrom: Vector
    radius_angstrom: float
    share: float


def variance_level(variance: Volume, fraction: float, sigma: float) -> float:
    """Lowest variance that counts: a share of the largest, and clear of the map's own noise.

    Noise is the spread of the values below the median, where nothing varies: most of a box is
    empty.

    Args:
        variance: Variance map; noise may make it negative in places.
        fraction: Of the largest value.
        sigma: Standard deviations of the noise above the median.
    """
    middle = float(np.median(variance))
    below = variance[variance <= middle]
    noise = float(np.sqrt(np.mean((below - middle) ** 2, dtype=np.float64)))
    return max(fraction * float(variance.max()), middle + sigma * noise)


@checked
def find_regions(
    variance: Volume,
    level: float,
    voxel_size_angstrom: float,
    *,
    separation_angstrom: float | None = None,
) -> list[VariableRegion]:
    """Part a variance map into regions, the one that holds most variance first.

    Args:
        variance: Variance map.
        level: Lowest value that counts.
        voxel_size_angstrom: Å per voxel.
        separation_angstrom: Part connected voxels between maxima that are at least so far apart;
            otherwise what is connected is one region.
    """
    labels = _basins(variance, level, voxel_size_angstrom, separation_angstrom)
    return _describe(variance, labels, voxel_size_angstrom)


@checked
def join_regions(
    regions: Sequence[VariableRegion],
    deviations: Float32[np.ndarray, "axis box box box"],
    voxel_size_angstrom: float,
    join_angstrom: float,
) -> list[VariableRegion]:
    """Join regions that are close and move together, the one that holds most variance first.

    Args:
        regions: From `find_regions`.
        deviations: Uncorrelated deviations whose squares add up to the variance map.
        voxel_size_angstrom: Å per voxel.
        join_angstrom: Gap up to which regions are close.
    """
    directions = [_main_direction(deviations[:, region.voxels]) for region in regions]
    group = np.arange(len(regions))
    for i, region in enumerate(regions):
        distance = distance_transform_edt(~region.voxels) * voxel_size_angstrom
        for j in range(i + 1, len(regions)):
            is_near = distance[regions[j].voxels].min() <= join_angstrom
            if is_near and abs(directions[i] @ directions[j]) >= MOVES_TOGETHER:
                group[group == group[j]] = group[i]
    variance = np.asarray((deviations**2).sum(axis=0), np.float32)
    labels = np.zeros(variance.shape, np.int64)
    for region, number in zip(regions, group, strict=True):
        labels[region.voxels] = number + 1
    return _describe(variance, labels, voxel_size_angstrom)


def _basins(
    variance: Volume, level: float, voxel_size_angstrom: float, separation_angstrom: float | None
) -> Int[np.ndarray, "box box box"]:
    """Give every voxel above a level the number of its region, all others 0."""
    pieces, _ = label(variance >= level, structure=TOUCHING)
    if separation_angstrom is None:
        return np.asarray(pieces, np.int64)
    summits = _climb(variance, pieces > 0)
    # A summit near a higher one of the same piece is no region of its own.
    peaks = np.unique(summits[pieces > 0])
    peaks = peaks[np.argsort(-variance.flat[peaks], kind="stable")]
    places = np.stack(np.unravel_index(peaks, variance.shape), axis=1) * voxel_size_angstrom
    kept: list[int] = []
    number = np.zeros(variance.size, np.int64)
    for i, peak in enumerate(peaks):
        near = [
            j
            for j in kept
            if pieces.flat[peaks[j]] == pieces.flat[peak]
            and np.linalg.norm(places[i] - places[j]) < separation_angstrom
        ]
        if not near:
            kept.append(i)
        number[peak] = number[peaks[near[0]]] if near else len(kept)
    return np.where(pieces > 0, number[summits], 0)


def _climb(
    variance: Volume, inside: Bool[np.ndarray, "box box box"]
) -> Int[np.ndarray, "box box box"]:
    """Flat index of the local maximum that steepest ascent reaches from every voxel inside."""
    padded = np.pad(np.where(inside, variance, -np.inf), 1, constant_values=-np.inf)
    flat = np.arange(variance.size).reshape(variance.shape)
    indices = np.pad(flat, 1)
    best, parent = np.array(padded[1:-1, 1:-1, 1:-1]), flat.copy()
    for shift in product(range(3), repeat=3):
        window = tuple(slice(s, s + n) for s, n in zip(shift, variance.shape, strict=True))
        higher = padded[window] > best
        best[higher], parent[higher] = padded[window][higher], indices[window][higher]
    while True:
        further = parent.flat[parent]
        if (further == parent).all():
            return np.asarray(parent)
        parent = further


def _describe(
    variance: Volume, labels: Int[np.ndarray, "box box box"], voxel_size_angstrom: float
) -> list[VariableRegion]:
    """Measure every numbered region, the one that holds most variance first."""
    total = float(np.maximum(variance, 0).sum(dtype=np.float64))
    regions = []
    for number in np.unique(labels[labels > 0]):
        voxels = labels == number
        weights = variance[voxels].astype(np.float64)
        places = (np.argwhere(voxels)[:, ::-1] - len(variance) // 2) * voxel_size_angstrom
        centre = weights @ places / weights.sum()
        # To the far faces of the voxels, not to their centres.
        reach = np.linalg.norm(places - centre, axis=1).max() + voxel_size_angstrom / 2
        share = float(weights.sum()) / total
        peak = _vector(places[weights.argmax()])
        regions.append(VariableRegion(voxels, peak, _vector(centre), float(reach), share))
    return sorted(regions, key=lambda region: -region.share)


def _vector(values: Float64[np.ndarray, " 3"]) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _main_direction(signals: Float[np.ndarray, "axis voxel"]) -> Float64[np.ndarray, " axis"]:
    """Direction in the space of axes along which some voxels vary most."""
    _, vectors = np.linalg.eigh(signals.astype(np.float64) @ signals.T)
    return np.asarray(vectors[:, -1])
