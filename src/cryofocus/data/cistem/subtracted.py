"""The images of a subtracted set in cisTEM's tables, and the way back to the intact ones.

These tables have no columns for it, so that the table that was subtracted from lies beside the
stack, under a name of its own: image number n of the stack was made from row n of it. That holds
for every selection of the particles, and for every class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from cryofocus.data.abilities import SubtractedRows
from cryofocus.data.labels import (
    DEFOCUS_LABELS,
    HALF_SET_LABEL,
    IMAGE_LABEL,
    PIXEL_SIZE_LABEL,
    pose_columns,
)
from cryofocus.data.particle_table import Column, ParticleColumns
from cryofocus.data.stack_paths import ImagePlaces, locate_stacks
from cryofocus.errors import InputError, ParticleError

INTACT, UNCUT = "intact_particles", "uncut_particles"
"""Stems of the table beside a stack of whole images, and of images that were cut."""


@runtime_checkable
class Rows(Protocol):
    """What is needed of a table, which itself is asked for its subtracted images."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def suffix(self) -> str:
        """Ending of its name."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""

    def columns(self) -> ParticleColumns:
        """Read what this package understands; see `ParticleTable`."""

    def write(
        self, path: Path, columns: Mapping[str, Column], rows: Int[np.ndarray, " m"] | None
    ) -> tuple[str, ...]:
        """Write rows with columns changed; see `ParticleTable`."""


@dataclass(frozen=True, eq=False)
class CountedSubtracted:
    """The images in a table that counts them in a stack; a `SubtractedInTable`.

    Attributes:
        table: The table.
        reopen: Opens another of its format.
    """

    table: Rows
    reopen: Callable[[Path], Rows]

    stack_suffix = ".mrc"

    @property
    def are_cut(self) -> bool:
        """Whether its images were cut around a mask."""
        beside = self._beside(self._places())
        return beside is not None and beside.stem == UNCUT

    def require_place_for_pixel_size(self) -> None:
        """Do nothing: every particle says its own pixel size; see `SubtractedInTable`."""

    def write(self, path: Path, rows: SubtractedRows) -> None:
        """Write the rows with their new images, and the table itself beside; see the contract."""
        table = self.table
        n = table.n_rows
        columns: dict[str, Column] = {
            IMAGE_LABEL: rows.names,
            PIXEL_SIZE_LABEL: np.full(n, rows.pixel_size_angstrom),
            HALF_SET_LABEL: rows.half_set,
        }
        before = self._beside(self._places())
        was_cut = before is not None and before.stem == UNCUT
        beside = path.with_name((UNCUT if rows.moved or was_cut else INTACT) + table.suffix)
        if before is None:
            # Rewritten, so that it names its stack whatever it is called.
            table.write(beside, {IMAGE_LABEL: _names(self._places())}, None)
        else:
            self.write_intact(beside)
        table.write(path, columns | dict(rows.moved), None)

    def write_intact(self, path: Path) -> None:
        """Write the rows with their intact images; see `SubtractedInTable`."""
        places = self._places()
        beside = self._beside(places)
        if beside is None:
            raise ParticleError(
                f"{self.table.path}: no table {INTACT}{self.table.suffix} or "
                f"{UNCUT}{self.table.suffix} beside its image stack ({places.stacks[0]}), so "
                "nothing says which intact particles these images were made from. Give a table "
                "that 'cryofocus subtract' wrote, or one made from it, where its stack is found."
            )
        intact = self.reopen(beside).columns()
        rows = places.slice_of_particle
        if rows.max() >= len(intact.rotation):
            raise ParticleError(
                f"{self.table.path}: counts images up to {rows.max() + 1}, but {beside} has "
                f"{len(intact.rotation)} rows. Put the table that was written with this stack "
                "beside it again."
            )
        self.table.write(path, _intact_columns(intact, rows, moved=beside.stem == UNCUT), None)

    def _places(self) -> ImagePlaces:
        return self.table.columns().places

    def _beside(self, places: ImagePlaces) -> Path | None:
        """Find the table of the intact particles; None if these are intact."""
        if len(places.stacks) != 1:
            return None
        try:
            (stack,) = locate_stacks(places.stacks, self.table.path, None)
        except InputError:
            return None
        names = (stack.with_name(stem + self.table.suffix) for stem in (INTACT, UNCUT))
        return next(filter(Path.is_file, names), None)


def _intact_columns(
    intact: ParticleColumns, rows: Int[np.ndarray, " m"], *, moved: bool
) -> dict[str, Column]:
    """Give what the intact particles' rows say, by label; poses and defoci if images were cut."""
    names = _names(intact.places)
    pixel = np.array([group.pixel_size_angstrom for group in intact.optics])
    columns: dict[str, Column] = {
        IMAGE_LABEL: [names[row] for row in rows.tolist()],
        PIXEL_SIZE_LABEL: pixel[intact.optics_of_particle[rows]],
    }
    if moved:
        columns |= pose_columns(intact.rotation[rows], intact.shift_angstrom[rows])
        columns[DEFOCUS_LABELS[0]] = intact.ctf.defocus_u_angstrom[rows]
        columns[DEFOCUS_LABELS[1]] = intact.ctf.defocus_v_angstrom[rows]
    return columns


def _names(places: ImagePlaces) -> list[str]:
    return [places.name(row) for row in range(len(places.slice_of_particle))]
