"""Shifts looked at beyond the nearest maximum, for particles that lie far off their given place.

Ascent ends at the maximum nearest to its start. A shift that is off by more than about half the
length of the waves compared has others in between, and detail has short waves. So coarse detail is
compared at all shifts that the prior makes likely, the orientation staying as it is.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from cryofocus.consensus.images import PADDING
from cryofocus.kernels.contract import SliceGeometry, SliceKernels
from cryofocus.maths.sampling import shifts_in_disc
from cryofocus.placement import fetch
from cryofocus.poses.evidence import log_likelihood
from cryofocus.poses.likelihood import PoseData, PoseModel
from cryofocus.poses.prior import PosePrior

# Coarse enough for orientations that are off, fine enough to tell one place from another.
SCANNED_SHELLS = 12
SHIFTS_PER_WAVE = 4
# Standard deviations of the prior within which next to all shifts lie; at most a part of the box.
REACH, LARGEST_SHARE = 4.0, 0.25


def scan_shifts(
    data: PoseData,
    model: PoseModel,
    rotation: Float64[np.ndarray, "n 3 3"],
    prior: PosePrior,
    kernels: SliceKernels,
) -> Float64[np.ndarray, "n 2"]:
    """Return the likeliest shifts on a lattice around those that the data are centred by.

    Args:
        data: The images.
        model: Map, noise and intensities.
        rotation: Orientations, which are not questioned.
        prior: What is known of the poses; its width is how far the lattice reaches.
        kernels: Slice kernels of the device.

    Returns:
        The shifts that the data are centred by where no other is likelier.
    """
    coarse = data.narrowed(SCANNED_SHELLS)
    extent = data.band.box * data.pixel_size_angstrom
    step = extent / (coarse.band.n_shells * SHIFTS_PER_WAVE)
    lattice = shifts_in_disc(step, min(REACH * prior.shift_sd_angstrom, LARGEST_SHARE * extent))
    grid = model.reference.grid
    matrices = np.einsum("nji,njk->nik", data.magnification, rotation[:, :2])
    geometry = SliceGeometry(
        grid.shape[0], coarse.band.grid_points(PADDING), matrices.astype(np.float32)
    )
    slices = fetch(kernels.gather(grid, geometry))[..., 0]
    cycles = coarse.band.grid_points(1).astype(np.float64) @ lattice.T / extent
    waves = np.exp(-2j * np.pi * cycles).astype(np.complex64)
    linear = ((slices.conj() * coarse.data) @ waves).real
    quadratic = (coarse.precision * (slices.real**2 + slices.imag**2)).sum(axis=1)
    score = log_likelihood(linear, quadratic[:, None], model.scale_prior)
    places = data.centre_angstrom[:, None] + lattice
    away = ((places - prior.shift_angstrom[:, None]) ** 2).sum(axis=2)
    score -= 0.5 * away / prior.shift_sd_angstrom**2
    return np.asarray(places[np.arange(len(places)), score.argmax(axis=1)])
