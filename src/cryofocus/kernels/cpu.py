"""The slice operations on CPU threads: typed, checked wrappers around the compiled loops."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Complex64, Float32, Float64

from cryofocus.kernels import _cpu_loops
from cryofocus.kernels.contract import SliceGeometry, SliceSums


@dataclass(frozen=True)
class CpuKernels:
    """`SliceKernels` by Numba; `n_threads` private accumulators are added up in fixed order."""

    n_threads: int = 1

    def gather(
        self, grid: Complex64[np.ndarray, "edge edge half component"], geometry: SliceGeometry
    ) -> Complex64[np.ndarray, "particle point component"]:
        """Return every component's slice at every point."""
        shape = (len(geometry.matrices), len(geometry.points), grid.shape[3])
        slices = np.empty(shape, np.complex64)
        numba.set_num_threads(self._pool())
        _cpu_loops.gather_slices(
            _planes(grid), geometry.matrices, geometry.points, self.n_threads, slices
        )
        return slices

    def class_moments(
        self,
        grid: Complex64[np.ndarray, "edge edge half component"],
        geometry: SliceGeometry,
        data: Complex64[np.ndarray, "particle point"],
        precision: Float32[np.ndarray, "particle point"],
    ) -> tuple[
        Float64[np.ndarray, "particle component"], Float64[np.ndarray, "particle component"]
    ]:
        """Return Re<data, slice_k> and <slice_k, precision slice_k> of every particle."""
        linear = np.empty((len(data), grid.shape[3]))
        quadratic = np.empty((len(data), grid.shape[3], 1))
        self._moments(grid, geometry, (data, precision), (linear, quadratic))
        return linear, quadratic[:, :, 0]

    def latent_moments(
        self,
        grid: Complex64[np.ndarray, "edge edge half component"],
        geometry: SliceGeometry,
        data: Complex64[np.ndarray, "particle point"],
        precision: Float32[np.ndarray, "particle point"],
    ) -> tuple[
        Float64[np.ndarray, "particle component"],
        Float64[np.ndarray, "particle component component"],
    ]:
        """Return Re<data, slice_k> and Re<slice_k, precision slice_l> of every particle."""
        linear = np.empty((len(data), grid.shape[3]))
        quadratic = np.empty((len(data), grid.shape[3], grid.shape[3]))
        self._moments(grid, geometry, (data, precision), (linear, quadratic))
        return linear, quadratic

    def accumulate(
        self,
        geometry: SliceGeometry,
        data: Complex64[np.ndarray, "particle point"],
        precision: Float32[np.ndarray, "particle point"],
        data_weights: Float32[np.ndarray, "particle component"],
        precision_weights: Float32[np.ndarray, "particle precision_component"],
    ) -> SliceSums:
        """Insert weighted slices: the adjoint of `gather` over the whole plane."""
        edge, half = geometry.edge, geometry.edge // 2 + 1
        shape = (self.n_threads, edge, edge, half)
        data_sum = np.zeros((*shape, 2, data_weights.shape[1]), np.float32)
        precision_sum = np.zeros((*shape, precision_weights.shape[1]), np.float32)
        numba.set_num_threads(self._pool())
        _cpu_loops.accumulate(
            geometry.matrices,
            geometry.points,
            data,
            precision,
            data_weights,
            precision_weights,
            data_sum,
            precision_sum,
        )
        total = data_sum.sum(axis=0)
        return SliceSums(
            _make_hermitian(total[..., 0, :] + np.complex64(1j) * total[..., 1, :]),
            _make_hermitian(precision_sum.sum(axis=0)),
        )

    def _moments(
        self,
        grid: Complex64[np.ndarray, "edge edge half component"],
        geometry: SliceGeometry,
        statistics: tuple[np.ndarray, np.ndarray],
        out: tuple[np.ndarray, np.ndarray],
    ) -> None:
        numba.set_num_threads(self._pool())
        diagonal_only = out[1].shape[2] == 1 and grid.shape[3] > 1
        _cpu_loops.quadratic_moments(
            _planes(grid),
            geometry.matrices,
            geometry.points,
            *statistics,
            self.n_threads,
            *out,
            diagonal_only,
        )

    def _pool(self) -> int:
        return min(self.n_threads, numba.config.NUMBA_NUM_THREADS)


def _planes(
    grid: Complex64[np.ndarray, "edge edge half component"],
) -> Float32[np.ndarray, "edge edge half 2 component"]:
    """Split real and imaginary parts into contiguous planes."""
    return np.ascontiguousarray(np.stack([grid.real, grid.imag], axis=3))


def _make_hermitian(raw: np.ndarray) -> np.ndarray:
    """Turn sums over the half plane into the half of a Hermitian grid.

    A value of Hermitian weight 2 was added once, at the point or at its mate, whichever is
    stored. Off the planes x = 0 and x = edge/2 both land on one node, which so holds twice its
    share; on these planes node and mate are both stored and share what they got.
    """
    edge = raw.shape[0]
    result = 0.5 * raw
    planes = [0, edge // 2] if edge % 2 == 0 else [0]
    flip = -np.arange(edge) % edge
    for x in planes:
        mate = raw[flip][:, flip, x]
        result[:, :, x] = 0.5 * (raw[:, :, x] + np.conj(mate))
    return result
