"""What images say beyond the consensus, or beyond another background.

Matched residuals are what every comparison of classes, poses and regions starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Complex64, Float32, Int

from cryofocus.consensus.background import Background
from cryofocus.consensus.band import Band
from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.half_grids import HalfGrids
from cryofocus.consensus.image_model import ImageModel, fit_scales, matched_chunk, scale_moments
from cryofocus.consensus.images import ImageChunk
from cryofocus.consensus.match import ImageMatch, measure_match
from cryofocus.kernels.contract import SliceKernels
from cryofocus.placement import Array, beside

T = TypeVar("T")


@dataclass(frozen=True)
class MatchedResidual:
    """Matched-filtered residuals `s C E / sigma2`, one a column, and precisions.

    Both lie where the kernels want arrays; particles and scales are here, and how well the images
    match their background, if that was asked for.
    """

    particles: Int[np.ndarray, " n"]
    data: tuple[Complex64[Array, "n point"], ...]
    precision: Float32[Array, "n point"]
    scale: Float32[np.ndarray, " n"]
    match: ImageMatch | None = None


def matched_residuals(
    background: Background, model: ImageModel, band: Band, edges: tuple[int, ...] = ()
) -> Iterator[MatchedResidual]:
    """Yield what each image says beyond its background, chunk by chunk; see `each_residual`."""
    return each_residual(lambda residual: residual, background, model, band, edges)


def each_residual(
    use: Callable[[MatchedResidual], T],
    background: Background,
    model: ImageModel,
    band: Band,
    edges: tuple[int, ...] = (),
) -> Iterator[T]:
    """Yield what is made of what each image says beyond its background, on the full-box band.

    The scale `s` is fitted with the background's first column; precisions are `s^2 C^2 / sigma2`.
    With that column, images are compared in the bands whose edges are given, if any are. Chunks
    of images are worked on by several threads at a time (`ParticleImages.each`).
    """

    def residual(chunk: ImageChunk) -> T:
        slices = background.slices(band, chunk.particles)
        data, precision = matched_chunk(chunk, band, model.noise)
        moments = scale_moments(band, data, precision, slices[..., 0])
        match = measure_match(band, edges, (data, precision), slices[..., 0]) if edges else None
        scale = fit_scales(*moments, model.scale_prior)
        factor = beside(scale[:, None], data)
        precision *= factor
        columns = tuple(
            (data - precision * slices[..., column]) * factor for column in range(slices.shape[2])
        )
        precision *= factor
        return use(MatchedResidual(chunk.particles, columns, precision, scale, match))

    return background.images.each(residual, band, send=background.kernels.send)


def whole_consensus(consensus: Consensus, kernels: SliceKernels) -> HalfGrids:
    """Take out the consensus: what is left are residuals (strategies residual and global)."""
    return HalfGrids(consensus.images, None, ((consensus.map.full,),), kernels)
