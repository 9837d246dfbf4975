"""What images say beyond the consensus, or beyond another background.

Matched residuals are what every comparison of classes, poses and regions starts from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float32, Int

from cryofocus.consensus.background import Background
from cryofocus.consensus.band import Band
from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.half_grids import HalfGrids
from cryofocus.consensus.image_model import ImageModel, fit_scales, matched_chunk, scale_moments
from cryofocus.consensus.images import ImageChunk
from cryofocus.consensus.match import ImageMatch, measure_match
from cryofocus.execution.ahead import ahead
from cryofocus.kernels.contract import SliceKernels
from cryofocus.placement import Array, beside


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
    """Yield what each image says beyond its background, chunk by chunk, on the full-box band.

    The scale `s` is fitted with the background's first column; precisions are `s^2 C^2 / sigma2`.
    With that column, images are compared in the bands whose edges are given, if any are.
    """
    images, send = background.images, background.kernels.send

    def residual(
        seen: tuple[ImageChunk, Complex64[Array, "n point column"]],
    ) -> MatchedResidual:
        chunk, slices = seen
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
        return MatchedResidual(chunk.particles, columns, precision, scale, match)

    seen = (
        (chunk, background.slices(band, chunk.particles))
        for chunk in images.chunks(band, send=send)
    )
    yield from ahead(residual, seen, images.helpers(send))


def whole_consensus(consensus: Consensus, kernels: SliceKernels) -> HalfGrids:
    """Take out the consensus: what is left are residuals (strategies residual and global)."""
    return HalfGrids(consensus.images, None, ((consensus.map.full,),), kernels)
