"""Weighted sums of the slices of intact images on padded whole-box grids."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Int

from cryofocus.consensus.image_model import matched_chunk
from cryofocus.consensus.images import PADDING, ImageChunk, ParticleImages
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.execution.ahead import side_by_side
from cryofocus.execution.contract import Count
from cryofocus.kernels.contract import SliceAccumulator, SliceGeometry, SliceKernels, SliceSums
from cryofocus.placement import Array

Slices = tuple[SliceGeometry, Array, Array]
Inserted = Generator[int, None, None]


def accumulate_maps(
    images: ParticleImages,
    noise: NoiseModel,
    weights: Float32[np.ndarray, "particle component"],
    kernels: SliceKernels,
    scale: Float32[np.ndarray, " particle"],
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> SliceSums:
    """Insert every intact image into a padded whole-box grid, once per weight column."""
    executor, shards = images.executor, images.shards
    parts = [(weights[rows], scale[rows]) for rows in shards.ranges]
    with executor.counting(advance) as count:
        return executor.reduce(_accumulate, shards, (noise, kernels, count), parts)


def _accumulate(
    images: ParticleImages,
    common: tuple[NoiseModel, SliceKernels, Count],
    part: tuple[Float32[np.ndarray, "particle component"], Float32[np.ndarray, " particle"]],
) -> SliceSums:
    """Insert the images of one range."""
    (noise, kernels, count), (weights, scale) = common, part
    band, edge = images.largest_band(), PADDING * images.particles.box
    accumulator = kernels.accumulator(edge, weights.shape[1], weights.shape[1])
    hermitian, inserted = kernels.send(band.hermitian), np.flatnonzero(weights.any(axis=1))

    def weigh(chunk: ImageChunk) -> tuple[Int[np.ndarray, " n"], Slices]:
        data, precision = matched_chunk(chunk, band, noise, scale[chunk.particles])
        data *= hermitian
        precision *= hermitian
        place = images.geometry(band, PADDING, edge, chunk.particles)
        return chunk.particles, (place, data, precision)

    def fill(lane: SliceAccumulator, which: Int[np.ndarray, " n"]) -> Inserted:
        for rows, slices in own.each(weigh, band, which, send=kernels.send):
            lane.add(*slices, weights[rows], weights[rows])
            yield len(rows)

    lanes = accumulator.lanes()
    own = replace(images, threads=max(1, images.threads // len(lanes)))
    parts = np.array_split(inserted, len(lanes))
    for n_inserted in side_by_side([fill(*one) for one in zip(lanes, parts, strict=True)]):
        count(n_inserted)
    return accumulator.take().fetch()
