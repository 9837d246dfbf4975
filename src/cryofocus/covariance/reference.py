"""What contents are measured against: the part of the particle that varies least.

An image's grey scale is not known, and what no region covers may vary as well, together with a
region: were the whole rest the reference, a particle with more of it would seem to have less of
every region. So the rest is cut into blocks of equal mass, and those that vary least, up to half
of the mass, are the reference (docs/decisions/0010).
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
    block_masses: Float64[np.ndarray, "block q"], covariance: Float64[np.ndarray, "q q"]
) -> Float64[np.ndarray, " q"]:
    """Return the relative mass of the blocks that vary least, as a function of the coordinates.

    Args:
        block_masses: Mass of each block in the consensus (first column) and in the fields.
        covariance: Of the coordinates over the particles, the grey scale first.

    Returns:
        Row whose product with coordinates x is the reference's mass over its mean, less 1.
    """
    own = block_masses[:, 0]
    usable = np.flatnonzero(own > 0)
    relative = block_masses[usable] / own[usable, None]
    share = own[usable] / own[usable].sum()
    contrast = relative - share @ relative
    variance = np.einsum("bq,qr,br->b", contrast, covariance, contrast)
    order = np.argsort(variance)
    quiet = order[: 1 + int(np.searchsorted(np.cumsum(share[order]), REFERENCE_SHARE))]
    return np.asarray(share[quiet] @ relative[quiet] / share[quiet].sum())
