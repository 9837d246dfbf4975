"""The further levels of a global search: turns and shifts around each candidate, in full detail.

Here every image is compared over the whole band, with its own CTF and noise at every point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float64

from cryofocus.consensus.band import Band
from cryofocus.consensus.image_model import ScalePrior
from cryofocus.consensus.images import PADDING
from cryofocus.kernels.contract import SliceGeometry, SliceKernels
from cryofocus.maths.sampling import neighbouring_turns, shifts_in_disc
from cryofocus.poses.candidates import Candidates, join
from cryofocus.poses.evidence import log_likelihood
from cryofocus.poses.likelihood import PoseData

# Bytes of slices held at a time.
SLICE_BYTES = 32 * 2**20


@dataclass(frozen=True)
class GridStep:
    """Distance of a candidate's neighbours: a turn about each axis, and a shift."""

    degrees: float
    angstrom: float

    def halved(self) -> GridStep:
        """Return the step of the next level."""
        return GridStep(self.degrees / 2, self.angstrom / 2)


def search_around(
    data: PoseData,
    grid: Complex64[np.ndarray, "edge edge half 1"],
    prior: ScalePrior,
    start: Candidates,
    step: GridStep,
    kernels: SliceKernels,
) -> Candidates:
    """Compare images at the neighbours of their candidates and take the best of each.

    Args:
        data: Images of the particles.
        grid: Padded transform of the reference.
        prior: Of the intensities.
        start: Candidates; those of likelihood zero are looked at like all others.
        step: How far the neighbours are: 27 turns, 7 shifts.
        kernels: Slice kernels of the device.
    """
    turns = neighbouring_turns(step.degrees)
    bytes_each = start.log_likelihood.shape[1] * len(turns) * len(data.band) * 8
    at_once = max(1, SLICE_BYTES // bytes_each)
    parts = []
    for first in range(0, len(start), at_once):
        rows = slice(first, first + at_once)
        some = data.take(np.arange(len(start))[rows])
        parts.append(_best_neighbours(some, grid, prior, start.take(rows), step, kernels))
    return join(parts)


def _best_neighbours(
    data: PoseData,
    grid: Complex64[np.ndarray, "edge edge half 1"],
    prior: ScalePrior,
    start: Candidates,
    step: GridStep,
    kernels: SliceKernels,
) -> Candidates:
    turns = neighbouring_turns(step.degrees)
    shifts = shifts_in_disc(step.angstrom, step.angstrom)
    n, n_candidates = start.log_likelihood.shape
    rotation = start.rotation[:, :, None] @ turns
    shift = start.shift_angstrom[:, :, None] + shifts
    rows = np.einsum("nji,nctjk->nctik", data.magnification, rotation[..., :2, :])
    geometry = SliceGeometry(
        grid.shape[0], data.band.grid_points(PADDING), rows.reshape(-1, 2, 3).astype(np.float32)
    )
    slices = kernels.gather(grid, geometry)[..., 0].reshape(n, n_candidates, len(turns), -1)
    moved = data.data[:, None, None] * _phases(data, shift)
    # Re<a, b> is the product of real and imaginary parts taken as so many numbers.
    linear = _as_floats(slices) @ np.swapaxes(_as_floats(moved), 2, 3)
    power = slices.real**2 + slices.imag**2
    quadratic = (power.reshape(n, -1, power.shape[3]) @ data.precision[:, :, None])[..., 0]
    score = log_likelihood(linear, quadratic.reshape(n, n_candidates, -1, 1), prior)
    flat = score.reshape(n, n_candidates, -1)
    best = flat.argmax(axis=2)
    turn, place = np.divmod(best, len(shifts))
    i, j = np.ogrid[:n, :n_candidates]
    return Candidates(rotation[i, j, turn], shift[i, j, place], flat[i, j, best])


def _phases(
    data: PoseData, shift_angstrom: Float64[np.ndarray, "*batch 2"]
) -> Complex64[np.ndarray, "*batch point"]:
    """Return what centres transforms by shifts, beyond what the data have been moved by."""
    band: Band = data.band
    centre = data.centre_angstrom.reshape(len(data.centre_angstrom), 1, 1, 2)
    cycles = (shift_angstrom - centre) / (band.box * data.pixel_size_angstrom)
    points = band.grid_points(1).astype(np.int64)
    reach = np.abs(points).max()
    # Powers of two numbers a shift, instead of one exponential a point.
    order = np.arange(-reach, reach + 1)
    x, y = (np.exp(-2j * np.pi * cycles[..., axis, None] * order) for axis in (0, 1))
    x, y = x.astype(np.complex64), y.astype(np.complex64)
    return np.asarray(x[..., points[:, 0] + reach] * y[..., points[:, 1] + reach])


def _as_floats(
    values: Complex64[np.ndarray, "*batch point"],
) -> np.ndarray:
    return np.ascontiguousarray(values).view(np.float32)
