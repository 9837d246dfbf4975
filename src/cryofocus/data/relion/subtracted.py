"""The table of a subtracted set, and the way back from it to the intact particles.

`rlnImageName` is the subtracted image. `rlnImageOriginalName` and `cryofocusIntactImageName` are
the image it was made from; a set that is subtracted again keeps both, so that they lead to the
intact particle however often it was subtracted. Where images were cut around a mask, the pose
and defocus of the intact particle stand beside the new ones in columns `cryofocusIntact...`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cryofocus.data.abilities import SubtractedRows
from cryofocus.data.labels import (
    ANGLE_LABELS,
    HALF_SET_LABEL,
    IMAGE_LABEL,
    PIXEL_SIZE_LABEL,
    SHIFT_LABELS,
)
from cryofocus.data.particle_table import Column
from cryofocus.data.relion.columns import (
    SHIFT_PIXEL_LABELS,
    find_particles,
    has_pixel_shifts,
    own_shifts,
)
from cryofocus.data.relion.optics import BOX_LABEL, find_optics
from cryofocus.data.stack_paths import RELION_STACK
from cryofocus.data.star.document import StarDocument
from cryofocus.data.star.scan import StarBlock
from cryofocus.errors import ParticleError

ORIGINAL_LABEL = "rlnImageOriginalName"
SCALE_LABEL = "cryofocusSubtractionScale"
INTACT_PREFIX, RELION_PREFIX = "cryofocusIntact", "rln"
# Priors on the origin would draw a sub-particle back to where the whole particle was.
PRIOR_LABELS = ("rlnOriginXPriorAngst", "rlnOriginYPriorAngst")

Columns = dict[str, Sequence[Any] | np.ndarray]


def intact_label(label: str) -> str:
    """Name the column that keeps what a column said of the intact particle."""
    return INTACT_PREFIX + label.removeprefix(RELION_PREFIX)


@dataclass(frozen=True, eq=False)
class RelionSubtracted:
    """The images in a table of particles; a `SubtractedInTable`.

    Attributes:
        document: The file.
        block: Its table of particles.
    """

    document: StarDocument
    block: StarBlock

    stack_suffix = RELION_STACK

    @property
    def are_cut(self) -> bool:
        """Whether its images were cut around a mask."""
        labels = map(intact_label, (*SHIFT_LABELS, *SHIFT_PIXEL_LABELS))
        return any(label in self.block.labels for label in labels)

    def require_place_for_pixel_size(self) -> None:
        """Check that the optics table can say a new pixel size; see `SubtractedInTable`."""
        optics = find_optics(self.document)
        if optics is None or PIXEL_SIZE_LABEL not in optics.labels:
            raise ParticleError(
                f"{self.document.path}: images of several pixel sizes, but no optics table to say "
                "the common one of subtracted images. Convert the table to RELION 3.1 or later, "
                "or subtract from one pixel size at a time."
            )

    def write(self, path: Path, rows: SubtractedRows) -> None:
        """Write the table's rows with their new images; see `SubtractedInTable`."""
        document, labels = self.document, self.block.labels
        columns: Columns = {IMAGE_LABEL: rows.names, SCALE_LABEL: rows.scale}
        if HALF_SET_LABEL not in labels:
            columns[HALF_SET_LABEL] = rows.half_set
        moved = self._moved(rows)
        kept = [IMAGE_LABEL]
        if moved:
            kept += [*(label for label in ANGLE_LABELS if label in labels), *moved]
        before = document.texts(self.block, [label for label in kept if label in labels])
        zeros = ["0"] * self.block.n_rows
        for label in kept:
            # What an earlier subtraction put there leads further back.
            if intact_label(label) not in labels:
                columns[intact_label(label)] = before.get(label, zeros)
        if ORIGINAL_LABEL not in labels:
            columns[ORIGINAL_LABEL] = before[IMAGE_LABEL]
        optics = self._optics_columns(rows.box, rows.pixel_size_angstrom)
        self._write_both(path, (columns | moved, ()), (optics, ()))

    def write_intact(self, path: Path) -> None:
        """Write the table's rows with their intact images; see `SubtractedInTable`."""
        if intact_label(IMAGE_LABEL) not in self.block.labels:
            raise ParticleError(
                f"{self.document.path}: no column {intact_label(IMAGE_LABEL)}, so nothing says "
                "which intact particles these images were made from. Give a table that "
                "'cryofocus subtract' wrote, or one made from it."
            )
        optics = find_optics(self.document)
        edit = self._intact_columns(self.block, (SCALE_LABEL,))
        self._write_both(path, edit, self._intact_columns(optics) if optics else ({}, ()))

    def _intact_columns(
        self, block: StarBlock, dropped: Sequence[str] = ()
    ) -> tuple[Columns, Sequence[str]]:
        """Return the columns to put back, and those to leave out then."""
        intact = [label for label in block.labels if label.startswith(INTACT_PREFIX)]
        texts = self.document.texts(block, intact)
        back: Columns = {
            RELION_PREFIX + label.removeprefix(INTACT_PREFIX): texts[label] for label in intact
        }
        return back, [*intact, *(label for label in dropped if label in block.labels)]

    def _moved(self, rows: SubtractedRows) -> dict[str, Column]:
        """Return shifts and defocus of sub-particles, in the table's own columns."""
        units = None
        if has_pixel_shifts(self.block):
            units = np.full(len(rows.names), rows.pixel_size_angstrom)
        priors = zip(PRIOR_LABELS, SHIFT_LABELS, strict=True)
        return own_shifts(rows.moved, units) | {
            prior: rows.moved[label]
            for prior, label in priors
            if label in rows.moved and prior in self.block.labels
        }

    def _optics_columns(self, box: int, pixel_size_angstrom: float) -> Columns:
        """Return box and pixel size of every optics group, where they are not as they were."""
        block = find_optics(self.document)
        if block is None or not block.is_loop:
            return {}
        columns: Columns = {}
        for label, value in ((BOX_LABEL, box), (PIXEL_SIZE_LABEL, pixel_size_angstrom)):
            if label not in block.labels:
                continue
            before = self.document.numbers(block, [label])[label]
            if (before != value).any():
                columns[label] = [value] * block.n_rows
                if intact_label(label) not in block.labels:
                    columns[intact_label(label)] = self.document.texts(block, [label])[label]
        return columns

    def _write_both(
        self,
        path: Path,
        particles: tuple[Mapping[str, Any], Sequence[str]],
        optics: tuple[Mapping[str, Any], Sequence[str]],
    ) -> None:
        """Write a document with columns replaced and left out in both of its tables."""
        document, block = self.document, find_optics(self.document)
        with tempfile.TemporaryDirectory() as folder:
            if block is not None and any(optics):
                halfway = Path(folder) / "optics.star"
                document.write(halfway, block, optics[0], drop=optics[1])
                document = StarDocument.read(halfway)
            document.write(path, find_particles(document), particles[0], drop=particles[1])
