"""What `evaluate` reads: the classes found, in any format that says them, and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from cryofocus.data.cryosparc.table import CryosparcTable
from cryofocus.data.formats import open_table
from cryofocus.data.relion.columns import SHIFT_LABELS
from cryofocus.data.relion.table import RelionTable
from cryofocus.data.star.document import StarDocument
from cryofocus.data.star.scan import StarBlock
from cryofocus.errors import ParticleError
from cryofocus.maths.rotations import rotation_from_euler

_NAME, _CLASS, _MATE = "rlnImageName", "rlnClassNumber", "cryofocusClassMate"
# Images from which density was subtracted have new names, and keep that of the intact one.
_INTACT_NAME = "cryofocusIntactImageName"
_POSTERIORS, _MAX_POSTERIOR = "cryofocusClassPosterior", "rlnMaxValueProbDistribution"
_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_OPERATOR = "cryofocusOperator"


@dataclass(frozen=True, eq=False)
class ClassifiedRows:
    """What a classification found, row by row.

    Attributes:
        path: The table.
        names: Image of each row, as RELION writes it.
        class_index: `(row,)` from 0.
        max_posterior: `(row,)` highest class posterior; None if the table holds none.
        rotation: `(row, 3, 3)` poses; None if the table holds none.
        shift_angstrom: `(row, 2)` shifts that belong to the poses; None if the table holds none,
            or its images were cut out of others.
        operator: `(row,)` symmetry operator of each copy, from 0; None if the table does not say.
    """

    path: Path
    names: Sequence[str]
    class_index: Int[np.ndarray, " n"]
    max_posterior: Float[np.ndarray, " n"] | None
    rotation: Float[np.ndarray, "n 3 3"] | None
    shift_angstrom: Float[np.ndarray, "n 2"] | None
    operator: Int[np.ndarray, " n"] | None


@dataclass(frozen=True)
class TruthTable:
    """The particles of truth.star."""

    table: _StarRows

    @classmethod
    def read(cls, path: Path) -> TruthTable:
        """Read the truth of a simulated set.

        Raises:
            InputError: If it cannot be read or lists no particles.
        """
        return cls(_StarRows.read(path))

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
        return self.table.texts(_NAME)

    def class_index(self) -> Int[np.ndarray, " n"]:
        """Give the true class, from 0."""
        return self.table.class_index(_CLASS)

    def mate_class_index(self) -> Int[np.ndarray, " n"]:
        """Give the true class of the other unit, from 0."""
        return self.table.class_index(_MATE)

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
    table = open_table(path)
    if isinstance(table, RelionTable):
        return _read_star(_StarRows(table.document, table.block))
    classes = table.classes() if isinstance(table, CryosparcTable) else None
    if classes is None:
        raise ParticleError(
            f"{path}: does not say the class of each particle; expected a RELION STAR file with "
            f"{_CLASS} or a cryoSPARC .cs file with alignments3D/class. Give the table of a run "
            "directory; to score a set of cisTEM or Frealign, convert it before it is classified "
            "(cryofocus convert)."
        )
    columns = table.columns()
    posterior, expansion = classes.posterior, columns.expansion
    return ClassifiedRows(
        path=path,
        names=[columns.places.name(row) for row in range(table.n_rows)],
        class_index=classes.class_index,
        max_posterior=None if posterior is None else posterior.max(axis=1),
        rotation=columns.rotation,
        shift_angstrom=columns.shift_angstrom,
        operator=None if expansion is None else expansion.operator_of_particle,
    )


def _read_star(rows: _StarRows) -> ClassifiedRows:
    return ClassifiedRows(
        path=rows.path,
        names=rows.texts(_INTACT_NAME if rows.has(_INTACT_NAME) else _NAME),
        class_index=rows.class_index(_CLASS),
        max_posterior=rows.max_posterior(),
        rotation=rows.rotation(),
        shift_angstrom=None if rows.has(_INTACT_NAME) else rows.shift_angstrom(),
        operator=rows.class_index(_OPERATOR) if rows.has(_OPERATOR) else None,
    )


@dataclass(frozen=True)
class _StarRows:
    """The one table of a STAR file that lists particles."""

    document: StarDocument
    block: StarBlock

    @classmethod
    def read(cls, path: Path) -> _StarRows:
        document = StarDocument.read(path)
        block = document.block_with(_NAME)
        if block is None or block.n_rows == 0:
            raise ParticleError(
                f"{path}: no particles found; expected a table with the column {_NAME}"
            )
        return cls(document, block)

    @property
    def path(self) -> Path:
        return self.document.path

    def has(self, *labels: str) -> bool:
        return all(label in self.block.labels for label in labels)

    def numbers(self, *labels: str) -> Float[np.ndarray, "n labels"]:
        self._require(labels)
        columns = self.document.numbers(self.block, labels)
        return np.stack([columns[label] for label in labels], axis=1)

    def texts(self, label: str) -> list[str]:
        self._require((label,))
        return self.document.texts(self.block, [label])[label]

    def rotation(self) -> Float[np.ndarray, "n 3 3"] | None:
        return rotation_from_euler(self.numbers(*_ANGLES)) if self.has(*_ANGLES) else None

    def shift_angstrom(self) -> Float[np.ndarray, "n 2"] | None:
        return self.numbers(*SHIFT_LABELS) if self.has(*SHIFT_LABELS) else None

    def class_index(self, label: str) -> Int[np.ndarray, " n"]:
        """Class numbers of a column, counted from zero."""
        numbers = self.numbers(label)[:, 0]
        wrong: Bool[np.ndarray, " n"] = (numbers < 1) | (numbers != np.round(numbers))
        if wrong.any():
            raise ParticleError(f"{self.path}: {label} must hold whole numbers from 1")
        return np.asarray(numbers.astype(np.int64) - 1)

    def max_posterior(self) -> Float[np.ndarray, " n"] | None:
        """Highest class posterior of each particle, if the table holds posteriors."""
        if self.has(_POSTERIORS):
            texts = self.texts(_POSTERIORS)
            try:
                rows = [[float(p) for p in text.strip("[]").split(",")] for text in texts]
            except ValueError as error:
                raise ParticleError(
                    f"{self.path}: {_POSTERIORS} must look like [0.9,0.1] ({error})"
                ) from error
            return np.array([max(posteriors) for posteriors in rows])
        if self.has(_MAX_POSTERIOR):
            return self.numbers(_MAX_POSTERIOR)[:, 0]
        return None

    def _require(self, labels: tuple[str, ...]) -> None:
        missing = [label for label in labels if not self.has(label)]
        if missing:
            raise ParticleError(
                f"{self.path}: the particle table has no column {', '.join(missing)}; "
                "give a classified STAR file first and the set's truth.star second"
            )
