"""What every particle format gives and takes.

A format is one class that satisfies `ParticleTable`: it reads a file into `ParticleColumns`, in
the conventions of this package, and writes the user's own rows back with columns replaced or
added. Columns to write are named by RELION's labels, whatever the file: the table says them in
its own words, and returns those for which its format has no place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from cryofocus.data.abilities import CopiesInTable, SubtractedInTable
from cryofocus.data.expansion import Expansion
from cryofocus.data.optics import CtfShown, OpticsGroup
from cryofocus.data.stack_paths import ImagePlaces
from cryofocus.maths.ctf import CtfParameters, Microscope

Column = Sequence[Any] | np.ndarray
PixelSizeOf = Literal["table", "stack"]


@dataclass(frozen=True)
class Supplement:
    """What some formats leave to the user to say.

    Attributes:
        stack: Stack of the images, for tables that only count them (cisTEM, Frealign).
        microscope: Voltage, Cs and amplitude contrast, for tables without them (Frealign).
        pixel_size_angstrom: For tables without it (Frealign) whose stack's header does not say
            either.
        passthrough: Further files of a cryoSPARC job, joined on the particles' uid; if none is
            given, those beside the table are looked at.
        needs_poses: False where poses are about to be found: those of RELION and cryoSPARC files
            are then not read, and need not be there; every particle has rotation and shift zero.
        ctf_shown: What of the CTF images show, whatever the table says. Of `none`, columns of the
            CTF need not be there.
        pixel_size_of: Whose pixel size holds where table and stack disagree; neither if left out.
    """

    stack: Path | None = None
    microscope: Microscope | None = None
    pixel_size_angstrom: float | None = None
    passthrough: tuple[Path, ...] = ()
    needs_poses: bool = True
    ctf_shown: CtfShown | None = None
    pixel_size_of: PixelSizeOf | None = None

    @property
    def needs_ctf(self) -> bool:
        """Whether the images show anything of the CTF, so that it has to be known."""
        return self.ctf_shown != "none"


@dataclass(frozen=True, eq=False)
class Names:
    """A column of texts that repeat.

    Attributes:
        texts: Each text once.
        of_particle: Index into `texts`.
    """

    texts: tuple[str, ...]
    of_particle: Int[np.ndarray, " n"]

    @classmethod
    def index(cls, column: Iterable[str]) -> Names:
        """Take the texts of a column, in order of appearance."""
        number: dict[str, int] = {}
        of_particle = [number.setdefault(text, len(number)) for text in column]
        return cls(tuple(number), np.array(of_particle, np.int32))

    def column(self) -> list[str]:
        """Give the text of each particle."""
        return [self.texts[i] for i in self.of_particle.tolist()]


@dataclass(frozen=True, eq=False)
class ParticleColumns:
    """The particles of a file, row by row, in the conventions of this package.

    Attributes:
        places: Stack, as the file names it, and slice of each image.
        rotation: A of `cryofocus.maths.rotations`.
        shift_angstrom: x, y of the shift that, added to the image, centres the particle.
        ctf: Of the n particles.
        optics: With box 0 where the file does not say.
        optics_of_particle: Index into `optics`.
        half_set: 1 or 2; 0 if not given.
        micrographs: None if the file does not say.
        expansion: Copies under symmetry operators, as the file marks them; None if it marks none.
        protein_sign: 1 if protein is bright in the images, -1 if dark, by what the file says or
            the habit of its program; the pixels decide.
        weight: How much each particle counts, 0 to 1; None where all count fully.
        notes: What columns say that counts for nothing here, and what is done about others, in
            words for the log.
    """

    places: ImagePlaces
    rotation: Float[np.ndarray, "n 3 3"]
    shift_angstrom: Float[np.ndarray, "n 2"]
    ctf: CtfParameters
    optics: tuple[OpticsGroup, ...]
    optics_of_particle: Int[np.ndarray, " n"]
    half_set: Int[np.ndarray, " n"]
    micrographs: Names | None
    expansion: Expansion | None
    protein_sign: int
    weight: Float32[np.ndarray, " n"] | None = None
    notes: tuple[str, ...] = ()

    def with_ctf_shown(self, shown: CtfShown | None) -> ParticleColumns:
        """Return the particles with what the user says of the CTF in their images, if anything."""
        if shown is None:
            return self
        optics = tuple(
            replace(group, ctf_shown=shown, ctf_premultiplied=False) for group in self.optics
        )
        if optics == self.optics:
            return self
        note = f"--ctf {shown} holds, whatever the table says of the CTF in its images"
        return replace(self, optics=optics, notes=(*self.notes, note))


@dataclass(frozen=True, eq=False)
class Classes:
    """Classes that a file holds from an earlier classification.

    Attributes:
        class_index: From 0.
        posterior: Of every class, if the file holds them.
    """

    class_index: Int[np.ndarray, " n"]
    posterior: Float[np.ndarray, "n k"] | None


@dataclass(frozen=True, eq=False)
class ClassifiedRows:
    """Classes that were found, or the true ones, row by row.

    Attributes:
        path: The table.
        names: Image of each row, as RELION writes it; of subtracted images, the intact one.
        class_index: From 0.
        max_posterior: Highest class posterior; None if the table holds none.
        rotation: Poses; None if the table holds none.
        shift_angstrom: Shifts that belong to the poses; None if the table holds none, or its
            images were cut out of others.
        operator: Symmetry operator of each copy, from 0; None if the table does not say.
        mate_class_index: In a truth, class of the other unit of each particle.
        is_junk: In a truth, particles that show none of the states; None if it does not say.
    """

    path: Path
    names: Sequence[str]
    class_index: Int[np.ndarray, " n"]
    max_posterior: Float[np.ndarray, " n"] | None
    rotation: Float[np.ndarray, "n 3 3"] | None
    shift_angstrom: Float[np.ndarray, "n 2"] | None
    operator: Int[np.ndarray, " n"] | None
    mate_class_index: Int[np.ndarray, " n"] | None = None
    is_junk: Bool[np.ndarray, " n"] | None = None


@runtime_checkable
class ParticleTable(Protocol):
    """A particle file of some format, open for reading and for writing its rows elsewhere."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def suffix(self) -> str:
        """Ending of the names of files of this format."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""

    @property
    def copies(self) -> CopiesInTable | None:
        """Its copies under symmetry operators; None if the format has no place to mark them."""

    @property
    def subtracted(self) -> SubtractedInTable | None:
        """Its subtracted images; None if the format has no place to say what they are."""

    def columns(self) -> ParticleColumns:
        """Read everything this package understands.

        Raises:
            FormatError: If the file is damaged.
            ParticleError: If columns are missing or values make no sense.
        """

    def classes(self) -> Classes | None:
        """Read the classes that the file holds, if it does."""

    def classified(self) -> ClassifiedRows | None:
        """Read the classes and what they are compared with the truth by, if the file holds any.

        Raises:
            InputError: If the file is damaged or lacks what is needed.
        """

    def first_stack(self) -> str:
        """Name the stack of the first row, as the file does."""

    def unread(self) -> tuple[str, ...]:
        """Name the columns that this package does not understand, and only keeps."""

    def row_name(self, row: int) -> str:
        """Name a row for a message, such as `line 32`."""

    def write(
        self, path: Path, columns: Mapping[str, Column], rows: Int[np.ndarray, " m"] | None
    ) -> tuple[str, ...]:
        """Write rows with columns replaced or added; everything else stays as it is in the file.

        Args:
            path: Where to; replaced atomically.
            columns: Mapping of RELION's label (without underscore) to m values: texts, numbers, or
                an array (m, k) of vectors.
            rows: Rows to write, in this order; None writes all.

        Returns:
            Labels for which the format has no place.

        Raises:
            OutputError: Disk full, no permission.
            ValueError: If a column has not m values.
        """


def describe_lost_weights(columns: ParticleColumns) -> list[str]:
    """Say what a table without occupancies loses, if particles have any."""
    if columns.weight is None:
        return []
    n = int(np.count_nonzero(columns.weight < 1))
    return [
        f"how much particles count: {n} have occupancies below 100 or are inactive. Select those "
        "that are meant"
    ]


def read_classified(table: ParticleTable) -> ClassifiedRows | None:
    """Read what a classification found, in a table that holds poses and everything else too."""
    classes = table.classes()
    if classes is None:
        return None
    columns = table.columns()
    posterior, expansion = classes.posterior, columns.expansion
    return ClassifiedRows(
        path=table.path,
        names=[columns.places.name(row) for row in range(table.n_rows)],
        class_index=classes.class_index,
        max_posterior=None if posterior is None else posterior.max(axis=1),
        rotation=columns.rotation,
        shift_angstrom=columns.shift_angstrom,
        operator=None if expansion is None else expansion.operator_of_particle,
    )


def require_lengths(columns: Mapping[str, Column], n_rows: int) -> None:
    """Check that there is one value per row.

    Raises:
        ValueError: If a column has another number of values.
    """
    for label, column in columns.items():
        if len(column) != n_rows:
            raise ValueError(f"column {label}: {len(column)} values for {n_rows} rows")


def unposed(n: int) -> tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, "n 2"]]:
    """Give rotations and shifts of n particles whose poses are not known: none at all."""
    return np.broadcast_to(np.eye(3), (n, 3, 3)).copy(), np.zeros((n, 2))
