"""What tables of some formats can do beyond their rows.

Mark copies of particles under symmetry operators, and say of images from which density was
subtracted what they were made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int, Int8

from cryofocus.data.expansion import Expansion
from cryofocus.data.labels import EXPANSION_LABELS, HALF_SET_LABEL, pose_columns


@dataclass(frozen=True, eq=False)
class CopiedRows:
    """Some rows of a table, each once under every operator, the identity first.

    Attributes:
        parents: Rows that are copied.
        rotation: Of every copy.
        shift_angstrom: Of every copy; None if the operators only turn, so that shifts stay.
        half_set: Of the parents; None if the table's own are good.
    """

    parents: Int[np.ndarray, " k"]
    rotation: Float[np.ndarray, "k n_operators 3 3"]
    shift_angstrom: Float[np.ndarray, "k n_operators 2"] | None
    half_set: Int[np.ndarray, " k"] | None

    @property
    def n_operators(self) -> int:
        """Copies of each row."""
        return int(self.rotation.shape[1])

    @property
    def rows(self) -> Int[np.ndarray, " copies"]:
        """Row that each copy is made from; copies follow their parent."""
        return np.repeat(self.parents, self.n_operators)

    def poses(self) -> dict[str, Float[np.ndarray, " copies"]]:
        """Give rot, tilt, psi and, if they move, origins of all copies, by label."""
        shift = self.shift_angstrom
        return pose_columns(
            self.rotation.reshape(-1, 3, 3), None if shift is None else shift.reshape(-1, 2)
        )

    def marks(self) -> dict[str, Int[np.ndarray, " copies"]]:
        """Give half sets, if the table has none of use, parents and operators, by label."""
        n = self.n_operators
        marks: dict[str, np.ndarray] = {}
        if self.half_set is not None:
            marks[HALF_SET_LABEL] = np.repeat(self.half_set, n)
        marks[EXPANSION_LABELS[0]] = self.rows + 1
        marks[EXPANSION_LABELS[1]] = np.tile(np.arange(1, n + 1), len(self.parents))
        return marks


@runtime_checkable
class CopiesInTable(Protocol):
    """The copies in a table whose format has a place for parents and operators."""

    @property
    def unmarked(self) -> str:
        """What a message says of a table that marks none: which columns it lacks."""

    def read(self) -> Expansion | None:
        """Read which rows are copies of which particle; None where nothing says so.

        Raises:
            ParticleError: If the marks make no sense.
        """

    def write(self, path: Path, parts: Iterable[CopiedRows]) -> None:
        """Write copies of the rows, part by part.

        Args:
            path: Where to; replaced atomically.
            parts: Of neighbouring rows, in order; made one by one where the format allows.

        Raises:
            OutputError: Disk full, no permission.
        """

    def write_parents(
        self, path: Path, columns: Mapping[str, np.ndarray], rows: Int[np.ndarray, " m"]
    ) -> None:
        """Write one copy of each particle as the particle itself, without marks.

        Args:
            path: Where to; replaced atomically.
            columns: Mapping of RELION's label to m values to add.
            rows: The copies to write.

        Raises:
            OutputError: Disk full, no permission.
        """


@dataclass(frozen=True, eq=False)
class SubtractedRows:
    """What is new in a table, row by row.

    Attributes:
        names: Image of each particle, as `rlnImageName` says it.
        half_set: 1 or 2.
        scale: Intensity with which the density was subtracted.
        box: Edge of the new images in pixels.
        pixel_size_angstrom: Of the new images.
        moved: By label, shifts (Å) and defoci of the part that images were cut around; empty where
            images stay whole.
    """

    names: Sequence[str]
    half_set: Int8[np.ndarray, " particle"]
    scale: Float32[np.ndarray, " particle"]
    box: int
    pixel_size_angstrom: float
    moved: Mapping[str, Float[np.ndarray, " particle"]]


@runtime_checkable
class SubtractedInTable(Protocol):
    """The images in a table whose format can say what intact images they were made from."""

    @property
    def stack_suffix(self) -> str:
        """How the names of image stacks end for its program."""

    @property
    def are_cut(self) -> bool:
        """Whether its images were cut around a mask."""

    def require_place_for_pixel_size(self) -> None:
        """Check that images of several pixel sizes can be said to have one.

        Raises:
            ParticleError: If they cannot.
        """

    def write(self, path: Path, rows: SubtractedRows) -> None:
        """Write the table's rows with their new images; the intact ones stand beside them.

        Raises:
            OutputError: Disk full, no permission.
        """

    def write_intact(self, path: Path) -> None:
        """Write the table's rows with their intact images.

        Raises:
            ParticleError: If the table does not say where its images come from.
            OutputError: Disk full, no permission.
        """
