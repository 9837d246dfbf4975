"""Copies under symmetry operators in a .cs file, marked as cryoSPARC's own expansion does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from cryofocus.data.abilities import CopiedRows
from cryofocus.data.cryosparc.dataset import CsDataset
from cryofocus.data.cryosparc.fields import EXPANSION_FIELDS, say_in_fields
from cryofocus.data.expansion import Expansion, first_repeat
from cryofocus.data.grouping import group_rows


@dataclass(frozen=True, eq=False)
class CryosparcCopies:
    """The copies among the particles of a job; a `CopiesInTable`.

    Attributes:
        dataset: The particles.
    """

    dataset: CsDataset

    @property
    def unmarked(self) -> str:
        """Name the fields that are not there."""
        return f"no {' and '.join(EXPANSION_FIELDS)} that tell copies apart"

    def read(self) -> Expansion | None:
        """Read parents and operators; None where they do not tell copies apart, as for helices."""
        if not all(map(self.dataset.has, EXPANSION_FIELDS)):
            return None
        source, operator = (self.dataset.column(name) for name in EXPANSION_FIELDS)
        parent = group_rows([source])[1].astype(np.int64)
        operator = operator.astype(np.int64)
        if (operator < 0).any() or first_repeat(parent, operator) is not None:
            return None
        return Expansion(parent, operator)

    def write(self, path: Path, parts: Iterable[CopiedRows]) -> None:
        """Write copies, all in one piece: numbers are small; see `CopiesInTable`."""
        pieces = [(part.rows, part.poses() | part.marks()) for part in parts]
        rows = np.concatenate([rows for rows, _ in pieces])
        columns = {
            label: np.concatenate([columns[label] for _, columns in pieces])
            for label in pieces[0][1]
        }
        self.dataset.write(path, say_in_fields(self.dataset, columns, rows).fields, rows)

    def write_parents(
        self, path: Path, columns: Mapping[str, np.ndarray], rows: Int[np.ndarray, " m"]
    ) -> None:
        """Write one copy of each particle, with the uid it had; see `CopiesInTable`."""
        fields = say_in_fields(self.dataset, columns, rows).fields
        fields["uid"] = self.dataset.column(EXPANSION_FIELDS[0])[rows]
        self.dataset.write(path, fields, rows, drop=EXPANSION_FIELDS)
