"""The operations on central slices that every device provides, and nothing else.

A *grid* is the Fourier transform of one or several volumes in a cubic box of `edge` points,
`(edge, edge, edge//2+1, component)` complex64, origin at the corner, components fastest.
A *point* `(kx, ky)`, kx >= 0, is a place on the image's half plane in grid units; particle i's
slice there is the grid interpolated trilinearly at `matrices[i].T @ (kx, ky)`, where
`matrices[i]` holds the first two rows of its rotation. Points must lie within
`edge//2 - 1` of the origin, so that all eight neighbours are on the grid.

Grids, data and precisions may lie on the host or where `send` brings them: slices lie where their
grid does, sums where `send` brings arrays, and numbers a particle on the host.

`data` and `precision` carry the Hermitian weight of each point (2 where the point also stands
for its Friedel mate), so that plain sums over points are sums over the whole plane. Either may be
stored in half the bytes (`bfloat16`); all sums are of float32 numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Complex64, Float32, Float64, Int64, Shaped, UInt16

from cryofocus.maths.rotations import order_by_view
from cryofocus.placement import Array, Send, fetch

Data = Complex64[Array, "particle point"] | UInt16[np.ndarray, "particle point 2"]
Precision = Float32[Array, "particle point"] | UInt16[np.ndarray, "particle point"]
Grid = Complex64[Array, "edge edge half component"]
Slices = Complex64[Array, "particle point component"]
OfComponents = Float64[np.ndarray, "particle component"]
ClassMoments = tuple[OfComponents, OfComponents]
LatentMoments = tuple[OfComponents, Float64[np.ndarray, "particle component component"]]
PoseMoments = tuple[Float64[np.ndarray, "particle 6"], Float64[np.ndarray, "particle 6 6"]]

# Maps accumulated in one pass over the images where memory allows: more cost time in the cache.
COLUMNS_AT_ONCE = 4
# Particles among which those with similar views are brought together: their slices are a degree
# or two apart.
ORDERED_PARTICLES = 16384


@dataclass(frozen=True)
class SliceGeometry:
    """Where the slices of a set of particles cut the grid.

    Attributes:
        edge: Edge of the cubic grid in points.
        points: `(point, 2)` places (kx, ky) on the half plane in grid units.
        matrices: `(particle, 2, 3)` first two rows of each rotation (magnification folded in).
    """

    edge: int
    points: Float32[np.ndarray, "point 2"]
    matrices: Float32[np.ndarray, "particle 2 3"]

    def __post_init__(self) -> None:
        """Check that no slice leaves the grid."""
        stretch = float(np.linalg.norm(self.matrices, ord=2, axis=(1, 2)).max(initial=1.0))
        radius = float(np.linalg.norm(self.points, axis=1).max(initial=0.0)) * stretch
        if radius > self.edge // 2 - 1 + 1e-3:
            message = f"slice points reach {radius:.2f}, the grid ends at {self.edge // 2 - 1}"
            raise ValueError(message)

    @cached_property
    def order(self) -> Int64[np.ndarray, " particle"]:
        """Indices of the particles with similar views next to each other.

        Within blocks of neighbours: statistics on disk are then read nearly in sequence.
        """
        axis = np.cross(self.matrices[:, 0], self.matrices[:, 1])
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        starts = range(0, len(axis), ORDERED_PARTICLES)
        blocks = [
            start + order_by_view(axis[start : start + ORDERED_PARTICLES]) for start in starts
        ]
        return np.concatenate([np.empty(0, np.int64), *blocks])

    def take(self, particles: slice | np.ndarray) -> SliceGeometry:
        """Return the geometry of some of the particles."""
        return SliceGeometry(self.edge, self.points, self.matrices[particles])


@dataclass(frozen=True)
class SliceSums:
    """Weighted sums of slices inserted into a grid; adding two is adding their particles.

    Attributes:
        data: `(edge, edge, edge//2+1, component)` complex64.
        precision: `(edge, edge, edge//2+1, precision component)` float32.
    """

    data: Complex64[Array, "edge edge half component"]
    precision: Float32[Array, "edge edge half precision"]

    def fetch(self) -> SliceSums:
        """Return the same sums on the host."""
        return SliceSums(fetch(self.data), fetch(self.precision))

    def send(self, send: Send) -> SliceSums:
        """Return the same sums where a device works."""
        return SliceSums(send(self.data), send(self.precision))

    def __add__(self, other: SliceSums) -> SliceSums:
        """Add the particles of another sum."""
        return SliceSums(self.data + other.data, self.precision + other.precision)

    def __sub__(self, other: SliceSums) -> SliceSums:
        """Take the particles of another sum away."""
        return SliceSums(self.data - other.data, self.precision - other.precision)


@runtime_checkable
class SliceKernels(Protocol):
    """Central slices of grids and their adjoint, on one device."""

    def send(self, array: Shaped[Array, ...]) -> Shaped[Array, ...]:
        """Return an array where this device works: in its memory, if it has one of its own."""
        ...

    def keep(self, *arrays: np.ndarray) -> None:
        """Be told that arrays of statistics will not change as long as they live.

        A device with memory of its own then need not copy them again.
        """
        ...

    def gather(self, grid: Grid, geometry: SliceGeometry) -> Slices:
        """Return every component's slice at every point."""
        ...

    def class_moments(
        self, grid: Grid, geometry: SliceGeometry, data: Data, precision: Precision
    ) -> ClassMoments:
        """Return Re<data, slice_k> and <slice_k, precision slice_k> of every particle."""
        ...

    def latent_moments(
        self, grid: Grid, geometry: SliceGeometry, data: Data, precision: Precision
    ) -> LatentMoments:
        """Return Re<data, slice_k> and Re<slice_k, precision slice_l> of every particle."""
        ...

    def pose_moments(
        self,
        grid: Complex64[Array, "edge edge half 4"],
        geometry: SliceGeometry,
        shifts: Float32[np.ndarray, "particle 2"],
        data: Data,
        precision: Precision,
    ) -> PoseMoments:
        """Return moments of the slice of a map V and of its derivatives by the pose.

        Components of the grid are V and x V, y V, z V, with coordinates from the centre in units
        of edge/(2 pi) voxels. Columns, with k the slice's point on the grid, F = (xV, yV, zV)
        there, and everything times exp(i points . shift): the slice; its derivatives i k x F as
        the volume turns about x, y and z (radians); i kx V and i ky V, as the shift grows.
        Results are Re<data, column> and Re<column, precision column> of every particle.
        """
        ...

    def accumulator(self, edge: int, n_data: int, n_precision: int) -> SliceAccumulator:
        """Return an empty sum over particles on a grid of `edge`, with so many columns."""
        ...

    def columns_at_once(self, edge: int) -> int:
        """Return how many maps to accumulate in one pass on a grid of `edge`, within memory."""
        ...

    def halves_at_once(self, edge: int) -> bool:
        """Return whether memory holds the sums of both half sets on a grid of `edge`."""
        ...

    def sums_bytes(self, edge: int, n_columns: int) -> tuple[int, int]:
        """Return the host's memory for the sums of so many maps, and while they accumulate."""
        ...

    @property
    def host_gb(self) -> float | None:
        """Bound on the memory of this process; None if there is none."""
        ...


class UnboundedHost:
    """What `SliceKernels` say of the host's memory where no bound is kept there."""

    def halves_at_once(self, edge: int) -> bool:
        """Return that the sums of both half sets are kept."""
        del edge
        return True

    def sums_bytes(self, edge: int, n_columns: int) -> tuple[int, int]:
        """Return what the sums of so many maps take on the host, where they are fetched to."""
        n_bytes = 12 * n_columns * edge * edge * (edge // 2 + 1)
        return n_bytes, n_bytes

    @property
    def host_gb(self) -> float | None:
        """Return that the memory of this process is not bounded."""
        return None


@runtime_checkable
class SliceAccumulator(Protocol):
    """A growing sum of inserted slices: the adjoint of `gather` over the whole plane.

    With u = data * weight (Hermitian weights included), the result G satisfies
    Re<G, V> over the full grid = sum_i Re<u_i, gather(V)_i> for every Hermitian grid V.
    """

    def add(
        self,
        geometry: SliceGeometry,
        data: Data,
        precision: Precision,
        data_weights: Float32[np.ndarray, "particle data_column"],
        precision_weights: Float32[np.ndarray, "particle precision_column"],
    ) -> None:
        """Insert the weighted slices of some particles; those of weight 0 cost nothing."""
        ...

    def lanes(self) -> Sequence[SliceAccumulator]:
        """Return parts of the sum that as many threads may add to, each to one of them."""
        ...

    def total(self) -> SliceSums:
        """Return the sum over everything added so far."""
        ...

    def take(self) -> SliceSums:
        """Return the sum without a copy where that is possible; nothing can be added any more."""
        ...
