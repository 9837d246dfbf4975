"""The slice operations in NumPy, written to be read: what every other device is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Complex128, Float32, Float64, Int64

from cryofocus.arrays import AnyArray
from cryofocus.kernels.bfloat16 import decode, decode_complex
from cryofocus.kernels.contract import (
    COLUMNS_AT_ONCE,
    ClassMoments,
    Data,
    Grid,
    LatentMoments,
    PoseMoments,
    Precision,
    SliceGeometry,
    Slices,
    SliceSums,
    UnboundedHost,
)

_CORNERS = np.array([[dz, dy, dx] for dz in (0, 1) for dy in (0, 1) for dx in (0, 1)])


class ReferenceKernels(UnboundedHost):
    """`SliceKernels` by whole-array NumPy; slow and obvious."""

    def send(self, array: AnyArray) -> AnyArray:
        """Return the array: this device works in the host's memory."""
        return array

    def keep(self, *arrays: np.ndarray) -> None:
        """Do nothing: arrays are read where they are."""

    def gather(self, grid: Grid, geometry: SliceGeometry) -> Slices:
        """Return every component's slice at every point."""
        shape = (len(geometry.matrices), len(geometry.points), grid.shape[3])
        slices = np.zeros(shape, np.complex64)
        for i, matrix in enumerate(geometry.matrices):
            for node, is_mate, weight in _neighbours(matrix, geometry):
                values = grid[tuple(node)]
                values = np.where(is_mate[:, None], values.conj(), values)
                slices[i] += weight[:, None] * values
        return slices

    def class_moments(
        self, grid: Grid, geometry: SliceGeometry, data: Data, precision: Precision
    ) -> ClassMoments:
        """Return Re<data, slice_k> and <slice_k, precision slice_k> of every particle."""
        linear, quadratic = self.latent_moments(grid, geometry, data, precision)
        return linear, np.ascontiguousarray(np.diagonal(quadratic, axis1=1, axis2=2))

    def latent_moments(
        self, grid: Grid, geometry: SliceGeometry, data: Data, precision: Precision
    ) -> LatentMoments:
        """Return Re<data, slice_k> and Re<slice_k, precision slice_l> of every particle."""
        return _moments(self.gather(grid, geometry).astype(np.complex128), data, precision)

    def pose_moments(
        self,
        grid: Complex64[np.ndarray, "edge edge half 4"],
        geometry: SliceGeometry,
        shifts: Float32[np.ndarray, "particle 2"],
        data: Data,
        precision: Precision,
    ) -> PoseMoments:
        """Return moments of the slice of a map and of its derivatives by the pose."""
        slices = self.gather(grid, geometry).astype(np.complex128)
        place = np.einsum("pa,iak->ipk", geometry.points, geometry.matrices)
        turns = 1j * np.cross(place, slices[..., 1:])
        shifted = 1j * geometry.points * slices[..., :1]
        columns = np.concatenate([slices[..., :1], turns, shifted], axis=2)
        columns *= np.exp(1j * shifts @ geometry.points.T)[..., None]
        return _moments(columns, data, precision)

    def columns_at_once(self, edge: int) -> int:
        """Return how many maps to accumulate in one pass: no bound is kept."""
        del edge
        return COLUMNS_AT_ONCE

    def accumulator(self, edge: int, n_data: int, n_precision: int) -> ReferenceAccumulator:
        """Return an empty sum over particles on a grid of `edge`, with so many columns."""
        return ReferenceAccumulator(
            np.zeros((edge, edge, edge, n_data), np.complex128),
            np.zeros((edge, edge, edge, n_precision)),
        )


@dataclass(frozen=True)
class ReferenceAccumulator:
    """`SliceAccumulator` on full grids: half of every value at its point, half at the mate."""

    data_sum: Complex128[np.ndarray, "edge edge edge data_column"]
    precision_sum: Float64[np.ndarray, "edge edge edge precision_column"]

    def add(
        self,
        geometry: SliceGeometry,
        data: Data,
        precision: Precision,
        data_weights: Float32[np.ndarray, "particle data_column"],
        precision_weights: Float32[np.ndarray, "particle precision_column"],
    ) -> None:
        """Insert the weighted slices of some particles."""
        data, precision = _as_numbers(data, precision)
        edge = geometry.edge
        for i, matrix in enumerate(geometry.matrices):
            for node, is_mate, weight in _neighbours(matrix, geometry):
                here = np.where(is_mate[:, None], -node.T, node.T) % edge
                mate = -here % edge
                value = 0.5 * weight[:, None] * data[i][:, None] * data_weights[i]
                amount = 0.5 * weight[:, None] * precision[i][:, None] * precision_weights[i]
                np.add.at(self.data_sum, tuple(here.T), value)
                np.add.at(self.data_sum, tuple(mate.T), value.conj())
                np.add.at(self.precision_sum, tuple(here.T), amount)
                np.add.at(self.precision_sum, tuple(mate.T), amount)

    def take(self) -> SliceSums:
        """Return the sum over everything added."""
        return self.total()

    def lanes(self) -> tuple[ReferenceAccumulator]:
        """Return itself: one thread adds to it."""
        return (self,)

    def total(self) -> SliceSums:
        """Return the sum over everything added so far."""
        half = self.data_sum.shape[0] // 2 + 1
        return SliceSums(
            self.data_sum[:, :, :half].astype(np.complex64),
            self.precision_sum[:, :, :half].astype(np.float32),
        )


def _moments(
    columns: Complex128[np.ndarray, "particle point column"], data: Data, precision: Precision
) -> LatentMoments:
    """Return Re<data, column> and Re<column, precision column> of every particle."""
    data, precision = _as_numbers(data, precision)
    linear = np.einsum("ip,ipk->ik", data.conj(), columns).real
    quadratic = np.einsum("ipk,ip,ipl->ikl", columns.conj(), precision, columns).real
    return np.ascontiguousarray(linear), np.ascontiguousarray(quadratic)


def _as_numbers(
    data: Data, precision: Precision
) -> tuple[Complex64[np.ndarray, "particle point"], Float32[np.ndarray, "particle point"]]:
    """Return what may be stored in half the bytes."""
    return (
        decode_complex(data) if data.dtype == np.uint16 else data,
        decode(precision) if precision.dtype == np.uint16 else precision,
    )


def _neighbours(
    matrix: Float32[np.ndarray, "2 3"], geometry: SliceGeometry
) -> list[tuple[Int64[np.ndarray, "3 point"], np.ndarray, Float32[np.ndarray, " point"]]]:
    """List the 8 grid neighbours (z, y, x), whether each is stored as its mate, and weights."""
    xyz = geometry.points @ matrix
    low = np.floor(xyz)
    fraction = (xyz - low)[:, ::-1]
    zyx = low[:, ::-1].astype(np.int64)
    result = []
    for corner in _CORNERS:
        node = zyx + corner
        weight = np.prod(np.where(corner == 1, fraction, 1 - fraction), axis=1)
        is_mate = node[:, 2] < 0
        node = np.where(is_mate[:, None], -node, node)
        node[:, :2] %= geometry.edge
        result.append((node.T, is_mate, weight.astype(np.float32)))
    return result
