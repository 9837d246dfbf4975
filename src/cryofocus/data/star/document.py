"""STAR files that keep every byte their author wrote.

A document is the list of its lines. Blocks say which lines carry labels and which carry rows, so
that a column can be read, replaced or added while everything else is written back as it was:
unknown blocks and columns, comments, spacing, line ends.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from cryofocus.complaints import cut, say_unreadable, show
from cryofocus.data.atomic import atomic_file
from cryofocus.data.foreign.kinds import name_kind
from cryofocus.data.star.cells import decode, encode, format_cells, plain_columns, split_row
from cryofocus.data.star.edit import TablePart, edit_table
from cryofocus.data.star.faults import explain_header, explain_number, wrong_count
from cryofocus.data.star.scan import StarBlock, scan_blocks
from cryofocus.errors import FormatError, InputError, ParticleError

# Rows split at a time: bounds the memory that their cells take.
CHUNK = 20_000
Column = Sequence[Any] | np.ndarray
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
UTF16_START = re.compile(rb"(?:[\t-~]\0){4}|(?:\0[\t-~]){4}")  # without a mark


@dataclass(frozen=True, eq=False)
class StarDocument:
    """A STAR file as it stands on disk.

    Attributes:
        path: Where it was read from.
        lines: Every line with its line end.
        blocks: The tables, in file order.
    """

    path: Path
    lines: list[bytes]
    blocks: tuple[StarBlock, ...]

    @classmethod
    def read(cls, path: Path | str) -> StarDocument:
        """Read a file.

        Raises:
            InputError: If there is no such file.
            FormatError: If it holds no `data_` block.
        """
        path = Path(path)
        try:
            lines = path.read_bytes().splitlines(keepends=True)
        except OSError as error:
            raise InputError(say_unreadable(path, error)) from error
        blocks = scan_blocks(lines)
        if not blocks:
            if lines and (lines[0].startswith(UTF16_MARKS) or UTF16_START.match(lines[0])):
                raise FormatError(
                    f"{path}: its text is encoded as UTF-16; expected UTF-8 or ASCII. Save it "
                    "again as plain text."
                )
            if fault := explain_header(lines):
                raise FormatError(f"{path}, {fault}")
            kind = name_kind(Path(path.name).with_suffix(""), b"".join(lines[:20])[:1024])
            told = f" It looks like {kind}." if kind else ""
            raise FormatError(
                f"{path}: no table found; expected a STAR file with a 'data_' block.{told} "
                "Check that this is the right file."
            )
        return cls(path, lines, blocks)

    def block(self, name: str) -> StarBlock:
        """Return the block `data_NAME`.

        Raises:
            FormatError: If there is none; the message lists those there are.
        """
        for block in self.blocks:
            if block.name == name:
                return block
        found = ", ".join(f"{block.title}" for block in self.blocks)
        raise FormatError(f"{self.path}: no block data_{name}; the file holds {cut(found)}.")

    def block_with(self, label: str) -> StarBlock | None:
        """Return the first block that has a column, or None."""
        return next((block for block in self.blocks if label in block.labels), None)

    def read_table(
        self, block: StarBlock, *, numeric: Sequence[str] = (), text: Sequence[str] = ()
    ) -> StarTable:
        """Read several columns in one pass over the rows.

        Args:
            block: Which table.
            numeric: Labels of numbers, without underscore; those that the table lacks are passed
                over.
            text: Labels of texts, likewise.

        Raises:
            FormatError: If a row has too few or too many cells, or a cell is not a number.
        """
        self._require_sound(block)
        numeric = [label for label in numeric if label in block.labels]
        numbers = {label: np.empty(block.n_rows) for label in numeric}
        texts: dict[str, list[str]] = {label: [] for label in text if label in block.labels}
        for start, columns in self._chunks(block, [*numbers, *texts]):
            for label, values in numbers.items():
                column = columns[label]
                try:
                    # Python reads 17_551 as a number, other programs as 17 or not at all.
                    if b"_" in b" ".join(column):
                        raise ValueError
                    values[start : start + len(column)] = list(map(float, column))
                except ValueError:
                    self._complain_about_number(block, label, start, column)
            for label, words in texts.items():
                words.extend(map(decode, columns[label]))
        return StarTable(self, block, numbers, texts)

    def numbers(
        self, block: StarBlock, labels: Sequence[str]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """Read numeric columns as float64 arrays (n_rows,); see `read_table`.

        Raises:
            FormatError: Also if the table lacks a column.
        """
        self._require(block, labels)
        return self.read_table(block, numeric=labels).numbers

    def texts(self, block: StarBlock, labels: Sequence[str]) -> dict[str, list[str]]:
        """Read columns as texts, quotes removed; see `read_table`.

        Raises:
            FormatError: Also if the table lacks a column.
        """
        self._require(block, labels)
        return self.read_table(block, text=labels).texts

    def varying(self, block: StarBlock, labels: Sequence[str]) -> list[str]:
        """Name those of some columns whose cells differ, reading no more than needed.

        Raises:
            FormatError: If a row has too few or too many cells.
        """
        left, first = [label for label in labels if label in block.labels], dict[str, bytes]()
        found: list[str] = []
        for _, columns in self._chunks(block, left) if left else ():
            for label in [label for label in left if label not in found]:
                cells = columns[label]
                if cells and set(cells) != {first.setdefault(label, cells[0])}:
                    found.append(label)
            if len(found) == len(left):
                break
        return [label for label in left if label in found]

    def row_place(self, block: StarBlock, row: int) -> str:
        """Name a row for a message: file and line number."""
        line = block.row_lines[row] if block.is_loop else block.label_lines[0]
        return f"{self.path}, line {line + 1}"

    def write(
        self,
        path: Path | str,
        block: StarBlock,
        columns: Mapping[str, Column],
        rows: Int[np.ndarray, " m"] | None = None,
        *,
        drop: Collection[str] = (),
    ) -> None:
        """Write the document with columns of one loop replaced, added or left out.

        Args:
            path: New file; may be the file that was read.
            block: Loop of this document.
            columns: Mapping of label to m values: texts or numbers; a known label is replaced in
                its place, a new one added at the end.
            rows: Rows to write, in this order; all if not given.
            drop: Columns to leave out.

        Raises:
            FormatError: If a row has too few cells.
            OutputError: Disk full, no permission, or a text does not fit into a cell.
            ValueError: If a column's length is not the number of rows.
        """
        rows = np.arange(block.n_rows if block.is_loop else 0) if rows is None else rows
        self.write_parts(path, block, [(rows, columns)], drop=drop)

    def write_parts(
        self,
        path: Path | str,
        block: StarBlock,
        parts: Iterable[tuple[Int[np.ndarray, " _"], Mapping[str, Column]]],
        *,
        drop: Collection[str] = (),
    ) -> None:
        """Write the document with rows of one loop chosen or repeated, part by part.

        For tables that grow: only one part's cells are in memory at a time.

        Args:
            path: As in `write`.
            block: As in `write`.
            drop: As in `write`.
            parts: Iterable of (rows, columns): rows to write next and their columns, as in
                `write`; every part has the same labels.

        Raises:
            OutputError: As in `write`.
            ValueError: As in `write`.
        """
        formatted = (_format_part(rows, columns) for rows, columns in parts)
        with atomic_file(Path(path)) as handle:
            handle.writelines(edit_table(self.lines, block, formatted, drop, path=self.path))

    def _chunks(
        self, block: StarBlock, labels: Sequence[str]
    ) -> Iterator[tuple[int, dict[str, list[bytes]]]]:
        """Yield the number of the first row, and the cells of columns, of successive chunks."""
        if not block.is_loop:
            pairs = [split_row(self.lines[line]) for line in block.label_lines]
            values = {pair[0][1:]: pair[1] if len(pair) > 1 else b"" for pair in pairs}
            yield 0, {label: [values[encode(label)]] for label in labels}
            return
        wanted = [block.labels.index(label) for label in labels]
        for start in range(0, block.n_rows, CHUNK):
            numbers = block.row_lines[start : start + CHUNK].tolist()
            lines = [self.lines[number] for number in numbers]
            columns = plain_columns(lines, len(block.labels), wanted)
            if columns is None:
                columns = self._columns_row_by_row(block, start, lines, wanted)
            yield start, dict(zip(labels, columns, strict=True))

    def _columns_row_by_row(
        self, block: StarBlock, start: int, lines: Sequence[bytes], wanted: Sequence[int]
    ) -> list[list[bytes]]:
        rows = [split_row(line) for line in lines]
        for offset, row in enumerate(rows):
            if len(row) != len(block.labels):
                around = (*lines[offset + 1 :], *lines[:offset])
                raise wrong_count(
                    self.row_place(block, start + offset), lines[offset], block, around
                )
        return [[row[index] for row in rows] for index in wanted]

    def _require(self, block: StarBlock, labels: Sequence[str]) -> None:
        missing = [label for label in labels if label not in block.labels]
        if missing:
            raise FormatError(
                f"{self.path}: {block.title} has no {', '.join(missing)}. "
                "Give a file with these columns."
            )

    def header_fault(self) -> str:
        """Say where a header is not sound and how, to go behind the path; or nothing."""
        return explain_header(self.lines)

    def _require_sound(self, block: StarBlock) -> None:
        """Refuse a table that names a column twice: which of them holds is anyone's guess.

        Nor is one without `loop_` a single row whose values are the numbers of its labels.
        """
        if not block.is_loop and (fault := self.header_fault()):
            raise FormatError(f"{self.path}, {fault}")
        if len(set(block.labels)) == len(block.labels):
            return
        first: dict[str, int] = {}
        for label, line in zip(block.labels, block.label_lines, strict=True):
            if label in first:
                raise FormatError(
                    f"{self.path}, lines {first[label] + 1} and {line + 1}: {block.title} has "
                    f"two columns {label}; expected one. Remove the wrong one."
                )
            first[label] = line

    def _complain_about_number(
        self, block: StarBlock, label: str, start: int, column: Sequence[bytes]
    ) -> None:
        for offset, cell in enumerate(column):
            if not _is_number(cell):
                raise FormatError(
                    f"{self.row_place(block, start + offset)}: {label} is {show(decode(cell))}, "
                    f"expected a number.{explain_number(cell)}"
                )


def _is_number(cell: bytes) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return b"_" not in cell


@dataclass(frozen=True, eq=False)
class StarTable:
    """Columns that were read from one table.

    Attributes:
        document: Their file.
        block: Their table.
        numbers: Dict of float64 arrays (n_rows,).
        texts: Dict of lists of n_rows str.
    """

    document: StarDocument
    block: StarBlock
    numbers: dict[str, Float[np.ndarray, " n_rows"]]
    texts: dict[str, list[str]]

    @property
    def path(self) -> Path:
        """The file."""
        return self.document.path

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.block.n_rows

    def has(self, label: str) -> bool:
        """Whether the table in the file has a column."""
        return label in self.block.labels

    def place(self, row: int) -> str:
        """Name a row for a message: file and line number."""
        return self.document.row_place(self.block, row)

    def finite(self, label: str) -> Float[np.ndarray, " n_rows"]:
        """Return a numeric column whose values are all finite.

        Raises:
            ParticleError: If one is not; the message names the first row.
        """
        values = self.numbers[label]
        wrong = np.flatnonzero(~np.isfinite(values))
        if wrong.size:
            raise ParticleError(
                f"{self.place(int(wrong[0]))}: {label} is {values[wrong[0]]}, expected a finite "
                f"number (rows like this: {wrong.size}). Correct or remove these rows."
            )
        return values


def _format_part(rows: Int[np.ndarray, " m"], columns: Mapping[str, Column]) -> TablePart:
    cells = {label: format_cells(column) for label, column in columns.items()}
    for label, column in cells.items():
        if len(column) != len(rows):
            raise ValueError(f"column {label}: {len(column)} values for {len(rows)} rows")
    return TablePart(rows, cells)


def write_star(path: Path | str, blocks: Mapping[str, Mapping[str, Column]]) -> None:
    """Write a new STAR file, one loop a block.

    Args:
        path: Where to; replaced atomically.
        blocks: Mapping of block name to mapping of label to values: columns of one block have
            equal length; values are texts or numbers.

    Raises:
        OutputError: Disk full, no permission, or a text does not fit into a cell.
        ValueError: If columns differ in length.
    """
    parts = ["# Created by cryofocus\n"]
    for name, columns in blocks.items():
        labels = "".join(f"_{label} #{i}\n" for i, label in enumerate(columns, start=1))
        cells = [map(decode, format_cells(column)) for column in columns.values()]
        rows = "".join(" ".join(row) + "\n" for row in zip(*cells, strict=True))
        parts.append(f"\ndata_{name}\n\nloop_\n{labels}{rows}\n")
    with atomic_file(Path(path)) as handle:
        handle.write(encode("".join(parts)))
