"""cisTEM's parameter tables as text (STAR); for the columns see `cistem`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from cryofocus.data.cistem.columns import (
    MICROGRAPH,
    NUMBERS,
    OCCUPANCY,
    STACK,
    UNUSED,
    CountedRows,
    CountedTable,
    as_names,
    say_in_files,
    telling_columns,
)
from cryofocus.data.cistem.subtracted import CountedSubtracted
from cryofocus.data.foreign.column_uses import CISTEM
from cryofocus.data.particle_format import ParticleFile
from cryofocus.data.particle_table import Column, ParticleColumns, Supplement
from cryofocus.data.star.document import StarDocument
from cryofocus.data.star.scan import StarBlock

PREFIX = "cisTEM"


def find_cistem_block(document: StarDocument) -> StarBlock | None:
    """Return a file's first loop with a column of cisTEM's, or None."""
    for block in document.blocks:
        if block.is_loop and any(label.startswith(PREFIX) for label in block.labels):
            return block
    return None


@dataclass(frozen=True, eq=False)
class CistemStarTable(CountedTable):
    """The particles of a cisTEM STAR file; a `ParticleTable`."""

    document: StarDocument
    block: StarBlock
    supplement: Supplement

    suffix = ".star"

    @classmethod
    def open(cls, file: ParticleFile, supplement: Supplement) -> CistemStarTable:
        """Take the table of cisTEM's that a file holds."""
        block = find_cistem_block(file.star)
        if block is None:
            raise ValueError(f"{file.path}: no table of cisTEM's")
        return cls(file.star, block, supplement)

    @property
    def path(self) -> Path:
        """The file."""
        return self.document.path

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.block.n_rows

    @property
    def subtracted(self) -> CountedSubtracted:
        """Its images from which density was subtracted."""
        return CountedSubtracted(self, self._reopen)

    def _reopen(self, path: Path) -> CistemStarTable:
        return self.open(ParticleFile.read(path), Supplement())

    def columns(self) -> ParticleColumns:
        """Read what this package understands; see `ParticleTable`."""
        table = self.document.read_table(
            self.block,
            numeric=[PREFIX + label for label in (*NUMBERS, *UNUSED)],
            text=[PREFIX + STACK, PREFIX + MICROGRAPH],
        )
        numbers = {label.removeprefix(PREFIX): v for label, v in table.numbers.items()}
        stacks, micrographs = (
            as_names(table.texts[PREFIX + label]) if PREFIX + label in table.texts else None
            for label in (STACK, MICROGRAPH)
        )
        telling = telling_columns(numbers, CISTEM)
        rows = CountedRows(self.path, numbers, stacks, micrographs, self.row_name, telling)
        return rows.columns(self.supplement.stack)

    def unread(self) -> tuple[str, ...]:
        """Name what is kept without being understood."""
        known = {PREFIX + label for label in (*NUMBERS, STACK, MICROGRAPH)}
        return tuple(label for label in self.block.labels if label not in known)

    def row_name(self, row: int) -> str:
        """Name a row by its line."""
        return f"line {self.block.row_lines[row] + 1}"

    def write(
        self, path: Path, columns: Mapping[str, Column], rows: Int[np.ndarray, " m"] | None
    ) -> tuple[str, ...]:
        """Write rows with columns changed, and one file per class; see `ParticleTable`."""
        n_rows = self.n_rows if rows is None else len(rows)
        name = PREFIX + OCCUPANCY
        before = self.document.read_table(self.block, numeric=[name]).numbers.get(name)
        before = before if before is None or rows is None else before[rows]
        files, lost = say_in_files(path, columns, n_rows, before)
        for own_path, said in files:
            named = {PREFIX + label: values for label, values in said.items()}
            self.document.write(own_path, self.block, named, rows)
        return lost
