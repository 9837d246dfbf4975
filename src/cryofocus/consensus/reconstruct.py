"""Whole-box maps from sums of slices: half maps, FSC and Wiener filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Complex64, Float, Float32, Float64, Int8

from cryofocus.consensus.images import PADDING, ParticleImages
from cryofocus.consensus.insertion import accumulate_maps
from cryofocus.consensus.lowest_shells import add_to_rows, correct_lowest_shells
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.consensus.sampling import sample_fsc, sample_map
from cryofocus.data.mapped import let_go
from cryofocus.kernels.contract import SliceKernels, SliceSums
from cryofocus.maths.fourier import (
    BLOCK_VALUES,
    forward_3d,
    forward_3d_padded,
    inverse_3d_cropped,
    inverse_3d_of_blocks,
)
from cryofocus.maths.grids import shell_block_3d
from cryofocus.maths.masks import cosine_edge
from cryofocus.maths.shells import fourier_shell_correlation, shell_mean_3d

# Width of a map's soft edge inside the sphere that its box holds, in box edges.
SPHERE_EDGE = 0.05


@dataclass(frozen=True)
class MapEstimate:
    """A map, its half maps and how well they agree.

    Attributes:
        full: `(box, box, box)` Wiener-filtered map of both half sets.
        halves: Two maps of the half sets, filtered only where data are missing. Like `full`, they
            end in the sphere that the box holds.
        fsc: `(box//2+1,)` Fourier shell correlation of the half maps.
    """

    full: Float32[np.ndarray, "box box box"]
    halves: tuple[Float32[np.ndarray, "box box box"], Float32[np.ndarray, "box box box"]]
    fsc: Float64[np.ndarray, " n_shells"]

    def kept(self, allocate: Callable[..., np.ndarray]) -> MapEstimate:
        """Return the same in arrays that are made by someone who knows where there is room."""
        kept = []
        for volume in (self.full, *self.halves):
            array = allocate(volume.shape, np.float32)
            array[:] = volume
            let_go(array)
            kept.append(array)
        return MapEstimate(kept[0], (kept[1], kept[2]), self.fsc)

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
class SolvedMap:
    """A map and what its half maps say of its power.

    Attributes:
        estimate: The map.
        inverse_tau2: `(grid_shells,)` 1/tau2 in each shell of the padded grid, from the FSC.
    """

    estimate: MapEstimate
    inverse_tau2: Float64[np.ndarray, " grid_shells"]


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


def accumulate_halves(
    source: MapSource,
    weights: Float32[np.ndarray, "particle component"],
    kernels: SliceKernels,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[SliceSums, SliceSums]:
    """Insert each half set on its own; see `accumulate_maps`."""
    first, second = (
        _accumulate_half(source, weights, kernels, (half,), advance) for half in (1, 2)
    )
    return first, second


def reconstruct_maps(
    source: MapSource,
    weights: Float32[np.ndarray, "particle component"],
    kernels: SliceKernels,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[MapEstimate]:
    """Yield a map for each column of weights, as many at a time as memory allows.

    Where it does not even hold the sums of both half sets of one map, they are made in turns, and
    then together: images are inserted twice.
    """
    images = source.images
    box, threads = images.particles.box, images.threads
    edge = PADDING * box
    at_once = kernels.columns_at_once(edge)
    for start in range(0, weights.shape[1], at_once):
        columns = weights[:, start : start + at_once]
        count = _times(advance, columns.shape[1])
        if kernels.halves_at_once(edge):
            sums = accumulate_halves(source, columns, kernels, advance=count)
            yield from solve_maps(sums, box, threads=threads)
            del sums
        else:
            yield _solve_in_turns(source, columns, kernels, count)


def keep_each(
    made: Iterator[MapEstimate], allocate: Callable[..., np.ndarray]
) -> Iterator[MapEstimate]:
    """Yield maps in arrays of someone else; what was made is gone before the next is made."""
    # A loop's variable would hold each of them while the next is made.
    return map(partial(MapEstimate.kept, allocate=allocate), made)


def _times(advance: Callable[[int], None], n_columns: int) -> Callable[[int], None]:
    return lambda n_particles: advance(n_particles * n_columns)


def _solve_in_turns(
    source: MapSource,
    weights: Float32[np.ndarray, "particle 1"],
    kernels: SliceKernels,
    advance: Callable[[int], None],
) -> MapEstimate:
    """Make both half maps and then the map, with the sums of one in memory at a time."""
    images = source.images
    box, threads = images.particles.box, images.threads
    first, second = (
        _solve_half(
            _accumulate_half(source, weights, kernels, (half,), advance),
            box,
            threads,
            used_up=True,
        )
        for half in (1, 2)
    )
    fsc = fourier_shell_correlation(forward_3d(first), forward_3d(second), box)
    sums = _accumulate_half(source, weights, kernels, (1, 2), lambda _: None)
    full = _solve((sums,), _own_term((sums,), fsc, box), box, threads, used_up=True)
    return MapEstimate(full, (first, second), fsc)


def _accumulate_half(
    source: MapSource,
    weights: Float32[np.ndarray, "particle component"],
    kernels: SliceKernels,
    halves: tuple[int, ...],
    advance: Callable[[int], None],
) -> SliceSums:
    """Insert the images of one half set, or of both."""
    chosen = np.isin(source.half_set, halves)[:, None]
    return accumulate_maps(
        source.images,
        source.noise,
        np.where(chosen, weights, np.float32(0)),
        kernels,
        source.scale,
        advance=advance,
    )


def solve_maps(
    halves: tuple[SliceSums, SliceSums], box: int, *, threads: int = 1
) -> list[MapEstimate]:
    """Turn the sums of both half sets into one map estimate a column."""
    return [solved.estimate for solved in solve_with_power(halves, box, threads=threads)]


def solve_with_power(
    halves: tuple[SliceSums, SliceSums],
    box: int,
    *,
    threads: int = 1,
    inverse_tau2: Float64[np.ndarray, " grid_shells"] | None = None,
) -> list[SolvedMap]:
    """Turn the sums of both half sets into one map a column, filtered by a given power.

    Args:
        halves: Of both half sets, one column for each map.
        box: Edge of the maps.
        threads: Of the Fourier transforms.
        inverse_tau2: `(grid_shells,)` 1/tau2 of every map's Wiener filter; that of each map's own
            half maps where none is given.
    """
    return [
        _solve_map((_column(halves[0], k), _column(halves[1], k)), box, threads, inverse_tau2)
        for k in range(halves[0].data.shape[3])
    ]


def _column(sums: SliceSums, k: int) -> SliceSums:
    return SliceSums(sums.data[..., k : k + 1], sums.precision[..., k : k + 1])


def _solve_map(
    sums: tuple[SliceSums, SliceSums],
    box: int,
    threads: int,
    inverse_tau2: Float64[np.ndarray, " grid_shells"] | None,
) -> SolvedMap:
    first, second = (_solve_half(one, box, threads) for one in sums)
    fsc = fourier_shell_correlation(forward_3d(first), forward_3d(second), box)
    own = _own_term(sums, fsc, box)
    full = _solve(sums, own if inverse_tau2 is None else inverse_tau2, box, threads)
    return SolvedMap(MapEstimate(full, (first, second), fsc), own)


def _solve_half(
    sums: SliceSums, box: int, threads: int, *, used_up: bool = False
) -> Float32[np.ndarray, "box box box"]:
    """Return a map that is filtered only where data are missing."""
    # A thousandth of the shell's mean keeps empty places of Fourier space at zero;
    # a shell that holds nothing at all (odd boxes, a class without particles) has no mean.
    floor = np.maximum(1e-3 * _mean_precision(sums), np.finfo(np.float32).tiny)
    return _solve((sums,), floor, box, threads, used_up=used_up)


def _own_term(
    sums: Sequence[SliceSums], fsc: Float64[np.ndarray, " n_shells"], box: int
) -> Float64[np.ndarray, " grid_shells"]:
    """Return 1/tau2 of the map of all sums together, from its own half maps' FSC."""
    mean = np.sum([_mean_precision(one) for one in sums], axis=0)
    return wiener_term(mean, fsc, len(sums[0].data) / box)


def _mean_precision(sums: SliceSums) -> Float64[np.ndarray, " grid_shells"]:
    return shell_mean_3d(sums.precision[..., 0], len(sums.precision))


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
    # Where no image shows anything, as at the origin without amplitude contrast, nothing is
    # divided by a number that still has an inverse in single precision.
    tiny = float(np.finfo(np.float32).tiny)
    return np.asarray(np.maximum(mean_precision * (1 - on_grid) / (2 * on_grid), tiny))


def _solve(
    sums: Sequence[SliceSums],
    regularisation: Float64[np.ndarray, " n_shells"],
    box: int,
    threads: int,
    *,
    used_up: bool = False,
) -> Float32[np.ndarray, "box box box"]:
    """Return the map of data over precision, a value for each shell added to the latter.

    The lowest shells are corrected. Some rows at a time, because these grids are large; corners
    take the last shell's value. Sums that are used up are overwritten, and little memory is taken
    beside theirs.
    """
    edge = len(sums[0].data)
    curve = regularisation.astype(np.float32)
    correction = correct_lowest_shells(sums, curve, box)

    def divide(rows: slice) -> Complex64[np.ndarray, "e row h"]:
        shells = np.minimum(shell_block_3d(edge, rows), len(curve) - 1)
        below = sum(one.precision[:, rows, :, 0] for one in sums) + curve[shells]
        data = sum(one.data[:, rows, :, 0] for one in sums)
        divided = np.asarray(data / below, np.complex64)
        add_to_rows(divided, rows, correction)
        return divided

    n = max(1, BLOCK_VALUES // (edge * (edge // 2 + 1)))
    starts = (slice(start, min(start + n, edge)) for start in range(0, edge, n))
    blocks = ((rows, divide(rows)) for rows in starts)
    room = sums[0].data[:box, ..., 0] if used_up else None
    whole = inverse_3d_of_blocks(blocks, edge, box, threads=threads, room=room)
    return _round_off(_divide_by_kernel(whole, edge, out=whole))


def _round_off(volume: Float32[np.ndarray, "box box box"]) -> Float32[np.ndarray, "box box box"]:
    """Fade a map, in place, to its surroundings' mean towards the sphere that its box holds.

    A grid's noise fills more than the box. Cut off sharply, that of high frequencies, where CTF
    and envelope leave little signal, would spread over all shells and lower their FSC.
    """
    total, weight = 0.0, 0.0
    for plane, outside in zip(volume, _planes_outside(len(volume)), strict=True):
        total += float(np.vdot(plane, outside))
        weight += float(outside.sum())
    mean = np.float32(total / weight)
    for plane, outside in zip(volume, _planes_outside(len(volume)), strict=True):
        plane += outside * (mean - plane)
    return volume


def _planes_outside(box: int) -> Iterator[Float32[np.ndarray, "box box"]]:
    """Yield, plane by plane (z), 0 inside the sphere and 1 outside, with a soft edge between."""
    squares = (np.arange(box) - box // 2) ** 2
    width = SPHERE_EDGE * box
    for square in squares:
        distance = np.sqrt(square + squares[:, None] + squares)
        yield 1 - cosine_edge(distance - (box / 2 - width), width)


def grid_to_map(
    grid: Complex64[np.ndarray, "edge edge half"], box: int, *, threads: int = 1
) -> Float32[np.ndarray, "box box box"]:
    """Transform a padded grid back and divide out the trilinear kernel."""
    edge = grid.shape[0]
    return _without_kernel(inverse_3d_cropped(grid, edge, box, threads=threads), edge)


def map_to_grid(
    volume: Float32[np.ndarray, "box box box"], edge: int, *, threads: int = 1
) -> Complex64[np.ndarray, "edge edge half"]:
    """Transform a map onto a padded grid such that its trilinear slices are its projections."""
    corrected = _without_kernel(volume, edge)
    return np.asarray(forward_3d_padded(corrected, edge, threads=threads))


def _without_kernel(
    volume: Float32[np.ndarray, "box box box"], edge: int
) -> Float32[np.ndarray, "box box box"]:
    """Divide a map by the kernel that its grid is interpolated with."""
    return _divide_by_kernel(volume, edge, out=np.empty_like(volume))


def _divide_by_kernel(
    volume: Float32[np.ndarray, "box box box"], edge: int, *, out: Float32[np.ndarray, "b b b"]
) -> Float32[np.ndarray, "b b b"]:
    """Divide a map by its kernel, into memory that may be its own."""
    for z, plane in enumerate(_kernel_planes(len(volume), edge)):
        np.divide(volume[z], plane, out=out[z])
    return out


def _kernel_planes(box: int, edge: int) -> Iterator[Float32[np.ndarray, "box box"]]:
    """Yield `gridding_kernel` plane by plane (z)."""
    line = np.sinc((np.arange(box) - box // 2) / edge) ** 2
    for factor in line:
        yield np.asarray(factor * line[:, None] * line, np.float32)


def gridding_kernel(box: int, edge: int) -> Float32[np.ndarray, "box box box"]:
    """Real-space image of trilinear interpolation on a grid of `edge`: a product of sinc^2."""
    return np.stack(list(_kernel_planes(box, edge)))
