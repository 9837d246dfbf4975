"""The statistics of all particles, wherever they lie: what cycles ask of them.

Each range of particles has its `FocusStatistics` where its images were read; they stay there.
A cycle sends out maps and each particle's weights, and gets back log-likelihoods and one sum of
slices, added on the way (docs/decisions/0014).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Complex64, Float, Float32, Float64, Int

from cryofocus.consensus.background import Background
from cryofocus.consensus.band import Band
from cryofocus.consensus.ground import Allocate
from cryofocus.consensus.image_model import ImageModel
from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.match import ImageMatch, join_matches
from cryofocus.data.mapped import let_go
from cryofocus.execution.contract import Count, Executor, Sharded
from cryofocus.execution.serial import HERE
from cryofocus.inference.deviations.focus import (
    CoarsePart,
    FocusBox,
    FocusPlan,
    FocusStatistics,
    measure_focus,
)
from cryofocus.inference.deviations.likelihood import (
    class_log_likelihoods,
    kernel_power,
    latent_moments,
    sum_slices,
)
from cryofocus.kernels.contract import SliceKernels, SliceSums
from cryofocus.placement import Array, fetch

Grid = Complex64[Array, "edge edge half component"]
# A complex residual and a kernel.
BYTES_PER_POINT = 12

Weights = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class ShardedStatistics:
    """The sufficient statistics of all particles for the small box, in ranges.

    Attributes:
        box: The small box.
        band: The points of the half plane that enter.
        scale: `(particle,)` intensity scale of each particle.
        shards: The statistics of each range.
        kernels: Who computes with them.
        executor: Where that is.
        match: How well each image matches its background, if that was measured.
    """

    box: FocusBox
    band: Band
    scale: Float32[np.ndarray, " particle"]
    shards: Sharded[FocusStatistics]
    kernels: SliceKernels
    executor: Executor
    match: ImageMatch | None = None

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.scale)

    @property
    def bytes_per_particle(self) -> int:
        """What is held of each particle, in single precision."""
        return len(self.band) * BYTES_PER_POINT

    def take(self, which: Int[np.ndarray, " m"]) -> ShardedStatistics:
        """Return the statistics of some of the particles, numbered in rising order.

        They are copied where they lie.
        """
        rows = [which[(which >= one.start) & (which < one.stop)] for one in self.shards.ranges]
        local = [mine - one.start for mine, one in zip(rows, self.shards.ranges, strict=True)]
        taken = self.executor.build(_take, self.shards, None, local)
        # Ranges that hold none of them are left out; of no particles at all, one range says so.
        held = [k for k, mine in enumerate(rows) if len(mine)] or [0]
        parts = tuple(taken.parts[k] for k in held)
        borders = np.cumsum([0, *(len(rows[k]) for k in held)]).tolist()
        ranges = tuple(slice(*pair) for pair in pairwise(borders))
        match = None if self.match is None else self.match.take(which)
        shards: Sharded[FocusStatistics] = Sharded(ranges, parts)
        return replace(self, scale=self.scale[which], shards=shards, match=match)

    def coarsened(self, n_shells: int, allocate: Allocate = np.empty) -> ShardedStatistics:
        """Return the statistics of the band's first shells, in a small box as coarse.

        Args:
            n_shells: Shells of the band to keep.
            allocate: Makes the arrays of each range, given shape and type.
        """
        part = CoarsePart.of(self.box, self.band, n_shells)
        nothing = [None] * len(self.shards.ranges)
        shards = self.executor.build(_coarsen, self.shards, (part, allocate), nothing)
        return replace(self, box=part.box, band=part.band, shards=shards)

    def let_go(self) -> None:
        """Give back the pages of arrays that lie in files, until they are needed again."""
        self.executor.map(_let_go, self.shards, None, [None] * len(self.shards.ranges))

    def class_log_likelihoods(self, grid: Grid) -> Float64[np.ndarray, "particle n_classes"]:
        """Return ln p(image | class) up to a constant of the image.

        Args:
            grid: Deviations of the classes, from `DeviationSpace.to_grid`.
        """
        common, nothing = (self._outgoing(grid), self.kernels), [None] * len(self.shards.ranges)
        return _join(self.executor.map(_compare, self.shards, common, nothing))

    def latent_moments(
        self, grid: Grid
    ) -> tuple[Float64[np.ndarray, "particle q"], Float64[np.ndarray, "particle q q"]]:
        """Return the log-likelihood of coordinates x: `linear.x - x.quadratic.x / 2`.

        Args:
            grid: Principal deviations, from `DeviationSpace.to_grid`.
        """
        common, nothing = (self._outgoing(grid), self.kernels), [None] * len(self.shards.ranges)
        moments = self.executor.map(_locate, self.shards, common, nothing)
        linear, quadratic = zip(*moments, strict=True)
        return _join(linear), _join(quadratic)

    def sum_slices(
        self,
        data_weights: Float[np.ndarray, "particle data_column"],
        precision_weights: Float[np.ndarray, "particle precision_column"],
    ) -> SliceSums:
        """Insert every particle's residual and kernel with its weights, in single precision."""
        ranges = self.shards.ranges
        data = _divide(np.asarray(data_weights, np.float32), ranges)
        # The same object twice travels once.
        is_same = precision_weights is data_weights
        precision = data if is_same else _divide(np.asarray(precision_weights, np.float32), ranges)
        parts = list(zip(data, precision, strict=True))
        common = self.kernels, self.executor is not HERE
        return self.executor.reduce(_insert, self.shards, common, parts).send(self.kernels.send)

    @cached_property
    def kernel_power(self) -> Float32[np.ndarray, "particle shell"]:
        """Each particle's kernel, summed over the points of each shell."""
        nothing = [None] * len(self.shards.ranges)
        return _join(self.executor.map(_sum_kernel, self.shards, None, nothing))

    def _outgoing(self, grid: Grid) -> Grid:
        """Return a grid as it is for this process, on the host for others."""
        return grid if self.executor is HERE else fetch(grid)

    def whole(self) -> FocusStatistics:
        """Return the statistics of all particles; only where they are in one range here.

        Raises:
            ValueError: When they are sharded.
        """
        if len(self.shards.parts) > 1 or not isinstance(self.shards.parts[0], FocusStatistics):
            raise ValueError("the statistics are sharded and larger than one process may hold")
        return self.shards.parts[0]


def hold(statistics: FocusStatistics, kernels: SliceKernels) -> ShardedStatistics:
    """Offer statistics that this process holds as one range."""
    shards: Sharded[Any] = Sharded((slice(0, len(statistics)),), (statistics,))
    return ShardedStatistics(
        statistics.box, statistics.band, statistics.scale, shards, kernels, HERE, statistics.match
    )


def measure_statistics(
    background: Background,
    model: ImageModel,
    plan: FocusPlan,
    *,
    allocate: Allocate = np.empty,
    advance: Count = lambda _: None,
) -> ShardedStatistics:
    """Take the small-box statistics of every particle, where its image is read.

    Args:
        background: As `measure_focus`.
        model: As `measure_focus`.
        plan: As `measure_focus`.
        allocate: Makes the large arrays of each range, given shape and type.
        advance: Called with the number of particles done.
    """
    images = background.images
    executor, ranges = images.executor, images.shards.ranges
    # Together, so that what ranges share travels once.
    backgrounds = tuple(background.of_range(rows) for rows in ranges)
    with executor.counting(advance) as count:
        pass_ = _Pass(backgrounds, model, plan, allocate, count)
        shards = executor.build(_measure, images.shards, pass_, range(len(ranges)))
    nothing = [None] * len(ranges)
    scales, matches = zip(*executor.map(_scale, shards, None, nothing), strict=True)
    # They are held here, so not where the ranges lie.
    shards = executor.build(_without_match, shards, None, nothing)
    return ShardedStatistics(
        plan.box,
        plan.box.band(plan.n_shells, images.stretch),
        _join(scales),
        shards,
        background.kernels,
        executor,
        join_matches(matches) if plan.edges else None,
    )


@dataclass(frozen=True, eq=False)
class _Pass:
    """What the pass over the images of every range needs."""

    backgrounds: tuple[Callable[[ParticleImages], Background], ...]
    model: ImageModel
    plan: FocusPlan
    allocate: Allocate
    count: Count


def _measure(images: ParticleImages, common: _Pass, number: int) -> FocusStatistics:
    return measure_focus(
        common.backgrounds[number](images),
        common.model,
        common.plan,
        allocate=common.allocate,
        advance=common.count,
    )


def _scale(
    statistics: FocusStatistics, common: None, part: None
) -> tuple[Float32[np.ndarray, " particle"], ImageMatch | None]:
    del common, part
    return statistics.scale, statistics.match


def _without_match(statistics: FocusStatistics, common: None, part: None) -> FocusStatistics:
    del common, part
    return replace(statistics, match=None)


def _take(
    statistics: FocusStatistics, common: None, part: Int[np.ndarray, " m"]
) -> FocusStatistics:
    taken = statistics.take(part)
    # What was copied is not needed twice at a time.
    _let_go(statistics, common, None)
    return taken


def _coarsen(
    statistics: FocusStatistics, common: tuple[CoarsePart, Allocate], part: None
) -> FocusStatistics:
    del part
    return statistics.coarsened(*common)


def _let_go(statistics: FocusStatistics, common: None, part: None) -> None:
    del common, part
    for array in (statistics.data, statistics.compared, statistics.precision):
        let_go(array)


def _compare(
    statistics: FocusStatistics, common: tuple[Grid, SliceKernels], part: None
) -> Float64[np.ndarray, "particle n_classes"]:
    del part
    return class_log_likelihoods(statistics, *common)


def _locate(
    statistics: FocusStatistics, common: tuple[Grid, SliceKernels], part: None
) -> tuple[Float64[np.ndarray, "particle q"], Float64[np.ndarray, "particle q q"]]:
    del part
    return latent_moments(statistics, *common)


def _sum_kernel(
    statistics: FocusStatistics, common: None, part: None
) -> Float32[np.ndarray, "particle shell"]:
    del common, part
    return kernel_power(statistics)


def _insert(
    statistics: FocusStatistics, common: tuple[SliceKernels, bool], part: Weights
) -> SliceSums:
    kernels, travels = common
    sums = sum_slices(statistics, *part, kernels)
    return sums.fetch() if travels else sums


def _divide(rows: np.ndarray, ranges: Sequence[slice]) -> list[np.ndarray]:
    return [rows[one] for one in ranges]


def _join(pieces: Any) -> np.ndarray:
    """Put the rows of all ranges below each other; a single piece is not copied."""
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
