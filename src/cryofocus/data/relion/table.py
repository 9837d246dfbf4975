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

from cryofocus.data.expansion import Expansion
from cryofocus.data.optics import read_optics
from cryofocus.data.particle_table import Classes, Column, ParticleColumns, unposed
from cryofocus.data.relion.columns import (
    CLASS_LABEL,
    EXPANSION_LABELS,
    IMAGE_LABEL,
    MAX_POSTERIOR_LABEL,
    POSTERIOR_LABEL,
    UNDERSTOOD_LABELS,
    find_particles,
    read_ctf,
    read_expansion,
    read_half_sets,
    read_micrographs,
    read_particle_table,
    read_rotations,
    read_shifts,
    read_vectors,
)
from cryofocus.data.stack_paths import parse_image_names
from cryofocus.data.star.document import StarDocument
from cryofocus.data.star.scan import StarBlock


@dataclass(frozen=True, eq=False)
class RelionTable:
    """The particles of a STAR file; a `ParticleTable`.

    Attributes:
        document: The file.
        block: Its table of particles.
        needs_poses: Whether angles and origins are read.
    """

    document: StarDocument
    block: StarBlock
    needs_poses: bool = True

    suffix = ".star"

    @classmethod
    def open(cls, document: StarDocument, *, needs_poses: bool = True) -> RelionTable:
        """Find the particles of a file.

        Raises:
            ParticleError: If there are none.
        """
        return cls(document, find_particles(document), needs_poses)

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
        table = read_particle_table(self.document)
        optics, optics_of_particle = read_optics(table)
        rotation, shift = unposed(table.n_rows)
        if self.needs_poses:
            pixel_sizes = np.array([group.pixel_size_angstrom for group in optics])
            rotation = read_rotations(table)
            shift = read_shifts(table, pixel_sizes[optics_of_particle])
        return ParticleColumns(
            rotation=rotation,
            shift_angstrom=shift,
            ctf=read_ctf(table),
            half_set=read_half_sets(table),
            micrographs=read_micrographs(table),
            places=parse_image_names(table.texts[IMAGE_LABEL], table.path),
            optics=optics,
            optics_of_particle=optics_of_particle,
            expansion=read_expansion(table),
            protein_sign=1,
        )

    def expansion(self) -> Expansion | None:
        """Read which rows are copies of which particle; None where no columns say so."""
        return read_expansion(self.document.read_table(self.block, numeric=EXPANSION_LABELS))

    def classes(self) -> Classes | None:
        """Read rlnClassNumber and, as cryofocus writes them, posteriors."""
        table = self.document.read_table(self.block, numeric=[CLASS_LABEL], text=[POSTERIOR_LABEL])
        if not table.has(CLASS_LABEL):
            return None
        index = table.finite(CLASS_LABEL).astype(np.int64) - 1
        if (index < 0).any():
            return None  # 0 stands for no class
        return Classes(index, read_vectors(table, POSTERIOR_LABEL))

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
        self.document.write(path, self.block, columns, rows)
        return ()

    def write_parents(
        self, path: Path, columns: Mapping[str, Column], rows: Int[np.ndarray, " m"]
    ) -> None:
        """Write one copy of each particle as the particle itself.

        Args:
            path: Where to; replaced atomically.
            columns: Mapping of label to m values: to add.
            rows: The copies to write.

        Raises:
            OutputError: Disk full, no permission.
        """
        self.document.write(path, self.block, columns, rows, drop=EXPANSION_LABELS)
