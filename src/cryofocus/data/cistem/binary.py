"""cisTEM's parameter tables in binary (.cistem); for the columns see `cistem`.

A 32-bit number of columns and one of rows; for each column a 64-bit identifier, one bit set, and a
byte for its type; then the rows, packed. Types: 2 integer, 3 single, 5 long, 6 double, 9 unsigned,
and 8 for a text, behind its 32-bit length. Little-endian. Source: cisTEM 2.0, `cistem_parameters`
and `cistem_star_file_reader`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NoReturn

import numpy as np
from jaxtyping import Int, Shaped

from cryofocus.data.atomic import atomic_file
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
from cryofocus.data.particle_table import Column, Names, ParticleColumns, Supplement
from cryofocus.errors import FormatError, InputError

LABEL_OF_BIT = dict(
    enumerate(
        (
            *("PositionInStack", "ImageActivity", "AnglePsi", "XShift", "YShift", "Defocus1"),
            *("Defocus2", "DefocusAngle", "PhaseShift", "Occupancy", "LogP", "Sigma", "Score"),
            *("ScoreChange", "PixelSize", "MicroscopeVoltagekV", "MicroscopeCsMM"),
            *("AmplitudeContrast", "BeamTiltX", "BeamTiltY", "ImageShiftX", "ImageShiftY"),
            *("AngleTheta", "AnglePhi", "StackFilename", "OriginalImageFilename"),
            *("Reference3DFilename", "Best2DClass", "BeamTiltGroup", "ParticleGroup"),
            *("PreExposure", "TotalExposure", "AssignedSubset", "OriginalXPosition"),
            "OriginalYPosition",
        )
    )
)
"""Labels by the number of the bit that is set in the column's identifier."""
BIT_OF_LABEL = {label: bit for bit, label in LABEL_OF_BIT.items()}
TEXT, TEXTS = 8, {STACK, MICROGRAPH, "Reference3DFilename"}
NUMBER_TYPES = {2: "<i4", 3: "<f4", 5: "<i8", 6: "<f8", 9: "<u4"}
TYPE_OF_LABEL = {
    **{"PositionInStack": 9, "ImageActivity": 2, "AssignedSubset": 2},
    **{STACK: TEXT, MICROGRAPH: TEXT},
}
"""Types of the columns this package writes; others are single precision (3)."""
COUNTS_BYTES, COLUMN_BYTES, LENGTH_BYTES = 8, 9, 4
MAX_COLUMNS = 200
Values = Shaped[np.ndarray, " n"] | Sequence[bytes]


@dataclass(frozen=True, eq=False)
class BinaryColumn:
    """One column: identifier, type, and n numbers or texts (bytes)."""

    identifier: int
    kind: int
    values: Values

    @property
    def label(self) -> str:
        """Its name; the identifier if cryofocus does not know it."""
        bit = self.identifier.bit_length() - 1
        return LABEL_OF_BIT.get(bit, f"column {self.identifier}")


@dataclass(frozen=True, eq=False)
class CistemBinaryTable(CountedTable):
    """The particles of a .cistem file; a `ParticleTable`."""

    path: Path
    n_rows: int
    contents: tuple[BinaryColumn, ...]
    supplement: Supplement

    suffix = ".cistem"

    @classmethod
    def open(cls, file: ParticleFile, supplement: Supplement) -> CistemBinaryTable:
        """Read a file.

        Raises:
            InputError: If it cannot be read.
            FormatError: If it is damaged.
        """
        path = file.path
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}). Check it.") from error
        n_rows, columns = _Reader(path, raw).read()
        return cls(path, n_rows, tuple(columns), supplement)

    @property
    def subtracted(self) -> CountedSubtracted:
        """Its images from which density was subtracted."""
        return CountedSubtracted(self, self._reopen)

    def _reopen(self, path: Path) -> CistemBinaryTable:
        return self.open(ParticleFile.read(path), Supplement())

    def columns(self) -> ParticleColumns:
        """Read what this package understands; see `ParticleTable`."""
        with np.errstate(invalid="ignore"):  # NaN is refused below, whatever its bits
            numbers = {
                column.label: np.asarray(column.values, np.float64)
                for column in self.contents
                if column.kind != TEXT and column.label in (*NUMBERS, *UNUSED)
            }
        names = (self._names(STACK), self._names(MICROGRAPH))
        telling = telling_columns(numbers, CISTEM)
        rows = CountedRows(self.path, numbers, *names, self.row_name, telling)
        return rows.columns(self.supplement.stack)

    def unread(self) -> tuple[str, ...]:
        """Name what is kept without being understood."""
        known = {*NUMBERS, STACK, MICROGRAPH}
        return tuple(c.label for c in self.contents if c.label not in known)

    def row_name(self, row: int) -> str:
        """Name a row by its number."""
        return f"row {row + 1}"

    def write(
        self, path: Path, columns: Mapping[str, Column], rows: Int[np.ndarray, " m"] | None
    ) -> tuple[str, ...]:
        """Write rows with columns changed, and one file per class; see `ParticleTable`."""
        chosen = np.arange(self.n_rows) if rows is None else rows
        occupancy = next((c.values for c in self.contents if c.label == OCCUPANCY), None)
        before = None if occupancy is None else np.asarray(occupancy, np.float64)[chosen]
        files, lost = say_in_files(path, columns, len(chosen), before)
        for own_path, said in files:
            write_binary(own_path, self._edited(said, chosen), len(chosen))
        return lost

    def _names(self, label: str) -> Names | None:
        column = next((c for c in self.contents if c.label == label and c.kind == TEXT), None)
        if column is None:
            return None
        return as_names([text.decode("utf-8", "surrogateescape") for text in column.values])

    def _edited(
        self, said: Mapping[str, Shaped[np.ndarray, " m"]], rows: Int[np.ndarray, " m"]
    ) -> list[BinaryColumn]:
        known = {column.label for column in self.contents}
        edited = []
        for column in self.contents:
            if column.label in said:
                values: Values = _stored(column.label, said[column.label])
            elif isinstance(column.values, np.ndarray):
                values = column.values[rows]
            else:
                values = [column.values[row] for row in rows.tolist()]
            edited.append(BinaryColumn(column.identifier, column.kind, values))
        added = {k: _stored(k, v) for k, v in said.items() if k not in known}
        return edited + [new_column(k, v) for k, v in added.items()]


def _stored(label: str, values: Shaped[np.ndarray, " m"]) -> Values:
    """Say values as the type of a column stores them."""
    if TYPE_OF_LABEL.get(label) != TEXT:
        return values
    return [text.encode("utf-8", "surrogateescape") for text in values.tolist()]


def new_column(label: str, values: Values) -> BinaryColumn:
    """Make a column of one of the labels of `LABEL_OF_BIT`."""
    return BinaryColumn(1 << BIT_OF_LABEL[label], TYPE_OF_LABEL.get(label, 3), values)


def write_binary(path: Path, columns: Sequence[BinaryColumn], n_rows: int) -> None:
    """Write a .cistem file; a file of the name is replaced atomically.

    Raises:
        OutputError: Disk full, no permission.
    """
    head = np.array([len(columns), n_rows], "<i4").tobytes()
    for column in columns:
        head += np.array([column.identifier], "<i8").tobytes() + bytes([column.kind])
    with atomic_file(path) as handle:
        handle.write(head)
        runs = [list(run) for _, run in groupby(columns, lambda c: c.kind == TEXT)]
        packed = [list(_pack(run, n_rows)) for run in runs]
        handle.writelines(b"".join(pieces) for pieces in zip(*packed, strict=True))


def _pack(columns: Sequence[BinaryColumn], n_rows: int) -> Iterator[bytes]:
    """Yield, row by row, the bytes of neighbouring columns that are all numbers or all texts."""
    if columns[0].kind == TEXT:
        for texts in zip(*(column.values for column in columns), strict=True):
            yield b"".join(len(t).to_bytes(LENGTH_BYTES, "little") + t for t in texts)
        return
    dtype = [(str(i), NUMBER_TYPES[column.kind]) for i, column in enumerate(columns)]
    table = np.empty(n_rows, dtype)
    for i, column in enumerate(columns):
        table[str(i)] = column.values
    raw, step = table.tobytes(), table.itemsize
    for start in range(0, len(raw), step):
        yield raw[start : start + step]


DATABASE = b"SQLite format 3\0"


class _Reader:
    """A .cistem file while it is read."""

    def __init__(self, path: Path, raw: bytes) -> None:
        self._path, self._raw = path, raw

    def read(self) -> tuple[int, list[BinaryColumn]]:
        """Return the number of rows and the columns."""
        raw = self._raw
        if raw.startswith(DATABASE):
            raise FormatError(
                f"{self._path}: is a database, as of a cisTEM project. Give the parameters of a "
                "refinement in it (.cistem or .star)."
            )
        if len(raw) < COUNTS_BYTES:
            self._refuse(f"{len(raw)} bytes are too few for a table")
        n_columns, n_rows = (int(n) for n in np.frombuffer(raw, "<i4", 2))
        start = COUNTS_BYTES + n_columns * COLUMN_BYTES
        if not (0 < n_columns <= MAX_COLUMNS and n_rows >= 0 and start <= len(raw)):
            self._refuse(
                f"it announces {n_columns} columns and {n_rows} rows, and has {len(raw)} bytes"
            )
        heads = np.frombuffer(raw, [("id", "<i8"), ("kind", "u1")], n_columns, COUNTS_BYTES)
        identifiers, kinds = heads["id"].tolist(), heads["kind"].tolist()
        for identifier, kind in zip(identifiers, kinds, strict=True):
            if identifier <= 0 or identifier & (identifier - 1):
                self._refuse(f"a column has the identifier {identifier}, expected a power of two")
            if kind != TEXT and kind not in NUMBER_TYPES:
                self._refuse(f"a column is of type {kind}")
            label = LABEL_OF_BIT.get(identifier.bit_length() - 1)
            if label is not None and (kind == TEXT) != (label in TEXTS):
                self._refuse(f"{label} is of type {kind}")
        if len(set(identifiers)) != n_columns:
            self._refuse("a column stands twice")
        columns = self._split(kinds, n_rows, start)
        triples = zip(identifiers, kinds, columns, strict=True)
        return n_rows, [BinaryColumn(*triple) for triple in triples]

    def _split(self, kinds: list[int], n_rows: int, start: int) -> list[Values]:
        fixed = [(str(i), NUMBER_TYPES[kind]) for i, kind in enumerate(kinds) if kind != TEXT]
        dtype = np.dtype(fixed)
        raw = self._raw
        if len(fixed) == len(kinds):
            self._check_size(n_rows, dtype.itemsize, start, len(raw))
            table = np.frombuffer(raw, dtype, n_rows, start)
            return [table[str(i)] for i in range(len(kinds))]
        self._check_size(n_rows, dtype.itemsize + LENGTH_BYTES, start, None)
        texts: dict[int, list[bytes]] = {i: [] for i, k in enumerate(kinds) if k == TEXT}
        numbers = bytearray()
        # Runs of numbers, and where each text stands between them.
        sizes = [0 if kind == TEXT else np.dtype(NUMBER_TYPES[kind]).itemsize for kind in kinds]
        position = start
        for _ in range(n_rows):
            for i, size in enumerate(sizes):
                if size:
                    numbers += raw[position : position + size]
                    position += size
                    continue
                length = int.from_bytes(raw[position : position + LENGTH_BYTES], "little")
                position += LENGTH_BYTES + length
                texts[i].append(raw[position - length : position])
            if position > len(raw):
                self._refuse(f"it ends before its {n_rows} rows do")
        if position != len(raw):
            self._refuse(f"{len(raw) - position} bytes follow its {n_rows} rows")
        table = np.frombuffer(bytes(numbers), dtype, n_rows)
        return [texts[i] if i in texts else table[str(i)] for i in range(len(kinds))]

    def _check_size(self, n_rows: int, row_bytes: int, start: int, end: int | None) -> None:
        n_found = len(self._raw) - start
        if n_found < n_rows * row_bytes or (end is not None and n_found > n_rows * row_bytes):
            self._refuse(
                f"it announces {n_rows} rows of {'' if end else 'at least '}{row_bytes} bytes, "
                f"but {n_found} bytes follow"
            )

    def _refuse(self, what: str) -> NoReturn:
        raise FormatError(
            f"{self._path}: not a sound cisTEM table: {what}. The file is damaged or was cut "
            "short; copy or export it again."
        )
