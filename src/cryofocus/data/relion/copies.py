"""Copies under symmetry operators in a STAR file, marked by two columns of cryofocus's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from cryofocus.data.abilities import CopiedRows
from cryofocus.data.expansion import Expansion, first_repeat
from cryofocus.data.labels import EXPANSION_LABELS
from cryofocus.data.particle_table import Column
from cryofocus.data.plausible import is_count
from cryofocus.data.relion.columns import own_shifts, shift_units
from cryofocus.data.star.document import StarDocument, StarTable
from cryofocus.data.star.scan import StarBlock
from cryofocus.errors import ParticleError


@dataclass(frozen=True, eq=False)
class RelionCopies:
    """The copies in a table of particles; a `CopiesInTable`.

    Attributes:
        document: The file.
        block: Its table of particles.
    """

    document: StarDocument
    block: StarBlock

    @property
    def unmarked(self) -> str:
        """Name the columns that are not there."""
        return f"{self.block.title} has no {' and no '.join(EXPANSION_LABELS)}"

    def read(self) -> Expansion | None:
        """Read parents and operators; see `CopiesInTable`."""
        return read_expansion(self.document.read_table(self.block, numeric=EXPANSION_LABELS))

    def write(self, path: Path, parts: Iterable[CopiedRows]) -> None:
        """Write copies, only one part of which is in memory at a time; see `CopiesInTable`."""
        self.document.write_parts(path, self.block, self._cells(parts))

    def write_parents(
        self, path: Path, columns: Mapping[str, np.ndarray], rows: Int[np.ndarray, " m"]
    ) -> None:
        """Write one copy of each particle, byte for byte; see `CopiesInTable`."""
        self.document.write(path, self.block, columns, rows, drop=EXPANSION_LABELS)

    def _cells(
        self, parts: Iterable[CopiedRows]
    ) -> Iterator[tuple[Int[np.ndarray, " copies"], dict[str, Column]]]:
        texts: dict[str, list[str]] | None = None
        units = shift_units(self.document, self.block)
        for part in parts:
            poses = own_shifts(part.poses(), None if units is None else units[part.rows])
            if texts is None:
                known = [label for label in poses if label in self.block.labels]
                texts = self.document.texts(self.block, known)
            neighbours = slice(part.parents[0], part.parents[-1] + 1)
            columns: dict[str, Column] = {}
            for label, values in poses.items():
                cells = [f"{value:.6f}" for value in values]
                if label in texts:  # the identity leaves the cell as it was written
                    cells[:: part.n_operators] = texts[label][neighbours]
                columns[label] = cells
            yield part.rows, {**columns, **part.marks()}


def read_expansion(table: StarTable) -> Expansion | None:
    """Give parents and operators of a symmetry-expanded set; None where a table has none.

    Raises:
        ParticleError: If only one of the two columns is there, a value is not a whole number from
            1, or a parent has an operator twice.
    """
    missing = [label for label in EXPANSION_LABELS if not table.has(label)]
    if len(missing) == len(EXPANSION_LABELS):
        return None
    if missing:
        raise ParticleError(
            f"{table.path}: {table.block.title} has no {missing[0]}, but the other column "
            f"of a symmetry-expanded set; expected {' and '.join(EXPANSION_LABELS)}. Give the "
            "table as 'cryofocus expand' wrote it."
        )
    for label in EXPANSION_LABELS:
        values = table.numbers[label]
        wrong = np.flatnonzero(~is_count(values, 1))
        if wrong.size:
            raise ParticleError(
                f"{table.place(int(wrong[0]))}: {label} is {values[wrong[0]]:g}, expected a whole "
                "number from 1. Give the table as 'cryofocus expand' wrote it."
            )
    parent, operator = (table.numbers[label].astype(np.int64) - 1 for label in EXPANSION_LABELS)
    if repeat := first_repeat(parent, operator):
        raise ParticleError(
            f"{table.place(repeat[1])}: a second copy of particle {parent[repeat[0]] + 1} under "
            f"operator {operator[repeat[0]] + 1}, the first being on line "
            f"{table.block.row_lines[repeat[0]] + 1}; expected one. Expanded tables cannot be "
            "joined: join the tables first, then expand."
        )
    return Expansion(parent, operator)
