"""Compare what stacks of images say of themselves with what the particle table says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from cryofocus.data.mrc import MrcHeader, read_header
from cryofocus.data.optics import OpticsGroup
from cryofocus.data.resampling import plan_resampling
from cryofocus.data.stack_paths import ImagePlaces
from cryofocus.errors import ParticleError

PIXEL_SIZE_TOLERANCE = 0.01
# What programs write that do not know the pixel size.
UNSET_PIXEL_SIZES = (0.0, 1.0)


def check_stacks(
    paths: Sequence[Path],
    places: ImagePlaces,
    optics: Sequence[OpticsGroup],
    optics_of_particle: Int[np.ndarray, " n"],
    grid: tuple[int, float],
) -> None:
    """Check the header of every stack that a particle uses.

    Args:
        paths: Files of the stacks.
        places: Stack and slice of each particle.
        optics: Optics groups.
        optics_of_particle: Index into `optics`.
        grid: Box and pixel size (Å) onto which all images are brought.

    Raises:
        InputError: If a stack cannot be read.
        FormatError: If a stack is damaged or its header lies about its size.
        ParticleError: If a stack contradicts the table.
    """
    for group in {optics[index] for index in np.unique(optics_of_particle)}:
        try:
            plan_resampling(group.box, group.pixel_size_angstrom, *grid)
        except ValueError as error:
            raise ParticleError(
                f"optics group {group.number}: {error}. Resample these particles first, or "
                "classify the optics groups apart."
            ) from error
    n_needed = np.zeros(len(paths), np.int64)
    np.maximum.at(n_needed, places.stack_of_particle, places.slice_of_particle + 1)
    pairs = np.stack([places.stack_of_particle, optics_of_particle], axis=1)
    headers: dict[int, MrcHeader] = {}
    for stack, group_index in np.unique(pairs, axis=0).tolist():
        if stack not in headers:
            headers[stack] = read_header(paths[stack])
        _check_stack(headers[stack], optics[group_index], int(n_needed[stack]))


def _check_stack(header: MrcHeader, group: OpticsGroup, n_needed: int) -> None:
    n_images, rows, columns = header.shape
    if rows != group.box or columns != group.box:
        raise ParticleError(
            f"{header.path}: images of {columns} x {rows} pixels, but optics group "
            f"{group.number} has a box of {group.box}. Correct the box in the table, or "
            "give the stack that belongs to the table."
        )
    if n_needed > n_images:
        raise ParticleError(
            f"{header.path}: holds {n_images} images, but the table asks for image {n_needed}. "
            "Give the stack that belongs to the table."
        )
    size, expected = header.voxel_size_angstrom[0], group.pixel_size_angstrom
    if size in UNSET_PIXEL_SIZES or abs(size / expected - 1) <= PIXEL_SIZE_TOLERANCE:
        return
    raise ParticleError(
        f"{header.path}: the header gives {size:.4g} Å per pixel, but optics group "
        f"{group.number} {expected:.4g}. Correct whichever is wrong."
    )
