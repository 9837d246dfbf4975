"""Projections of maps of which each half set may have its own.

Maps travel and padded grids do not: those are eight times as large, and made where they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Complex64, Float32, Int, Int8

from cryofocus.inference.band import Band
from cryofocus.inference.images import ParticleImages
from cryofocus.inference.reconstruct import PADDING, map_to_grid
from cryofocus.kernels.contract import SliceKernels

Grid = Complex64[np.ndarray, "edge edge half column"]
Volumes = tuple[Float32[np.ndarray, "box box box"], ...]


@dataclass(frozen=True, eq=False)
class HalfGrids:
    """One or several maps and their slices, for each half set its own or the same for both.

    Attributes
    ----------
    images : whose poses cut the slices.
    half_set : `(particle,)` 1 or 2; None where half sets share their maps.
    volumes : maps side by side, as many columns; one such set a half set, or a single one.
    kernels : slice kernels of the device.
    """

    images: ParticleImages
    half_set: Int8[np.ndarray, " particle"] | None
    volumes: tuple[Volumes, ...]
    kernels: SliceKernels

    @property
    def n_columns(self) -> int:
        """Maps side by side."""
        return len(self.volumes[0])

    @cached_property
    def grids(self) -> tuple[Grid, ...]:
        """The maps on padded grids, `(edge, edge, edge//2+1, column)`."""
        return tuple(stack_grids(columns) for columns in self.volumes)

    def slices(
        self, band: Band, which: Int[np.ndarray, " n"]
    ) -> Complex64[np.ndarray, "n point column"]:
        """Return the slices of every map at the poses of some particles."""
        if self.half_set is None:
            return self._gather(self.grids[0], band, which)
        slices = np.empty((len(which), len(band), self.n_columns), np.complex64)
        for half, grid in enumerate(self.grids, start=1):
            rows = np.flatnonzero(self.half_set[which] == half)
            if rows.size:
                slices[rows] = self._gather(grid, band, which[rows])
        return slices

    def _gather(
        self, grid: Grid, band: Band, which: Int[np.ndarray, " n"]
    ) -> Complex64[np.ndarray, "n point column"]:
        geometry = self.images.geometry(band, PADDING, grid.shape[0], which)
        return self.kernels.gather(grid, geometry)


def stack_grids(volumes: Sequence[Float32[np.ndarray, "box box box"]]) -> Grid:
    """Put maps side by side on a padded grid, the column fastest."""
    edge = PADDING * volumes[0].shape[0]
    grid = np.empty((edge, edge, edge // 2 + 1, len(volumes)), np.complex64)
    for column, volume in enumerate(volumes):
        grid[..., column] = map_to_grid(volume, edge)
    return grid
