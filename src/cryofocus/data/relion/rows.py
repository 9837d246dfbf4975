"""Rows of a STAR file that has a few columns only, such as the truth of a simulated set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from cryofocus.data.labels import (
    ANGLE_LABELS,
    CLASS_LABEL,
    EXPANSION_LABELS,
    IMAGE_LABEL,
    MAX_POSTERIOR_LABEL,
    POSTERIOR_LABEL,
    SHIFT_LABELS,
)
from cryofocus.data.particle_table import ClassifiedRows
from cryofocus.data.relion.columns import read_vectors
from cryofocus.data.relion.subtracted import intact_label
from cryofocus.data.star.document import StarDocument
from cryofocus.data.star.scan import StarBlock
from cryofocus.errors import ParticleError
from cryofocus.maths.rotations import rotation_from_euler

# Images from which density was subtracted have new names, and keep that of the intact one.
INTACT_NAME = intact_label(IMAGE_LABEL)


@dataclass(frozen=True, eq=False)
class StarRows:
    """The one table of a STAR file that lists particles; only what is asked for need be there.

    Attributes:
        document: The file.
        block: Its table of particles.
    """

    document: StarDocument
    block: StarBlock

    @classmethod
    def read(cls, path: Path) -> StarRows:
        """Read a file.

        Raises:
            InputError: If it cannot be read or lists no particles.
        """
        document = StarDocument.read(path)
        block = document.block_with(IMAGE_LABEL)
        if block is None or block.n_rows == 0:
            raise ParticleError(
                f"{path}: no particles found; expected a table with the column {IMAGE_LABEL}"
            )
        return cls(document, block)

    @property
    def path(self) -> Path:
        """The file."""
        return self.document.path

    def has(self, *labels: str) -> bool:
        """Whether the table has columns."""
        return all(label in self.block.labels for label in labels)

    def numbers(self, *labels: str) -> Float[np.ndarray, "n labels"]:
        """Read columns of numbers."""
        self._require(labels)
        columns = self.document.numbers(self.block, labels)
        return np.stack([columns[label] for label in labels], axis=1)

    def texts(self, label: str) -> list[str]:
        """Read a column of texts."""
        self._require((label,))
        return self.document.texts(self.block, [label])[label]

    def rotation(self) -> Float[np.ndarray, "n 3 3"] | None:
        """Read the poses, if the table holds them."""
        return (
            rotation_from_euler(self.numbers(*ANGLE_LABELS)) if self.has(*ANGLE_LABELS) else None
        )

    def shift_angstrom(self) -> Float[np.ndarray, "n 2"] | None:
        """Read the shifts, if the table holds them."""
        return self.numbers(*SHIFT_LABELS) if self.has(*SHIFT_LABELS) else None

    def counted(self, label: str) -> Int[np.ndarray, " n"]:
        """Read a column of whole numbers from 1, and count them from 0."""
        numbers = self.numbers(label)[:, 0]
        wrong: Bool[np.ndarray, " n"] = (numbers < 1) | (numbers != np.round(numbers))
        if wrong.any():
            raise ParticleError(f"{self.path}: {label} must hold whole numbers from 1")
        return np.asarray(numbers.astype(np.int64) - 1)

    def classified(self) -> ClassifiedRows:
        """Read what a classification found."""
        is_subtracted, operator = self.has(INTACT_NAME), EXPANSION_LABELS[1]
        return ClassifiedRows(
            path=self.path,
            names=self.texts(INTACT_NAME if is_subtracted else IMAGE_LABEL),
            class_index=self.counted(CLASS_LABEL),
            max_posterior=self._max_posterior(),
            rotation=self.rotation(),
            shift_angstrom=None if is_subtracted else self.shift_angstrom(),
            operator=self.counted(operator) if self.has(operator) else None,
        )

    def _max_posterior(self) -> Float[np.ndarray, " n"] | None:
        """Highest class posterior of each particle, if the table holds posteriors."""
        table = self.document.read_table(self.block, text=[POSTERIOR_LABEL])
        posteriors = read_vectors(table, POSTERIOR_LABEL)
        if posteriors is not None:
            return np.asarray(posteriors.max(axis=1))
        if self.has(MAX_POSTERIOR_LABEL):
            return self.numbers(MAX_POSTERIOR_LABEL)[:, 0]
        return None

    def _require(self, labels: tuple[str, ...]) -> None:
        missing = [label for label in labels if not self.has(label)]
        if missing:
            raise ParticleError(
                f"{self.path}: the particle table has no column {', '.join(missing)}; "
                "give a classified STAR file first and the set's truth.star second"
            )
