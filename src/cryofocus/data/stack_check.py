"""Compare what stacks of images say of themselves with what the particle table says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Int

from cryofocus.data.mrc import UNSET_PIXEL_SIZES, MrcHeader, read_header
from cryofocus.data.optics import OpticsGroup
from cryofocus.data.particle_table import ParticleColumns, ParticleTable, PixelSizeOf
from cryofocus.data.resampling import plan_resampling
from cryofocus.data.stack_paths import ImagePlaces
from cryofocus.data.subtracted_stacks import require_intact
from cryofocus.errors import ParticleError

PIXEL_SIZE_TOLERANCE = 0.01


def check_stacks(
    columns: ParticleColumns,
    paths: Sequence[Path],
    table: ParticleTable,
    pixel_size_of: PixelSizeOf | None = None,
) -> tuple[ParticleColumns, OpticsGroup]:
    """Check the header of every stack that a particle uses.

    Args:
        columns: Of the particles.
        paths: Files of the stacks.
        table: Where the particles stand.
        pixel_size_of: Whose pixel size holds where table and stack disagree.

    Returns:
        The columns with the boxes of optics groups, and with the stacks' pixel sizes if they hold;
        and the optics group of most particles, onto whose grid all images are brought.

    Raises:
        InputError: If a stack cannot be read.
        FormatError: If a stack is damaged or its header lies about its size.
        ParticleError: If box, pixel size or number of images disagree with the table, or images of
            different pixel sizes cannot be brought onto one grid.
    """
    places = columns.places
    headers = {
        stack: read_header(paths[stack]) for stack in np.unique(places.stack_of_particle).tolist()
    }
    for stack, header in headers.items():
        require_intact(header, places.stacks[stack])
        _require_numbers(header, places, stack)
    _refuse_volumes(places, list(headers.values()))
    columns = replace(columns, notes=(*columns.notes, *_note_signs(list(headers.values()))))
    columns = fill_boxes(columns, headers.__getitem__)
    optics, group_of_particle = columns.optics, columns.optics_of_particle
    pairs = np.stack([places.stack_of_particle, group_of_particle], axis=1)
    sizes: dict[int, MrcHeader] = {}
    for stack, index in np.unique(pairs, axis=0).tolist():
        header = headers[stack]
        _check_stack(header, optics[index])
        if not _agrees(header.voxel_size_angstrom[0], optics[index].pixel_size_angstrom):
            _settle(header, optics[index], sizes.setdefault(index, header), pixel_size_of)
    _require_images(places, headers, table)
    if sizes:
        columns = _with_settled_sizes(columns, sizes, pixel_size_of)
        optics = columns.optics
    common = _common_grid(optics, group_of_particle)
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
    return columns, common


def _note_signs(headers: Sequence[MrcHeader]) -> Iterator[str]:
    """Say which stacks of bytes have another sign than their headers say."""
    mistaken = [header for header in headers if header.is_sign_mistaken]
    if mistaken:
        first = mistaken[0]
        said, found = ("unsigned", "signed") if first.dtype == np.int8 else ("signed", "unsigned")
        others = f" and {len(mistaken) - 1} more" if len(mistaken) > 1 else ""
        yield (
            f"{first.path.name}{others}: bytes (mode 0) that are {said} by the header, but make "
            f"sense only if they are {found}; they are read so. Other programs may follow the "
            "header: write the stack as 32-bit floating point (mode 2)"
        )


def _require_numbers(header: MrcHeader, places: ImagePlaces, stack: int) -> None:
    """Refuse names that leave open which image of a stack is meant."""
    if places.stacks[stack] in places.unnumbered and header.shape[0] > 1:
        raise ParticleError(
            f"{header.path}: holds {header.shape[0]} images, but several rows name it without a "
            f"number; expected NUMBER@{places.stacks[stack]}, with images counted from 1. Correct "
            "the table."
        )


def _refuse_volumes(places: ImagePlaces, headers: Sequence[MrcHeader]) -> None:
    """Refuse subtomograms that the table does not mark, before a section is taken for one."""
    are_cubes = all(min(header.shape) == max(header.shape) > 1 for header in headers)
    if are_cubes and not places.slice_of_particle.any() and len(headers) > 1:
        raise ParticleError(
            f"{headers[0].path}: is a volume of {headers[0].shape[0]} sections, as are the files "
            "of all other particles, of which the table takes the first section. cryofocus takes "
            "images of single particles, not subtomograms. Give a table of such images."
        )


def _common_grid(
    optics: Sequence[OpticsGroup], group_of_particle: Int[np.ndarray, " n"]
) -> OpticsGroup:
    """Return a group on the grid of most particles; of equally many, on the finest and largest."""
    counts: dict[tuple[float, int], int] = {}
    for group, count in zip(
        optics, np.bincount(group_of_particle, minlength=len(optics)).tolist(), strict=True
    ):
        grid = (group.pixel_size_angstrom, group.box)
        counts[grid] = counts.get(grid, 0) + count
    pixel, box = max(counts, key=lambda grid: (counts[grid], -grid[0], grid[1]))
    return next(g for g in optics if (g.pixel_size_angstrom, g.box) == (pixel, box))


def fill_boxes(columns: ParticleColumns, header_of: Callable[[int], MrcHeader]) -> ParticleColumns:
    """Take boxes that the table does not give from the stacks.

    Images of an optics group that have several boxes become a group for each.
    """
    optics, groups = list(columns.optics), columns.optics_of_particle.copy()
    stack_of_particle = columns.places.stack_of_particle
    for index, group in enumerate(columns.optics):
        members = np.flatnonzero(groups == index)
        if group.box or not members.size:
            continue
        stacks, stack_of_member = np.unique(stack_of_particle[members], return_inverse=True)
        boxes = np.array([header_of(stack).shape[2] for stack in stacks.tolist()])
        optics[index] = replace(group, box=int(boxes[stack_of_member[0]]))
        for box in sorted(set(boxes.tolist()) - {optics[index].box}):
            groups[members[boxes[stack_of_member] == box]] = len(optics)
            number = 1 + max(one.number for one in optics)
            name = group.name and f"{group.name}_box{box}"
            optics.append(replace(group, box=box, number=number, name=name))
    return replace(columns, optics=tuple(optics), optics_of_particle=groups)


def _check_stack(header: MrcHeader, group: OpticsGroup) -> None:
    _, rows, columns = header.shape
    if rows != columns:
        raise ParticleError(
            f"{header.path}: images of {columns} x {rows} pixels; expected square images. Extract "
            "the particles again in a square box."
        )
    if header.axes != (1, 2, 3):
        raise ParticleError(
            f"{header.path}: its header has columns, rows and sections along axes "
            f"{', '.join(map(str, header.axes))}; expected 1, 2, 3, as all programs read stacks. "
            "Write the stack again with its axes in this order."
        )
    across, along = header.voxel_size_angstrom[:2]
    if {across, along}.isdisjoint(UNSET_PIXEL_SIZES) and not _agrees(across, along):
        raise ParticleError(
            f"{header.path}: the header gives pixels of {across:.4g} x {along:.4g} Å; expected "
            "square ones. Correct the header."
        )
    if rows != group.box:
        raise ParticleError(
            f"{header.path}: images of {columns} x {rows} pixels, but optics group "
            f"{group.number} has a box of {group.box}. Correct the box in the table, or "
            "give the stack that belongs to the table."
        )


def _require_images(
    places: ImagePlaces, headers: Mapping[int, MrcHeader], table: ParticleTable
) -> None:
    """Refuse images beyond the end of their stacks."""
    n_images = np.zeros(len(places.stacks), np.int64)
    n_images[list(headers)] = [header.shape[0] for header in headers.values()]
    beyond = np.flatnonzero(places.slice_of_particle >= n_images[places.stack_of_particle])
    if beyond.size:
        row = int(beyond[0])
        header = headers[int(places.stack_of_particle[row])]
        raise ParticleError(
            f"{header.path}: holds {header.shape[0]} images, but {table.row_name(row)} of "
            f"{table.path} asks for image {places.slice_of_particle[row] + 1}. Give the stack "
            "that belongs to the table."
        )


def _agrees(found: float, expected: float) -> bool:
    return found in UNSET_PIXEL_SIZES or abs(found / expected - 1) <= PIXEL_SIZE_TOLERANCE


def _settle(
    header: MrcHeader, group: OpticsGroup, first: MrcHeader, pixel_size_of: PixelSizeOf | None
) -> None:
    """Refuse a pixel size that contradicts the table, unless the user says which holds."""
    found, expected = header.voxel_size_angstrom[0], group.pixel_size_angstrom
    if pixel_size_of is None:
        raise ParticleError(
            f"{header.path}: the header gives {found:.4g} Å per pixel, but optics group "
            f"{group.number} of the table gives {expected:.4g}. If the table is right, as after a "
            "calibration of the pixel size, add --pixel-size-of table; if the stack is, "
            "--pixel-size-of stack."
        )
    if pixel_size_of == "stack" and not _agrees(found, first.voxel_size_angstrom[0]):
        raise ParticleError(
            f"{header.path}: the header gives {found:.4g} Å per pixel, but that of {first.path} "
            f"in the same optics group {first.voxel_size_angstrom[0]:.4g}. Give each its own "
            "optics group, or correct the headers."
        )


def _with_settled_sizes(
    columns: ParticleColumns,
    headers: Mapping[int, MrcHeader],
    pixel_size_of: PixelSizeOf | None,
) -> ParticleColumns:
    """Return the columns with the pixel sizes that hold, and a note of them.

    Shifts were found in pixels: where a pixel has another size, so have they.
    """
    optics, factor = list(columns.optics), np.ones(len(columns.optics))
    notes = list(columns.notes)
    for index, header in sorted(headers.items()):
        group, found = optics[index], header.voxel_size_angstrom[0]
        notes.append(
            f"optics group {group.number} has {group.pixel_size_angstrom:.4g} Å per pixel, the "
            f"header of {header.path.name} {found:.4g}; that of the {pixel_size_of} holds"
        )
        if pixel_size_of == "stack":
            factor[index] = found / group.pixel_size_angstrom
            optics[index] = replace(group, pixel_size_angstrom=found)
    return replace(
        columns,
        optics=tuple(optics),
        shift_angstrom=columns.shift_angstrom * factor[columns.optics_of_particle, None],
        notes=tuple(notes),
    )
