"""RELION's particle STAR files (3.0, 3.1, 4 and 5).

Conventions are this package's own: rot, tilt, psi in degrees, origins in Å (before 3.1 in pixels)
that centre the particle, images counted from 1. Source: RELION's documentation, Conventions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from cryofocus.data.labels import (
    CLASS_LABEL,
    IMAGE_LABEL,
    MAX_POSTERIOR_LABEL,
    POSTERIOR_LABEL,
    SHIFT_LABELS,
)
from cryofocus.data.particle_format import ParticleFile
from cryofocus.data.particle_table import (
    Classes,
    ClassifiedRows,
    Column,
    ParticleColumns,
    Supplement,
    unposed,
)
from cryofocus.data.plausible import is_count, require_plausible
from cryofocus.data.relion.columns import (
    UNDERSTOOD_LABELS,
    find_particles,
    own_shifts,
    read_ctf,
    read_half_sets,
    read_micrographs,
    read_particle_table,
    read_posteriors,
    read_rotations,
    read_shifts,
    shift_units,
)
from cryofocus.data.relion.copies import RelionCopies, read_expansion
from cryofocus.data.relion.meaning import (
    note_unused,
    refuse_contradictions,
    refuse_other_models,
)
from cryofocus.data.relion.optics import read_optics
from cryofocus.data.relion.rows import read_rows
from cryofocus.data.relion.subtracted import RelionSubtracted
from cryofocus.data.stack_paths import parse_image_names
from cryofocus.data.star.document import StarDocument
from cryofocus.data.star.scan import StarBlock
from cryofocus.errors import ParticleError


@dataclass(frozen=True, eq=False)
class RelionTable:
    """The particles of a STAR file; a `ParticleTable`.

    Attributes:
        document: The file.
        block: Its table of particles.
        needs_poses: Whether angles and origins are read.
        needs_ctf: Whether columns of the CTF have to be there.
    """

    document: StarDocument
    block: StarBlock
    needs_poses: bool = True
    needs_ctf: bool = True

    suffix = ".star"

    @classmethod
    def open(cls, file: ParticleFile, supplement: Supplement) -> RelionTable:
        """Find the particles of a file.

        Raises:
            ParticleError: If there are none.
        """
        block = find_particles(file.star)
        return cls(file.star, block, supplement.needs_poses, supplement.needs_ctf)

    @property
    def path(self) -> Path:
        """The file."""
        return self.document.path

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.block.n_rows

    def columns(self) -> ParticleColumns:
        """Read what this package understands; see `ParticleTable`."""
        refuse_other_models(self.document)
        table = read_particle_table(self.document)
        refuse_contradictions(self.document, self.block)
        optics, optics_of_particle = read_optics(table, needs_ctf=self.needs_ctf)
        rotation, shift = unposed(table.n_rows)
        if self.needs_poses:
            pixel_sizes = np.array([group.pixel_size_angstrom for group in optics])
            rotation = read_rotations(table)
            shift = read_shifts(table, pixel_sizes[optics_of_particle])
        columns = ParticleColumns(
            rotation=rotation,
            shift_angstrom=shift,
            ctf=read_ctf(table, needed=self.needs_ctf),
            half_set=read_half_sets(table),
            micrographs=read_micrographs(table),
            places=parse_image_names(table.texts[IMAGE_LABEL], table.path),
            optics=optics,
            optics_of_particle=optics_of_particle,
            expansion=read_expansion(table),
            protein_sign=1,
            notes=note_unused(self.document, self.block),
        )
        return require_plausible(columns, self)

    @property
    def copies(self) -> RelionCopies:
        """Its copies under symmetry operators."""
        return RelionCopies(self.document, self.block)

    @property
    def subtracted(self) -> RelionSubtracted:
        """Its images from which density was subtracted."""
        return RelionSubtracted(self.document, self.block)

    def first_stack(self) -> str:
        """Name the stack of the first row, without reading the other columns."""
        names = self.document.texts(self.block, [IMAGE_LABEL])[IMAGE_LABEL][:1]
        return parse_image_names(names, self.path).stacks[0]

    def classes(self) -> Classes | None:
        """Read rlnClassNumber and, as cryofocus writes them, posteriors."""
        table = self.document.read_table(self.block, numeric=[CLASS_LABEL], text=[POSTERIOR_LABEL])
        if not table.has(CLASS_LABEL):
            return None
        numbers = table.finite(CLASS_LABEL)
        if (numbers < 1).any():
            return None  # 0 stands for no class
        if not (is_class := is_count(numbers, 1)).all():
            row = int(np.argmin(is_class))
            raise ParticleError(
                f"{table.place(row)}: {CLASS_LABEL} is {numbers[row]:g}, expected a whole number "
                "from 1. Correct or remove the column."
            )
        return Classes(numbers.astype(np.int64) - 1, read_posteriors(table))

    def classified(self) -> ClassifiedRows:
        """Read what a classification found, whatever else the table lacks."""
        return read_rows(self.document, self.block)

    def unread(self) -> tuple[str, ...]:
        """Name what is kept without being understood."""
        known = {*UNDERSTOOD_LABELS, CLASS_LABEL, POSTERIOR_LABEL, MAX_POSTERIOR_LABEL}
        return tuple(label for label in self.block.labels if label not in known)

    def row_name(self, row: int) -> str:
        """Name a row by its line."""
        return f"line {self.block.row_lines[row] + 1}"

    def write(
        self, path: Path, columns: Mapping[str, Column], rows: Int[np.ndarray, " m"] | None
    ) -> tuple[str, ...]:
        """Write rows with columns replaced or added; see `ParticleTable`."""
        units = None
        if any(label in columns for label in SHIFT_LABELS):
            units = shift_units(self.document, self.block)
        own = own_shifts(columns, units if units is None or rows is None else units[rows])
        self.document.write(path, self.block, own, rows)
        return ()
