"""What `evaluate` reads: the classes found, in any format that says them, and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from cryofocus.data.formats import open_table
from cryofocus.data.labels import CLASS_LABEL, IMAGE_LABEL
from cryofocus.data.particle_table import ClassifiedRows
from cryofocus.data.relion.rows import StarRows
from cryofocus.errors import ParticleError

_MATE = "cryofocusClassMate"


@dataclass(frozen=True)
class TruthTable:
    """The particles of truth.star."""

    table: StarRows

    @classmethod
    def read(cls, path: Path) -> TruthTable:
        """Read the truth of a simulated set.

        Raises:
            InputError: If it cannot be read or lists no particles.
        """
        return cls(StarRows.read(path))

    @property
    def path(self) -> Path:
        """The file."""
        return self.table.path

    @property
    def has_mates(self) -> bool:
        """Whether it says the class of the other unit of each particle."""
        return self.table.has(_MATE)

    def names(self) -> list[str]:
        """Image of each particle."""
        return self.table.texts(IMAGE_LABEL)

    def class_index(self) -> Int[np.ndarray, " n"]:
        """Give the true class, from 0."""
        return self.table.counted(CLASS_LABEL)

    def mate_class_index(self) -> Int[np.ndarray, " n"]:
        """Give the true class of the other unit, from 0."""
        return self.table.counted(_MATE)

    def rotation(self) -> Float[np.ndarray, "n 3 3"] | None:
        """Give the true poses, if it says them."""
        return self.table.rotation()

    def shift_angstrom(self) -> Float[np.ndarray, "n 2"] | None:
        """Give the true shifts, if it says them."""
        return self.table.shift_angstrom()


def read_classified(path: Path) -> ClassifiedRows:
    """Read the classes that were found.

    Args:
        path: RELION STAR file with rlnClassNumber, or cryoSPARC .cs file.

    Raises:
        InputError: If the file cannot be read, or does not say the class of each particle.
    """
    found = open_table(path).classified()
    if found is None:
        raise ParticleError(
            f"{path}: does not say the class of each particle; expected a RELION STAR file with "
            f"{CLASS_LABEL} or a cryoSPARC .cs file with alignments3D/class. Give the table of a "
            "run directory; to score a set of cisTEM or Frealign, convert it before it is "
            "classified (cryofocus convert)."
        )
    return found
