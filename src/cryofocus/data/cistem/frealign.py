"""Frealign's parameter files (.par) of 17 columns and, without the phase shift, of 16.

Columns: number, psi, theta, phi, x and y shift (Å), magnification, film, the two defoci and their
angle, phase shift (radians), occupancy, log-likelihood, sigma, score, change of the score. Lines
that start with C are comments. A film below zero marks a particle that does not count.
The pixel size and the microscope stand elsewhere. Source: Frealign 9 and cisTEM 2.0,
`frealign_parameter_file`; for signs see `cistem`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped

from cryofocus.complaints import cut, say_unreadable, show
from cryofocus.data.atomic import atomic_file
from cryofocus.data.cistem.columns import (
    ACTIVITY,
    NUMBERS,
    OCCUPANCY,
    CountedRows,
    CountedTable,
    say_in_files,
    telling_columns,
)
from cryofocus.data.foreign.column_uses import FREALIGN
from cryofocus.data.mrc import UNSET_PIXEL_SIZES, read_header
from cryofocus.data.particle_format import ParticleFile
from cryofocus.data.particle_table import Column, Names, ParticleColumns, Supplement
from cryofocus.errors import FormatError, InputError, ParticleError

COLUMNS = (
    *("PositionInStack", "AnglePsi", "AngleTheta", "AnglePhi", "XShift", "YShift"),
    *("Magnification", "Film", "Defocus1", "Defocus2", "DefocusAngle", "PhaseShift"),
    *("Occupancy", "LogP", "Sigma", "Score", "ScoreChange"),
)
PHASE_SHIFT = COLUMNS.index("PhaseShift")
COLUMNS_OF_WIDTH = {17: COLUMNS, 16: COLUMNS[:PHASE_SHIFT] + COLUMNS[PHASE_SHIFT + 1 :]}
WIDTH_OF_COLUMN = {
    **{"PositionInStack": 7, "AnglePsi": 7, "AngleTheta": 7, "AnglePhi": 7, "XShift": 9},
    **{"YShift": 9, "Magnification": 7, "Film": 5, "Defocus1": 8, "Defocus2": 8},
    **{"DefocusAngle": 7, "PhaseShift": 7, "Occupancy": 7, "LogP": 9, "Sigma": 10},
    **{"Score": 7, "ScoreChange": 7},
}
"""Characters of each column, which one space separates."""
DECIMALS = {
    **{"PositionInStack": 0, "Magnification": 0, "Film": 0, "LogP": 0},
    **{"Defocus1": 1, "Defocus2": 1, "Sigma": 4},
}
"""Other columns have two."""
PHASE_SHIFT_NAME = "PSHIFT"
"""What the comment before the rows calls the phase shift."""
NUMBER = re.compile(r"\S+")
# Numbers that are too wide for their columns leave no space between them.
GLUED = re.compile(r"\d-\d|\.\d+\.")
# White space, and the mark that some editors write before the first line.
BLANK = " \t\r\ufeff"
# Magnifications that differ by less are one.
SAME_SIZE = 1e-3


@dataclass(frozen=True, eq=False)
class FrealignTable(CountedTable):
    """The particles of a .par file; a `ParticleTable`.

    Attributes:
        path: The file.
        lines: Every line of the file, without its end.
        row_lines: Which of them are rows, from 0.
        cells: The numbers of the rows.
        supplement: Stack and microscope.
    """

    path: Path
    lines: tuple[str, ...]
    row_lines: tuple[int, ...]
    cells: Float[np.ndarray, "n width"]
    supplement: Supplement

    suffix = ".par"
    subtracted = None

    @classmethod
    def open(cls, file: ParticleFile, supplement: Supplement) -> FrealignTable:
        """Read a file.

        Raises:
            InputError: If it cannot be read.
            FormatError: If a row has not 16 or 17 numbers, or another number than the first row.
        """
        path = file.path
        try:
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise InputError(say_unreadable(path, error)) from error
        lines = tuple(text.split("\n"))
        row_lines = tuple(
            number
            for number, line in enumerate(lines)
            if line.strip() and not line.lstrip(BLANK).startswith(("C", "c", "#", "!"))
        )
        cells = _read_cells(path, lines, row_lines)
        _require_named_width(path, lines[: row_lines[0] if row_lines else 0], cells.shape[1])
        return cls(path, lines, row_lines, cells, supplement)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.row_lines)

    def columns(self) -> ParticleColumns:
        """Read what this package understands; see `ParticleTable`."""
        labels = COLUMNS_OF_WIDTH[self.cells.shape[1]]
        numbers = {label: self.cells[:, i] for i, label in enumerate(labels)}
        film, magnification = np.abs(numbers["Film"]), numbers["Magnification"]
        self._require_one_magnification(magnification)
        numbers[ACTIVITY] = np.where(numbers["Film"] < 0, -1.0, 1.0)
        films, index = np.unique(film, return_inverse=True)
        micrographs = Names(tuple(f"{f:g}" for f in films), index.astype(np.int32))
        telling = telling_columns(numbers, FREALIGN)
        numbers |= self._optics()
        rows = CountedRows(self.path, numbers, None, micrographs, self.row_name, telling, FREALIGN)
        return rows.columns(self.supplement.stack)

    def unread(self) -> tuple[str, ...]:
        """Name what is kept without being understood."""
        known = {*NUMBERS, "Film"}
        return tuple(c for c in COLUMNS_OF_WIDTH[self.cells.shape[1]] if c not in known)

    def row_name(self, row: int) -> str:
        """Name a row by its line."""
        return f"line {self.row_lines[row] + 1}"

    def write(
        self, path: Path, columns: Mapping[str, Column], rows: Int[np.ndarray, " m"] | None
    ) -> tuple[str, ...]:
        """Write rows with columns replaced, and one file per class; see `ParticleTable`."""
        chosen = np.arange(self.n_rows) if rows is None else rows
        before = self.cells[chosen, COLUMNS_OF_WIDTH[self.cells.shape[1]].index(OCCUPANCY)]
        files, lost = say_in_files(path, columns, len(chosen), before)
        labels = COLUMNS_OF_WIDTH[self.cells.shape[1]]
        for own_path, said in files:
            own = {label: values for label, values in said.items() if label in labels}
            self._write_rows(own_path, own, chosen)
        return (*lost, *(label for label in files[0][1] if label not in labels))

    def _require_one_magnification(self, magnification: Float[np.ndarray, " n"]) -> None:
        """Refuse particles of several magnifications: there is one pixel size for all."""
        if not len(magnification):
            return
        with np.errstate(invalid="ignore"):  # infinite ones are not one either
            same = np.abs(magnification - magnification[0]) <= SAME_SIZE * abs(magnification[0])
        wrong = ~same
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ParticleError(
                f"{self.path}, {self.row_name(row)}: the magnification is "
                f"{magnification[row]:g}, but {magnification[0]:g} on {self.row_name(0)}; "
                "expected one, because one pixel size holds for all. Split the table by it."
            )

    def _optics(self) -> dict[str, Float[np.ndarray, " n"]]:
        """Give what the user says of microscope and pixel size, for every row."""
        microscope, pixel = self.supplement.microscope, self._pixel_size()
        if microscope is None:
            raise ParticleError(
                f"{self.path}: a .par file does not hold voltage, spherical aberration and "
                "amplitude contrast. Give them with --microscope KV,CS,CONTRAST, such as "
                "300,2.7,0.07."
            )
        values = {
            "PixelSize": pixel,
            "MicroscopeVoltagekV": microscope.voltage_kilovolt,
            "MicroscopeCsMM": microscope.spherical_aberration_mm,
            "AmplitudeContrast": microscope.amplitude_contrast,
        }
        return {label: np.full(self.n_rows, float(value)) for label, value in values.items()}

    def _pixel_size(self) -> float:
        if self.supplement.pixel_size_angstrom is not None:
            return self.supplement.pixel_size_angstrom
        stack = self.supplement.stack
        if stack is None:
            raise ParticleError(
                f"{self.path}: a .par file does not say where its images are. Give their stack "
                "with --stack."
            )
        size = read_header(stack).voxel_size_angstrom[0]
        if size in UNSET_PIXEL_SIZES:
            raise ParticleError(
                f"{self.path}: neither the .par file nor the header of {stack} gives the pixel "
                "size. Give it with --pixel-size, in Å."
            )
        return size

    def _write_rows(
        self,
        path: Path,
        said: Mapping[str, Shaped[np.ndarray, " m"]],
        chosen: Int[np.ndarray, " m"],
    ) -> None:
        labels = COLUMNS_OF_WIDTH[self.cells.shape[1]]
        places = sorted(
            (labels.index(label), format_column(label, v)) for label, v in said.items()
        )
        first, last = (self.row_lines[0], self.row_lines[-1]) if self.row_lines else (0, -1)
        rows = [
            _replace(self.lines[self.row_lines[row]], [(i, cells[k]) for i, cells in places])
            for k, row in enumerate(chosen.tolist())
        ]
        lines = [*self.lines[:first], *rows, *self.lines[last + 1 :]]
        with atomic_file(path) as handle:
            handle.write("\n".join(lines).encode("utf-8", "surrogateescape"))


def format_column(label: str, values: Shaped[np.ndarray, " m"]) -> list[str]:
    """Write numbers as Frealign does, right-aligned in the width of their column."""
    width, decimals = WIDTH_OF_COLUMN[label], DECIMALS.get(label, 2)
    return [f"{value:{width}.{decimals}f}" for value in np.asarray(values).tolist()]


def _read_cells(
    path: Path, lines: Sequence[str], row_lines: Sequence[int]
) -> Float[np.ndarray, "n width"]:
    rows: list[list[float]] = []
    width = 17
    for place, number in enumerate(row_lines):
        words = lines[number].split()
        width = len(words) if place == 0 else width
        if width not in COLUMNS_OF_WIDTH:
            raise FormatError(
                f"{path}, line {number + 1}: {width} columns, expected 17 (FrealignX) or 16 "
                "(Frealign 9). Check that this is a Frealign parameter file."
            )
        if len(words) != width:
            told = f" It is {show(lines[number].strip())}." if len(words) == 1 else ""
            raise FormatError(
                f"{path}, line {number + 1}: {len(words)} columns, expected {width} as in the "
                f"first row.{told} The file may be cut short."
            )
        try:
            rows.append([_number(word) for word in words])
        except ValueError as error:
            raise FormatError(
                f"{path}, line {number + 1}: {cut(str(error))}; expected numbers only"
                f"{_explain_number(words)}. Correct the file."
            ) from error
    return np.array(rows, np.float64).reshape(len(rows), width)


def _number(word: str) -> float:
    """Read a number as other programs do, which 1_0 is none for."""
    if "_" in word:
        raise ValueError(f"could not convert string to float: {word!r}")
    return float(word)


def _explain_number(words: Sequence[str]) -> str:
    glued = next((word for word in words if GLUED.search(word)), "")
    if glued:
        return f" (columns run together in {show(glued)}: part them)"
    if any(word.strip("*") == "" for word in words):
        return " (stars stand for a number that was too wide for its column)"
    return ""


def _require_named_width(path: Path, comments: Sequence[str], width: int) -> None:
    """Refuse rows that lack a column, if the comment before them names the phase shift."""
    if width < len(COLUMNS) and any(PHASE_SHIFT_NAME in line.upper().split() for line in comments):
        raise FormatError(
            f"{path}: {width} columns, but its first lines name {PHASE_SHIFT_NAME}, with which "
            f"there are {len(COLUMNS)}. The rows were cut; copy or export the file again."
        )


def _replace(line: str, cells: Sequence[tuple[int, str]]) -> str:
    """Put cells into a row; each ends where the old one ended if it fits."""
    spans = [match.span() for match in NUMBER.finditer(line)]
    pieces: list[str] = []
    position = 0
    for index, text in cells:
        _, stop = spans[index]
        before = spans[index - 1][1] if index else 0
        pieces += (line[position:before], " " if index else "")
        pieces.append(text.strip().rjust(stop - before - (1 if index else 0)))
        position = stop
    return "".join((*pieces, line[position:]))
