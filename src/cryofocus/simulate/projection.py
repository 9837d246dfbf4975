"""Fourier slices of a bead phantom, and its map, exact but for rounding.

The image of a Gaussian bead is a Gaussian. Beads are drawn where they land on a periodic grid of
the image's extent, and the grid is transformed (`bead_grid.py`); what that leaves out is less than
float32 rounds. The cost does not grow with the box beyond the beads' own resolution.

The density is band-limited below Nyquist: on even boxes the Nyquist row and column are zero.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Complex64, Float, Float32, Float64, Int

from cryofocus.kernels import beads
from cryofocus.kernels.beads import REACH
from cryofocus.maths.bands import Window, corner_3d_cropped, inverse_3d_of_band
from cryofocus.maths.fourier import corner_2d_cropped, next_fast_len
from cryofocus.simulate.bead_grid import BeadGrid, spectrum

# Images drawn at once: few enough for the processor's cache.
_BLOCK = 8
# Of beads that voxels resolve, no more than this part is beyond Nyquist.
RESOLVED = 1e-5

# What is multiplied with a transform, at frequencies in 1/Å.
Transfer = Callable[[Float32[np.ndarray, "*grid"]], Float32[np.ndarray, "*grid"]]


@runtime_checkable
class BeadParts(Protocol):
    """Gaussian beads, sorted by the part they belong to; x, y, z in Å from the box centre."""

    @property
    def centre_angstrom(self) -> Float[np.ndarray, "n 3"]:
        """Centres of the beads."""
        ...

    @property
    def sigma_angstrom(self) -> Float[np.ndarray, " n"]:
        """Standard deviation of each bead's Gaussian."""
        ...

    @property
    def weight(self) -> Float[np.ndarray, " n"]:
        """Integrated density of each bead."""
        ...

    @property
    def part(self) -> Int[np.ndarray, " n"]:
        """Number of each bead's part."""
        ...

    @property
    def part_bounds(self) -> Int[np.ndarray, " parts_plus_1"]:
        """Where each part starts, and the number of beads."""
        ...


def project_parts(
    phantom: BeadParts,
    rotation: Float[np.ndarray, "n 3 3"],
    shift_angstrom: Float[np.ndarray, "n 2"],
    box: int,
    pixel_size_angstrom: float,
) -> Complex64[np.ndarray, "n parts box half"]:
    """Project every part of the phantom at every pose.

    Args:
        phantom: Beads grouped by part.
        rotation: Pose matrices A: the point r lands at (A r)[:2].
        shift_angstrom: Shift that centres the particle, x and y in Å; the particle sits at minus
            the shift.
        box: Edge of the image in pixels.
        pixel_size_angstrom: Å per pixel.

    Returns:
        Half transforms (rfft layout, origin at the corner, unnormalised forward convention), one
            for each part.
    """
    bounds = phantom.part_bounds
    grid = BeadGrid.choose(phantom.sigma_angstrom, phantom.weight, box, pixel_size_angstrom)
    parts = np.zeros((len(rotation), len(bounds) - 1, box, box // 2 + 1), dtype=np.complex64)
    for start in range(0, len(rotation), _BLOCK):
        rows = slice(start, start + _BLOCK)
        place = _places(phantom, rotation[rows], shift_angstrom[rows])
        for index, (first, last) in enumerate(itertools.pairwise(bounds)):
            beads = slice(first, last)
            weight = np.broadcast_to(phantom.weight[beads], (*place.shape[:1], last - first))
            drawn = grid.draw_images(place[:, beads], phantom.sigma_angstrom[beads], weight)
            _transform_images(grid, drawn, parts[rows, index])
    return parts


def project_states(
    phantom: BeadParts,
    amplitudes: Float32[np.ndarray, "n parts"],
    pose: tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, "n 2"]],
    box: int,
    pixel_size_angstrom: float,
) -> Complex64[np.ndarray, "n box half"]:
    """Project the sum of the parts that each particle shows; quicker than all parts one by one.

    Args:
        phantom: Beads grouped by part.
        amplitudes: Multiplier of each part in each particle.
        pose: Rotations (n, 3, 3) and shifts in Å (n, 2), as for `project_parts`.
        box: Edge in pixels.
        pixel_size_angstrom: Å per pixel.

    Returns:
        Half transforms, as for `project_parts`.
    """
    rotation, shift_angstrom = pose
    grid = BeadGrid.choose(phantom.sigma_angstrom, phantom.weight, box, pixel_size_angstrom)
    images = np.zeros((len(rotation), box, box // 2 + 1), dtype=np.complex64)
    for start in range(0, len(rotation), _BLOCK):
        rows = slice(start, start + _BLOCK)
        place = _places(phantom, rotation[rows], shift_angstrom[rows])
        weight = phantom.weight * amplitudes[rows][:, phantom.part]
        drawn = grid.draw_images(place, phantom.sigma_angstrom, weight)
        _transform_images(grid, drawn, images[rows])
    return images


def density_map(
    phantom: BeadParts,
    amplitudes: Float[np.ndarray, " parts"],
    box: int,
    pixel_size_angstrom: float,
    *,
    transfer: Transfer | None = None,
    within: Window | None = None,
) -> Float32[np.ndarray, "_ _ _"]:
    """Return the band-limited map whose central slices are the projections.

    Args:
        phantom: Beads grouped by part.
        amplitudes: Multiplier of each part; zero leaves it out.
        box: Edge in voxels.
        pixel_size_angstrom: Å per voxel.
        transfer: What the transform is multiplied by. Nothing by default.
        within: Planes, rows and columns that are wanted; all by default.

    Returns:
        Density (z, y, x), centre at voxel `box // 2`; the sum over voxels is the mass.
    """
    weight = phantom.weight * np.asarray(amplitudes)[phantom.part]
    used = weight != 0
    within = within or (slice(None),) * 3
    if not used.any():
        return np.zeros((box, box, box), np.float32)[within]
    sigma, place = phantom.sigma_angstrom[used], phantom.centre_angstrom[used]
    at_least = box if transfer is None else 2
    grid = BeadGrid.choose(sigma, weight[used], box, pixel_size_angstrom, at_least=at_least)
    if transfer is None and grid.edge == box and grid.widening_square_angstrom == 0:
        centre = box // 2 * pixel_size_angstrom
        return grid.draw_volume(place + centre, sigma, weight[used])[within]
    k, raised = grid.frequencies(box)
    half = corner_3d_cropped(grid.draw_volume(place, sigma, weight[used]), len(k))[k[:, None], k]
    positive = slice(len(k) // 2, None)
    half *= raised[:, None, None] * raised[:, None] * raised[positive]
    if transfer is not None:
        square = np.square(k / np.float32(grid.extent_angstrom), dtype=np.float32)
        half *= transfer(np.sqrt(square[:, None, None] + square[:, None] + square[positive]))
    return inverse_3d_of_band(half, box, within=within)


def density_around(
    phantom: BeadParts, box: int, pixel_size_angstrom: float
) -> tuple[Window, Float32[np.ndarray, "_ _ _"]]:
    """Return the density of all parts in a cube that holds it, and where that is in the map.

    Beads that voxels resolve are drawn there; others give the whole map, since they ring in it.
    """
    sigma, place = phantom.sigma_angstrom, phantom.centre_angstrom / pixel_size_angstrom + box // 2
    reach = REACH * sigma.max() / pixel_size_angstrom
    first = np.floor(place.min(axis=0) - reach).astype(int)
    edge = next_fast_len(math.ceil((place.max(axis=0) + reach - first).max()) + 1)
    start = np.minimum(first, box - edge)
    beyond = spectrum(sigma, phantom.weight, 1 / (2 * pixel_size_angstrom))
    if beyond > RESOLVED or (start < 0).any():
        whole = np.ones(len(phantom.part_bounds) - 1)
        return (slice(None),) * 3, density_map(phantom, whole, box, pixel_size_angstrom)
    x, y, z = (slice(one, one + edge) for one in start.tolist())
    width = sigma / pixel_size_angstrom
    return (z, y, x), beads.draw_volume(place - start, width, phantom.weight, edge)


def sufficient_box(phantom: BeadParts, box: int, pixel_size_angstrom: float) -> int:
    """Return the edge of the smallest box, at most that given, that loses nothing of the beads.

    Its extent is the same and its pixels are larger, unless beads are as fine as pixels.
    """
    grid = BeadGrid.choose(phantom.sigma_angstrom, phantom.weight, box, pixel_size_angstrom)
    k, _ = grid.frequencies(box)
    return min(next_fast_len(len(k) + 1), box)


def _places(
    phantom: BeadParts,
    rotation: Float[np.ndarray, "n 3 3"],
    shift_angstrom: Float[np.ndarray, "n 2"],
) -> Float64[np.ndarray, "n beads 2"]:
    """Return where the beads land in the images, x and y in Å from the centre."""
    seen = phantom.centre_angstrom @ rotation[:, :2].transpose(0, 2, 1)
    return np.asarray(seen - shift_angstrom[:, None], np.float64)


def _transform_images(
    grid: BeadGrid,
    drawn: Float32[np.ndarray, "n edge edge"],
    images: Complex64[np.ndarray, "n box half"],
) -> None:
    """Fill half transforms, in place, with those of images drawn on a grid."""
    k, raised = grid.frequencies(images.shape[1])
    columns, positive = slice(0, k[-1] + 1), raised[len(k) // 2 :]
    half = corner_2d_cropped(drawn, len(k))
    images[:, k, columns] = half[:, k] * (raised[:, None] * positive)
