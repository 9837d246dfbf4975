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

from cryofocus.data.optics import read_optics
from cryofocus.data.particle_table import Column, ParticleColumns
from cryofocus.data.relion import (
    IMAGE_LABEL,
    find_particles,
    read_ctf,
    read_expansion,
    read_half_sets,
    read_micrographs,
    read_particle_table,
    read_rotations,
    read_shifts,
)
from cryofocus.data.stack_paths import parse_image_names
from cryofocus.data.star import StarDocument
from cryofocus.data.star_scan import StarBlock


@dataclass(frozen=True, eq=False)
class RelionTable:
    """The particles of a STAR file; a `ParticleTable`.

    Attributes
    ----------
    document : StarDocument
        The file.
    block : StarBlock
        Its table of particles.
    """

    document: StarDocument
    block: StarBlock

    suffix = ".star"

    @classmethod
    def open(cls, document: StarDocument) -> RelionTable:
        """Find the particles of a file.

        Raises
        ------
        ParticleError
            If there are none.
        """
        return cls(document, find_particles(document))

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
        pixel_sizes = np.array([group.pixel_size_angstrom for group in optics])
        return ParticleColumns(
            rotation=read_rotations(table),
            shift_angstrom=read_shifts(table, pixel_sizes[optics_of_particle]),
            ctf=read_ctf(table),
            half_set=read_half_sets(table),
            micrographs=read_micrographs(table),
            places=parse_image_names(table.texts[IMAGE_LABEL], table.path),
            optics=optics,
            optics_of_particle=optics_of_particle,
            expansion=read_expansion(table),
        )

    def row_name(self, row: int) -> str:
        """Name a row by its line."""
        return f"line {self.block.row_lines[row] + 1}"

    def write(
        self, path: Path, columns: Mapping[str, Column], rows: Int[np.ndarray, " m"] | None
    ) -> tuple[str, ...]:
        """Write rows with columns replaced or added; see `ParticleTable`."""
        self.document.write(path, self.block, columns, rows)
        return ()
