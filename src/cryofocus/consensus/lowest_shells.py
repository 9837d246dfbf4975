"""The lowest shells of a map, solved for: there, data over precision comes out too weak.

The sums of slices hold samples that were spread over the coefficients around them. Their quotient
is right where precision is nearly the same on all sides. From the origin |CTF|^2 rises so steeply
that the samples farther out count for more than those farther in. What the sums say of a map v is
`A v = b`: b is the transform of the data, and A the convolution with that of the precision, in
real space and each divided by the kernel that spread the samples; v is zero outside the sphere
that the box holds. A few conjugate gradients, from data over precision, solve it. Only the middle
of the grid is needed: a coarse grid of the same field of view, of one size for boxes of all sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Complex64, Complex128, Float, Float64

from cryofocus.kernels.contract import SliceSums
from cryofocus.maths.conjugate_gradients import LinearSystem, solve_by_conjugate_gradients
from cryofocus.maths.fourier import (
    forward_3d_padded,
    hermitian_weights,
    inverse_3d_cropped,
    resize_half_3d,
)
from cryofocus.maths.grids import fit_box_3d, shell_index_3d
from cryofocus.maths.masks import cosine_edge

# Shells of the box that are solved for; those, the last of them, that pass over to data over
# precision; and those around them that are solved for too, and not used.
SHELLS, PASSING, AROUND = 8, 2, 2
# Where images are many, residuals are below 1 % of their first value after four steps; where they
# are few, more steps would make up what lies between the samples.
MAX_STEPS, TOLERANCE = 4, 1e-4
# Of the mean precision: what the preconditioner takes coefficients to have at least.
LEAST = 0.1

Grid = Complex128[np.ndarray, "edge edge half"]
Weights = Float64[np.ndarray, "edge edge half"]


@dataclass(frozen=True, eq=False)
class _CoarseGrid:
    """The middle of a padded grid, and the box that it pads.

    Attributes:
        edge: Of the grid.
        box: Of the box, in voxels as coarse.
    """

    edge: int
    box: int

    @cached_property
    def kernel(self) -> Float64[np.ndarray, "edge edge edge"]:
        """Real-space image of trilinear interpolation, beyond the box too."""
        line = np.sinc((np.arange(self.edge) - self.edge // 2) / self.edge) ** 2
        return np.asarray(line[:, None, None] * line[:, None] * line)

    @cached_property
    def sphere(self) -> Float64[np.ndarray, "box box box"]:
        """1 in the sphere that the box holds, 0 beyond."""
        squares = np.square(np.arange(self.box) - self.box // 2)
        distance = squares[:, None, None] + squares[:, None] + squares
        return np.asarray(distance <= self.box**2 / 4, np.float64)

    def to_map(self, grid: Grid) -> Float64[np.ndarray, "box box box"]:
        """Return what a grid holds inside the sphere."""
        return np.asarray(self.sphere * inverse_3d_cropped(grid, self.edge, self.box))

    def to_grid(self, volume: Float64[np.ndarray, "box box box"]) -> Grid:
        """Return the grid of a map."""
        return np.asarray(forward_3d_padded(volume, self.edge))

    def solve(self, data: Grid, precision: Weights, added: Weights) -> Grid:
        """Return the grid whose slices fit the data best, beginning with data over precision."""
        kernel = fit_box_3d(self.kernel, self.box)
        spread = inverse_3d_cropped(precision.astype(np.complex128), self.edge, self.edge)
        matrix = forward_3d_padded(spread / self.kernel, self.edge).real + added
        scale = 1 / np.sqrt(precision + added + LEAST * precision.mean())
        weights = hermitian_weights(self.edge)

        def convolve(volume: Float64[np.ndarray, "box box box"]) -> Grid:
            return self.to_grid(self.to_map(matrix * self.to_grid(volume)))

        divided = self.to_map(data / (precision + added)) / kernel
        system = LinearSystem(
            operate=lambda x: scale * convolve(self.to_map(scale * x)),
            rhs=scale * self.to_grid(self.to_map(data) / kernel),
            preconditioner=1.0,
            dot=lambda a, b: float((weights * (a.real * b.real + a.imag * b.imag)).sum()),
        )
        found = solve_by_conjugate_gradients(
            system,
            start=self.to_grid(divided) / scale,
            tolerance=TOLERANCE,
            max_steps=MAX_STEPS,
        )
        return self.to_grid(kernel * self.to_map(scale * found.coefficients))


def correct_lowest_shells(
    sums: Sequence[SliceSums], regularisation: Float[np.ndarray, " n_shells"], box: int
) -> Complex64[np.ndarray, "coarse coarse half"]:
    """Return what the lowest shells lack in data over precision, on the middle of the grid.

    Args:
        sums: Of slices; they are added.
        regularisation: `(n_shells,)` added to the precision in each shell of the grid; corners
            take the last shell's value.
        box: Edge of the map.
    """
    edge = len(sums[0].data)
    coarse = min(edge, 2 * (SHELLS + AROUND) * edge // box)
    data = sum(resize_half_3d(one.data[..., 0], edge, coarse) for one in sums)
    precision = sum(resize_half_3d(one.precision[..., 0], edge, coarse) for one in sums)
    data, precision = np.asarray(data, np.complex128), np.asarray(precision, np.float64)
    shells = shell_index_3d(coarse)
    added = regularisation.astype(np.float64)[np.minimum(shells, len(regularisation) - 1)]
    solved = _CoarseGrid(coarse, round(coarse * box / edge)).solve(data, precision, added)
    share = cosine_edge(shells * (box / edge) - (SHELLS - PASSING), PASSING)
    return np.asarray(share * (solved - data / (precision + added)), np.complex64)


def add_to_rows(
    block: Complex64[np.ndarray, "edge row half"],
    rows: slice,
    correction: Complex64[np.ndarray, "coarse coarse coarse_half"],
) -> None:
    """Add a correction, in place, to those rows (y) of a grid that a block holds."""
    coarse = len(correction)
    place = ((np.arange(coarse) + coarse // 2) % coarse - coarse // 2) % len(block)
    held = np.flatnonzero((place >= rows.start) & (place < rows.stop))
    block[place[:, None], place[held] - rows.start, : coarse // 2 + 1] += correction[:, held]
