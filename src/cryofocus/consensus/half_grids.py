"""Projections of maps of which each half set may have its own.

Maps travel and padded grids do not: those are eight times as large, and made where they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from threading import Lock

import numpy as np
from jaxtyping import Complex64, Float32, Int, Int8

from cryofocus.consensus.band import Band
from cryofocus.consensus.images import PADDING, ParticleImages
from cryofocus.consensus.reconstruct import map_to_grid
from cryofocus.kernels.contract import SliceKernels
from cryofocus.placement import Array, join_rows

Grid = Complex64[Array, "edge edge half column"]
_LAYING_OUT = Lock()
Volumes = tuple[Float32[np.ndarray, "box box box"], ...]


@dataclass(frozen=True, eq=False)
class HalfGrids:
    """`Background` of one or several maps, for each half set its own or the same for both.

    Attributes:
        images: Whose poses cut the slices.
        half_set: `(particle,)` 1 or 2; None where half sets share their maps.
        volumes: Maps side by side, as many columns; one such set a half set, or a single one.
        kernels: Slice kernels of the device.
    """

    images: ParticleImages
    half_set: Int8[np.ndarray, " particle"] | None
    volumes: tuple[Volumes, ...]
    kernels: SliceKernels

    @property
    def n_columns(self) -> int:
        """Maps side by side."""
        return len(self.volumes[0])

    @property
    def grids(self) -> tuple[Grid, ...]:
        """The maps on padded grids, `(edge, edge, edge//2+1, column)`, where kernels want them."""
        with _LAYING_OUT:  # threads that ask at the same time wait for one to make them
            return self._grids

    @cached_property
    def _grids(self) -> tuple[Grid, ...]:
        return tuple(self.kernels.send(stack_grids(columns)) for columns in self.volumes)

    def slices(
        self, band: Band, which: Int[np.ndarray, " n"]
    ) -> Complex64[Array, "n point column"]:
        """Return the slices of every map at the poses of some particles, where the grids lie."""
        if self.half_set is None:
            return self._gather(self.grids[0], band, which)
        half_set = self.half_set[which]
        parts = [np.flatnonzero(half_set == half) for half in (1, 2)]
        slices = [
            self._gather(grid, band, which[rows])
            for grid, rows in zip(self.grids, parts, strict=True)
            if rows.size
        ]
        return join_rows(slices, np.concatenate(parts))

    def of_range(self, rows: slice) -> Callable[[ParticleImages], HalfGrids]:
        """Return what makes the grids of a range's images from the same maps."""
        half_set = None if self.half_set is None else self.half_set[rows]
        return partial(HalfGrids, half_set=half_set, volumes=self.volumes, kernels=self.kernels)

    def _gather(
        self, grid: Grid, band: Band, which: Int[np.ndarray, " n"]
    ) -> Complex64[Array, "n point column"]:
        geometry = self.images.geometry(band, PADDING, grid.shape[0], which)
        return self.kernels.gather(grid, geometry)


def stack_grids(
    volumes: Sequence[Float32[np.ndarray, "box box box"]],
) -> Complex64[np.ndarray, "edge edge half column"]:
    """Put maps side by side on a padded grid, the column fastest."""
    edge = PADDING * volumes[0].shape[0]
    if len(volumes) == 1:
        return map_to_grid(volumes[0], edge)[..., None]
    grid = np.empty((edge, edge, edge // 2 + 1, len(volumes)), np.complex64)
    for column, volume in enumerate(volumes):
        grid[..., column] = map_to_grid(volume, edge)
    return grid
