"""Compare what stacks of images say of themselves with what the particle table says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cryofocus.data.mrc import UNSET_PIXEL_SIZES, MrcHeader, read_header
from cryofocus.data.optics import OpticsGroup
from cryofocus.data.particle_table import ParticleColumns
from cryofocus.data.resampling import plan_resampling
from cryofocus.errors import ParticleError

PIXEL_SIZE_TOLERANCE = 0.01


def check_stacks(
    columns: ParticleColumns, paths: Sequence[Path]
) -> tuple[tuple[OpticsGroup, ...], OpticsGroup]:
    """Check the header of every stack that a particle uses.

    Args:
        columns: Of the particles.
        paths: Files of the stacks.

    Returns:
        The optics groups with their boxes, and that of most particles, onto whose grid all images
        are brought.

    Raises:
        InputError: If a stack cannot be read.
        FormatError: If a stack is damaged or its header lies about its size.
        ParticleError: If box, pixel size or number of images disagree with the table, or images of
            different pixel sizes cannot be brought onto one grid.
    """
    places, group_of_particle = columns.places, columns.optics_of_particle
    headers = {
        stack: read_header(paths[stack]) for stack in np.unique(places.stack_of_particle).tolist()
    }
    optics = fill_boxes(columns, headers.__getitem__)
    n_needed = np.zeros(len(paths), np.int64)
    np.maximum.at(n_needed, places.stack_of_particle, places.slice_of_particle + 1)
    pairs = np.stack([places.stack_of_particle, group_of_particle], axis=1)
    for stack, index in np.unique(pairs, axis=0).tolist():
        _check_stack(headers[stack], optics[index], int(n_needed[stack]))
    common = optics[int(np.argmax(np.bincount(group_of_particle)))]
    for index in np.unique(group_of_particle).tolist():
        group = optics[index]
        try:
            plan_resampling(
                group.box, group.pixel_size_angstrom, common.box, common.pixel_size_angstrom
            )
        except ValueError as error:
            raise ParticleError(
                f"optics group {group.number}: {error}. Resample these particles first, or "
                "classify the optics groups apart."
            ) from error
    return optics, common


def fill_boxes(
    columns: ParticleColumns, header_of: Callable[[int], MrcHeader]
) -> tuple[OpticsGroup, ...]:
    """Take boxes that the table does not give from the first stack of each optics group."""
    filled = []
    for index, group in enumerate(columns.optics):
        members = np.flatnonzero(columns.optics_of_particle == index)
        if group.box == 0 and members.size:
            stack = int(columns.places.stack_of_particle[members[0]])
            group = replace(group, box=header_of(stack).shape[2])
        filled.append(group)
    return tuple(filled)


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
        f"{group.number} gives {expected:.4g}. Correct whichever is wrong."
    )
