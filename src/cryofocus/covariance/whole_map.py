"""A map in which every region is fully occupied, brought onto the grey scale of other maps.

Masses are sums over hard masks, and density in a map without its lowest frequencies lies in
surroundings that are darker than the solvent. So a mass depends on baseline and sharpness as well
as on the scale, and what is compared must have all three in common. They are taken from what no
region covers: regions are what the other maps lack.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy.ndimage import distance_transform_edt

from cryofocus.arrays import Volume
from cryofocus.covariance.regions import Region
from cryofocus.maths.filters import filter_shells
from cryofocus.maths.fourier import forward_3d
from cryofocus.maths.masks import cosine_edge
from cryofocus.maths.shells import shell_mean_3d

# Within so many voxels of a region, its surroundings count less and less.
EDGE_VOXELS = 3.0
# With a smaller part of the dense voxels outside of regions, all count.
SMALLEST_REST = 0.1
# A mask mixes shells; the factors found through it settle in a few rounds.
ROUNDS = 4

Rest = Float32[np.ndarray, "box box box"]


def match_whole_map(
    whole: Volume,
    density: Volume,
    regions: Sequence[Region],
    dense: Bool[np.ndarray, "box box box"],
) -> Volume:
    """Give a map the scale, the sharpness and the baseline of another outside of regions.

    Each shell gets the factor that explains most of the other map (least squares), which neither
    its noise nor how the whole map was filtered changes.

    Args:
        whole: Map in which all regions are fully occupied.
        density: The other map.
        regions: What the other map may lack.
        dense: Voxels of the other map that hold density.
    """
    rest = _weigh_rest(regions, dense)
    goal, level = _centre(density, rest)
    target = forward_3d(goal * rest)
    matched, _ = _centre(whole, rest)
    for _ in range(ROUNDS):
        half = forward_3d(matched * rest)
        common = shell_mean_3d((target * half.conj()).real, len(whole))
        power = shell_mean_3d(np.abs(half) ** 2, len(whole))
        factor = np.divide(common, power, out=np.zeros_like(common), where=power > 0)
        # A map's mean is its baseline, which is matched by itself.
        factor[0] = factor[1]
        matched, _ = _centre(filter_shells(matched, factor), rest)
    return np.asarray(matched + np.float32(level), np.float32)


def _weigh_rest(regions: Sequence[Region], dense: Bool[np.ndarray, "box box box"]) -> Rest:
    """Return 1 away from all regions and 0 in them; 1 everywhere if nothing else is dense."""
    covered = np.any([region.inside for region in regions], axis=0)
    if np.count_nonzero(dense & ~covered) < SMALLEST_REST * np.count_nonzero(dense):
        return np.ones(dense.shape, np.float32)
    near = cosine_edge(np.asarray(distance_transform_edt(~covered)), EDGE_VOXELS)
    return np.asarray(1 - near, np.float32)


def _centre(density: Volume, rest: Rest) -> tuple[Volume, float]:
    """Take off the mean of what counts, and return both."""
    weight: Float64[np.ndarray, "box box box"] = rest.astype(np.float64)
    level = float((density * weight).sum() / weight.sum())
    return np.asarray(density - np.float32(level), np.float32), level
