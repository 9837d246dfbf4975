"""Fourier coefficients of maps between the nodes of their transforms, by a smooth window.

F(k) = sum_x m(x) exp(-2 pi i k x) is read as sum_j phi(E k - j) G(j), where phi is a
Kaiser-Bessel window of a few nodes, and G the transform, on E nodes, of the map over the window's
own transform. What is left out falls exponentially with the window's length (Beatty, Nishimura &
Pauly 2005).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex64, Float, Float32, Float64

from cryofocus.kernels import _window_loops
from cryofocus.kernels._window_loops import WIDTH
from cryofocus.maths.fourier import forward_3d_padded, next_fast_len

# Nodes the window reaches, and nodes of the grid per voxel of the map.
TAPS, PADDING = 6, 1.5
# Columns beyond either end of the half transform that windows may reach.
MARGIN = TAPS // 2 + 1
# Entries of the table from one node to the next; between them it is linear.
STEPS = 2048


@dataclass(frozen=True, eq=False)
class WindowedMaps:
    """Transforms of maps, ready to be read between their nodes.

    Attributes:
        grid: Their nodes z, y, column, map, part (real, imaginary), and a few floats more.
        shape: Edge, columns, columns before x = 0, and maps.
        box: Edge of the maps in voxels.
        table: The window from end to end.
    """

    grid: Float32[np.ndarray, " float"]
    shape: tuple[int, int, int, int]
    box: int
    table: Float64[np.ndarray, " entry"]

    @classmethod
    def of(cls, maps: Float32[np.ndarray, "map box box box"]) -> WindowedMaps:
        """Transform maps, centre at voxel `box//2`."""
        box = maps.shape[1]
        edge = next_fast_len(math.ceil(PADDING * box) + TAPS)
        ratio = edge / box
        beta = math.pi * math.sqrt((TAPS / ratio * (ratio - 0.5)) ** 2 - 0.8)
        line = window_transform((np.arange(box) - box // 2) / edge, beta)
        fall_off = (line[:, None, None] * line[:, None] * line).astype(np.float32)
        shape = (edge, edge // 2 + 1 + 2 * MARGIN, MARGIN, len(maps))
        grid = np.zeros(2 * edge * math.prod(shape[:2]) * len(maps) + WIDTH, np.float32)
        nodes = grid[:-WIDTH].view(np.complex64).reshape(edge, edge, shape[1], len(maps))
        for number, volume in enumerate(maps):
            _extend(forward_3d_padded(volume / fall_off, edge), nodes[..., number])
        ends = 2 * np.arange(TAPS * STEPS + 2) / (TAPS * STEPS) - 1
        table = np.i0(beta * np.sqrt(np.maximum(1 - ends**2, 0)))
        return cls(grid, shape, box, table)

    @property
    def n_maps(self) -> int:
        """How many maps there are."""
        return self.shape[3]

    def scaled(self, gain: float) -> WindowedMaps:
        """Return the maps times a positive number, without transforming them again."""
        # The window enters once along each axis.
        return replace(self, table=self.table * gain ** (1 / 3))

    def gather(
        self, points: Float[np.ndarray, "point 2"], matrices: Float[np.ndarray, "n 2 3"]
    ) -> Complex64[np.ndarray, "n point map"]:
        """Read all maps at A^T (kx, ky, 0).

        Args:
            points: kx, ky in whole frequencies of the box, below its Nyquist.
            matrices: First two rows of A.
        """
        edge, _, _, n_maps = self.shape
        nodes = np.ascontiguousarray(points * (edge / self.box), np.float64)
        out = np.empty((len(matrices), len(points), n_maps), np.complex64)
        run = np.empty(-(-2 * TAPS * n_maps // WIDTH) * WIDTH, np.float32)
        _window_loops.gather_between(
            self.grid,
            self.shape,
            self.table,
            TAPS,
            nodes,
            np.ascontiguousarray(matrices, np.float64),
            np.empty((3, TAPS), np.float32),
            run,
            out.view(np.float32).reshape(*out.shape, 2),
        )
        return out


def window_transform(
    frequency: Float64[np.ndarray, " n"], beta: float
) -> Float64[np.ndarray, " n"]:
    """Fourier transform of the window, at frequencies in periods per node."""
    inside = beta**2 - (np.pi * TAPS * frequency) ** 2
    root = np.sqrt(np.abs(inside))
    safe = np.where(root > 0, root, 1.0)
    value = np.where(inside > 0, np.sinh(root), np.sin(root)) / safe
    return np.asarray(TAPS * np.where(root > 0, value, 1.0))


def _extend(
    half: Complex64[np.ndarray, "edge edge half"], grid: Complex64[np.ndarray, "edge edge column"]
) -> None:
    """Fill a grid with a half transform and, beyond its ends, the Friedel mates."""
    edge, n_columns = half.shape[0], half.shape[2]
    grid[:, :, MARGIN : MARGIN + n_columns] = half
    opposite = -np.arange(edge) % edge
    for step in range(1, MARGIN + 1):
        before, after = half[..., step], half[..., edge // 2 - step]
        for column, mate in ((MARGIN - step, before), (MARGIN + edge // 2 + step, after)):
            grid[:, :, column] = mate[opposite][:, opposite].conj()
