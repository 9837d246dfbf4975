"""What regions are measured against: the parts of the particle that stay the same.

Occupancies are relative to the rest of the particle, whatever an image's grey scale. But what no
region covers may vary as well, and with a region: were the whole rest the reference, a particle
with more of it would seem to have less of every region, and independent regions would come out
anticorrelated. So the rest is cut into blocks of equal mass, each with a factor of its own in
every image, and the half that varies least is the reference (docs/derivations/covariance.md).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float32, Float64

# Sixteen blocks.
N_HALVINGS = 4
# A block with fewer dense voxels is not cut further.
FEWEST_VOXELS = 16
# Part of the rest's mass that is the reference.
REFERENCE_SHARE = 0.5

Mask = Bool[np.ndarray, "box box box"]


def cut_into_blocks(density: Float32[np.ndarray, "box box box"], dense: Mask) -> Iterator[Mask]:
    """Yield blocks of about equal mass that together fill the box.

    Every block is cut across its longest direction, at the median of its mass.

    Args:
        density: Map of what is to be cut.
        dense: Voxels whose mass counts; the others go with the block in which they lie.
    """
    yield from _cut(np.where(dense, density, np.float32(0)), np.ones(density.shape, bool), 0)


def _cut(mass: Float32[np.ndarray, "box box box"], block: Mask, depth: int) -> Iterator[Mask]:
    own = np.nonzero(block & (mass > 0))
    if depth == N_HALVINGS or len(own[0]) < FEWEST_VOXELS:
        yield block
        return
    weight, place = mass[own].astype(np.float64), np.stack(own).astype(np.float64)
    centre = place @ weight / weight.sum()
    offset = place - centre[:, None]
    longest = np.linalg.eigh((offset * weight) @ offset.T)[1][:, -1]
    along = longest @ place
    order = np.argsort(along, kind="stable")
    middle = along[order][np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)]
    z, y, x = np.ogrid[tuple(slice(edge) for edge in mass.shape)]
    before = longest[0] * z + longest[1] * y + longest[2] * x < middle
    yield from _cut(mass, block & before, depth + 1)
    yield from _cut(mass, block & ~before, depth + 1)


def choose_reference(
    factors: Float64[np.ndarray, "particle block"],
    variance: Float64[np.ndarray, "particle block"],
    mass: Float64[np.ndarray, " block"],
) -> Float64[np.ndarray, " block"]:
    """Weigh the blocks that vary least, by mass; the others get zero.

    Args:
        factors: Of the blocks, relative to all of them.
        variance: Of the errors of the factors.
        mass: Of the blocks.

    Returns:
        Weights that sum to one.
    """
    certainty = variance**-2
    mean = (certainty * factors).sum(axis=0) / certainty.sum(axis=0)
    excess = (certainty * ((factors - mean) ** 2 - variance)).sum(axis=0) / certainty.sum(axis=0)
    share = np.maximum(mass, 0) / np.maximum(mass, 0).sum()
    order = np.argsort(np.where(share > 0, excess, np.inf))
    needed = 1 + int(np.searchsorted(np.cumsum(share[order]), REFERENCE_SHARE))
    weights = np.zeros(len(mass))
    quiet = order[:needed]
    weights[quiet] = share[quiet] / share[quiet].sum()
    return weights
