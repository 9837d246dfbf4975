"""Whole-box maps from intact images: weighted sums of slices, half maps, FSC and Wiener filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float, Float32, Float64, Int8

from cryofocus.consensus.image_model import NoiseModel, matched_chunk
from cryofocus.consensus.images import PADDING, ParticleImages
from cryofocus.consensus.sampling import sample_fsc, sample_map
from cryofocus.execution.contract import Count
from cryofocus.kernels.contract import SliceKernels, SliceSums
from cryofocus.maths.fourier import forward_3d, forward_3d_padded, inverse_3d_cropped
from cryofocus.maths.grids import shell_planes_3d
from cryofocus.maths.shells import fourier_shell_correlation, shell_mean_3d


@dataclass(frozen=True)
class MapEstimate:
    """A map, its half maps and how well they agree.

    Attributes:
        full: `(box, box, box)` Wiener-filtered map of both half sets.
        halves: Two maps of the half sets, filtered only where data are missing.
        fsc: `(box//2+1,)` Fourier shell correlation of the half maps, unmasked.
    """

    full: Float32[np.ndarray, "box box box"]
    halves: tuple[Float32[np.ndarray, "box box box"], Float32[np.ndarray, "box box box"]]
    fsc: Float64[np.ndarray, " n_shells"]

    @classmethod
    def of_nothing(cls, box: int) -> MapEstimate:
        """Return the empty maps of no particle."""
        nothing = np.zeros((box, box, box), np.float32)
        return cls(nothing, (nothing, nothing), np.zeros(box // 2 + 1))

    def on_box(self, box: int) -> MapEstimate:
        """Return the same on a finer grid, zero beyond the band it was made in."""
        first, second = (sample_map(half, box) for half in self.halves)
        return MapEstimate(sample_map(self.full, box), (first, second), sample_fsc(self.fsc, box))


@dataclass(frozen=True, eq=False)
class MapSource:
    """Everything a whole-box map is made from, but for the particles' weights.

    Attributes:
        images: Intact images.
        noise: Noise spectra.
        scale: `(particle,)` intensity scales.
        half_set: `(particle,)` 1 or 2.
    """

    images: ParticleImages
    noise: NoiseModel
    scale: Float32[np.ndarray, " particle"]
    half_set: Int8[np.ndarray, " particle"]


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
    for chunk in images.chunks(band, inserted, send=kernels.send):
        which = chunk.particles
        data, precision = matched_chunk(chunk, band, noise, scale[which])
        accumulator.add(
            images.geometry(band, PADDING, edge, which),
            data * hermitian,
            precision * hermitian,
            weights[which],
            weights[which],
        )
        count(len(which))
    return accumulator.total().fetch()


def accumulate_halves(
    source: MapSource,
    weights: Float32[np.ndarray, "particle component"],
    kernels: SliceKernels,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[SliceSums, SliceSums]:
    """Insert each half set on its own; see `accumulate_maps`."""
    first, second = (
        accumulate_maps(
            source.images,
            source.noise,
            np.where((source.half_set == half)[:, None], weights, np.float32(0)),
            kernels,
            source.scale,
            advance=advance,
        )
        for half in (1, 2)
    )
    return first, second


def solve_maps(
    halves: tuple[SliceSums, SliceSums], box: int, *, threads: int = 1
) -> list[MapEstimate]:
    """Turn the sums of both half sets into one map estimate a column."""
    first, second = halves
    return [
        _solve_map(
            (first.data[..., k], second.data[..., k]),
            (first.precision[..., k], second.precision[..., k]),
            box,
            threads,
        )
        for k in range(first.data.shape[3])
    ]


def _solve_map(
    data: tuple[Complex64[np.ndarray, "e e h"], Complex64[np.ndarray, "e e h"]],
    precision: tuple[Float32[np.ndarray, "e e h"], Float32[np.ndarray, "e e h"]],
    box: int,
    threads: int,
) -> MapEstimate:
    edge = data[0].shape[0]
    means = [shell_mean_3d(one, edge) for one in precision]
    halves = []
    for numerator, denominator, mean in zip(data, precision, means, strict=True):
        # A thousandth of the shell's mean keeps empty places of Fourier space at zero;
        # a shell that holds nothing at all (odd boxes, a class without particles) has no mean.
        floor = np.maximum(1e-3 * mean, np.finfo(np.float32).tiny)
        grid = _divide((numerator,), (denominator,), floor)
        halves.append(grid_to_map(grid, box, threads=threads))
    fsc = fourier_shell_correlation(forward_3d(halves[0]), forward_3d(halves[1]), box)
    grid = _divide(data, precision, wiener_term(means[0] + means[1], fsc, edge / box))
    full = grid_to_map(grid, box, threads=threads)
    return MapEstimate(full, (halves[0], halves[1]), fsc)


def wiener_term(
    mean_precision: Float64[np.ndarray, " grid_shells"],
    fsc: Float[np.ndarray, " n_shells"],
    padding: float,
) -> Float64[np.ndarray, " grid_shells"]:
    """Return 1/tau2 for each shell of the padded grid, from the half maps' FSC.

    The whole set's signal-to-noise ratio is 2 FSC / (1 - FSC) and equals mean precision times
    tau2, so that 1/tau2 = mean precision (1 - FSC) / (2 FSC) (Rosenthal & Henderson 2003).

    Args:
        mean_precision: Of the whole set, in each shell of the grid.
        fsc: Of the half maps, in each shell of the box.
        padding: Edge of the grid over that of the box.
    """
    # Half maps that disagree, or agree perfectly by chance, must not divide by zero.
    clipped = np.clip(fsc, 1e-3, 0.999)
    on_grid = np.interp(np.arange(len(mean_precision)) / padding, np.arange(len(fsc)), clipped)
    tiny = max(float(mean_precision.max()) * 1e-6, float(np.finfo(np.float32).tiny))
    return np.asarray(np.maximum(mean_precision, tiny) * (1 - on_grid) / (2 * on_grid))


def _divide(
    numerators: Sequence[Complex64[np.ndarray, "e e h"]],
    denominators: Sequence[Float32[np.ndarray, "e e h"]],
    regularisation: Float64[np.ndarray, " n_shells"],
) -> Complex64[np.ndarray, "e e h"]:
    """Return sum over sum, a value for each shell added to the denominator.

    Plane by plane, because these grids are large; corners take the last shell's value.
    """
    result = np.empty(numerators[0].shape, np.complex64)
    curve = regularisation.astype(np.float32)
    for z, shells in enumerate(shell_planes_3d(len(result))):
        below = sum(one[z] for one in denominators) + curve[np.minimum(shells, len(curve) - 1)]
        result[z] = sum(one[z] for one in numerators) / below
    return result


def grid_to_map(
    grid: Complex64[np.ndarray, "edge edge half"], box: int, *, threads: int = 1
) -> Float32[np.ndarray, "box box box"]:
    """Transform a padded grid back and divide out the trilinear kernel."""
    edge = grid.shape[0]
    volume = inverse_3d_cropped(grid, edge, box, threads=threads)
    return np.asarray(volume / gridding_kernel(box, edge), np.float32)


def map_to_grid(
    volume: Float32[np.ndarray, "box box box"], edge: int, *, threads: int = 1
) -> Complex64[np.ndarray, "edge edge half"]:
    """Transform a map onto a padded grid such that its trilinear slices are its projections."""
    box = volume.shape[0]
    corrected = (volume / gridding_kernel(box, edge)).astype(np.float32)
    return np.asarray(forward_3d_padded(corrected, edge, threads=threads))


def gridding_kernel(box: int, edge: int) -> Float32[np.ndarray, "box box box"]:
    """Real-space image of trilinear interpolation on a grid of `edge`: a product of sinc^2."""
    line = np.sinc((np.arange(box) - box // 2) / edge) ** 2
    return np.asarray(line[:, None, None] * line[None, :, None] * line, np.float32)
