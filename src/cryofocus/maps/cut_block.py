"""Whether what differs between class maps goes on beyond the rim of a focus mask.

Class maps show the whole particle. Their deviations from the common mean are smoothed to what the
mask can resolve and set against their standard error, which the half maps tell. Deviations that
are connected with the inside of the mask, of either sign since what moves leaves a place for
another, belong to the block in focus; the share of them that lies outside is what the mask cuts
off.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64
from scipy.ndimage import gaussian_filter, label
from scipy.spatial import ConvexHull, QhullError
from scipy.special import ndtri

from cryofocus.arrays import Volume
from cryofocus.maps.difference import NOISE_WINDOW_RESOLUTIONS, Halves
from cryofocus.maps.regions import TOUCHING, soft_mask
from cryofocus.maths.fourier import next_fast_len, resize_volume
from cryofocus.maths.masks import Vector, resample_mask

# Chance that noise alone makes any voxel of any class significant.
CHANCE = 0.01
# Deviations below this share of the largest are the skirts of a block, not the block.
SKIRT = 0.1
# Pieces with less than this share of the largest piece's difference are not what is in focus.
MINOR = 0.25
# The smoothing is no coarser than this share of the mask's radius, so that it leaks little.
RADII = 1 / 3
VOXELS_PER_RESOLUTION = 2.5


@dataclass(frozen=True, eq=False)
class CutBlock:
    """What differs between classes inside a mask, and what is connected with it.

    Places are x, y, z in Å from the box centre (voxel `box//2`).

    Attributes:
        voxels: The whole block, on a grid of the same extent that may be coarser.
        voxel_size_angstrom: Å per voxel of that grid.
        outside_share: Share of the difference that lies outside the mask.
        crossing_angstrom: Centre of the largest piece that lies outside; the mask's own centre
            where none does.
        significance: Largest deviation outside, in standard errors; 0 where there is none.
        least_significance: Deviations count from here on.
    """

    voxels: Bool[np.ndarray, "coarse coarse coarse"]
    voxel_size_angstrom: float
    outside_share: float
    crossing_angstrom: Vector
    significance: float
    least_significance: float

    def sphere(self) -> tuple[Vector, float]:
        """Centre and radius of the smallest sphere that holds the block."""
        places = np.argwhere(self.voxels)[:, ::-1] - len(self.voxels) // 2
        centre, radius = _enclosing_ball(places.astype(np.float64))
        x, y, z = (centre * self.voxel_size_angstrom).tolist()
        return (x, y, z), (radius + 0.5) * self.voxel_size_angstrom

    def mask(self, box: int, soft_edge_angstrom: float) -> Volume:
        """Soft mask of the block on a grid of the same extent.

        Args:
            box: Edge of that grid in voxels.
            soft_edge_angstrom: Width over which it falls to 0.
        """
        voxel = self.voxel_size_angstrom
        return resample_mask(soft_mask(self.voxels, voxel, voxel, soft_edge_angstrom), box)


@dataclass(frozen=True, eq=False)
class _Piece:
    """Connected deviations of one class, part of them in the mask."""

    voxels: Bool[np.ndarray, "coarse coarse coarse"]
    amount: float
    outside: float
    significance: Float[np.ndarray, "coarse coarse coarse"]


def find_cut_block(
    halves: Sequence[Halves],
    weights: Float64[np.ndarray, " n_classes"],
    mask: Float32[np.ndarray, "fine fine fine"],
    voxel_size_angstrom: float,
    resolution_angstrom: float,
) -> CutBlock | None:
    """Find the block that differs between classes inside a mask, however far it reaches.

    Args:
        halves: Unfiltered half maps of each class, over the whole box.
        weights: Share of the particles in each class.
        mask: Region in focus, from 0 to 1, on the same grid or a finer one of the same extent.
        voxel_size_angstrom: Å per voxel of the mask.
        resolution_angstrom: Finest detail that tells classes apart.

    Returns:
        None where no difference inside is significant.
    """
    volume = float(mask.sum(dtype=np.float64)) * voxel_size_angstrom**3
    radius = (3 * volume / (4 * math.pi)) ** (1 / 3)
    scale = max(resolution_angstrom, RADII * radius)
    coarse = _coarse_box(len(mask), voxel_size_angstrom, scale)
    voxel = voxel_size_angstrom * len(mask) / coarse
    inside = resample_mask(mask, coarse)
    smoothing = scale / voxel / math.sqrt(8 * math.log(2))
    least = _least_significance(coarse, smoothing, len(halves))
    pieces = [
        piece
        for weight, pair in zip(weights, _deviations(halves, weights, coarse), strict=True)
        for piece in _find_pieces(pair, float(weight), inside, smoothing, least)
    ]
    if not pieces:
        return None
    largest = max(piece.amount for piece in pieces)
    return _join(
        [piece for piece in pieces if piece.amount >= MINOR * largest], inside, voxel, least
    )


def _coarse_box(box: int, voxel_size_angstrom: float, scale_angstrom: float) -> int:
    """Edge of the coarsest grid that still samples a scale."""
    wanted = box * voxel_size_angstrom * VOXELS_PER_RESOLUTION / scale_angstrom
    return min(box, next_fast_len(math.ceil(wanted)))


def _least_significance(edge: int, smoothing: float, n_classes: int) -> float:
    """Return the deviation that noise hardly reaches anywhere, in standard errors."""
    n_elements = edge**3 / (4 * math.pi * smoothing**2) ** 1.5
    return -float(ndtri(CHANCE / (2 * n_classes * n_elements)))


def _deviations(
    halves: Sequence[Halves], weights: Float64[np.ndarray, " n_classes"], edge: int
) -> Iterator[Halves]:
    """Yield how each class deviates from the mean of all in either half set, sampled coarsely."""
    small = [tuple(resize_volume(half, edge) for half in pair) for pair in halves]
    shares = weights / weights.sum()
    means = [
        sum(np.float32(w) * pair[half] for w, pair in zip(shares, small, strict=True))
        for half in (0, 1)
    ]
    for first, second in small:
        yield first - means[0], second - means[1]


def _find_pieces(
    pair: Halves, weight: float, mask: Volume, smoothing: float, least: float
) -> Iterator[_Piece]:
    """Yield the significant deviations of a class that are connected with the inside of a mask."""
    first, second = (gaussian_filter(half, smoothing) for half in pair)
    window = NOISE_WINDOW_RESOLUTIONS * smoothing * math.sqrt(8 * math.log(2))
    variance = gaussian_filter(((first - second) / 2) ** 2, window, mode="nearest")
    deviation = (first + second) / 2
    significance = deviation / np.sqrt(np.maximum(variance, np.finfo(np.float32).tiny))
    sharp = (pair[0] + pair[1]) / 2
    is_inside = mask >= 0.5
    skirt = SKIRT * float(np.abs(deviation[is_inside]).max())
    counts = (np.abs(significance) >= least) & (np.abs(deviation) >= skirt)
    pieces, _ = label(counts, structure=TOUCHING)
    for number in np.unique(pieces[is_inside & counts]):
        voxels = pieces == number
        # The sign is the smoothed deviation's, so that noise adds nothing on average.
        signed = (np.sign(deviation) * sharp)[voxels].astype(np.float64)
        outside = float(signed @ (1 - mask[voxels]))
        yield _Piece(voxels, weight * float(signed.sum()), weight * outside, np.abs(significance))


def _join(
    pieces: Sequence[_Piece], mask: Volume, voxel_size_angstrom: float, least: float
) -> CutBlock:
    """Describe all pieces as one block."""
    voxels = np.logical_or.reduce([piece.voxels for piece in pieces])
    beyond = voxels & (mask < 0.5)
    highest = np.maximum.reduce([piece.significance for piece in pieces])
    patches, n_patches = label(beyond, structure=TOUCHING)
    if n_patches:
        sizes = np.bincount(patches.ravel())[1:]
        where = np.argwhere(patches == 1 + int(sizes.argmax()))
    else:
        where = np.argwhere(mask >= 0.5)
    x, y, z = ((where.mean(axis=0)[::-1] - len(mask) // 2) * voxel_size_angstrom).tolist()
    return CutBlock(
        voxels=voxels,
        voxel_size_angstrom=voxel_size_angstrom,
        outside_share=sum(p.outside for p in pieces) / sum(p.amount for p in pieces),
        crossing_angstrom=(x, y, z),
        significance=float(highest[beyond].max()) if n_patches else 0.0,
        least_significance=least,
    )


def _enclosing_ball(
    points: Float64[np.ndarray, "n 3"],
) -> tuple[Float64[np.ndarray, " 3"], float]:
    """Return the smallest ball around points, to a thousandth of its radius.

    Steps towards the farthest point that shorten as 1/i (Badoiu & Clarkson 2003).
    """
    # Points that are too few or lie in a plane have no hull; all of them will do.
    with contextlib.suppress(QhullError):
        points = points[ConvexHull(points).vertices]
    centre = points.mean(axis=0)
    for step in range(1, 2000):
        farthest = points[((points - centre) ** 2).sum(axis=1).argmax()]
        centre = centre + (farthest - centre) / (step + 1)
    return centre, float(np.sqrt(((points - centre) ** 2).sum(axis=1).max()))
