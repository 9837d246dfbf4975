"""Lines of a STAR file in which rows and columns of one loop are edited."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from cryofocus.data.star.cells import cell_spans, encode, is_plain
from cryofocus.data.star.faults import wrong_count
from cryofocus.data.star.scan import StarBlock

# Indentation, label, number if there is one, and what follows: `  _rlnVoltage #5 \n`.
LABEL_LINE = re.compile(rb"(\s*)_\S+(?:([^\S\r\n]+#)(\d+))?(.*)", re.DOTALL)
LABEL = re.compile(r"[^\s#]+")


class TablePart(NamedTuple):
    """Rows to write, in this order (one may come more than once), and new cells for them."""

    rows: Int[np.ndarray, " _"]
    cells: Mapping[str, Sequence[bytes]]


def edit_table(
    lines: Sequence[bytes],
    block: StarBlock,
    parts: Iterable[TablePart],
    dropped: Collection[str] = (),
    *,
    path: Path | None = None,
) -> Iterator[bytes]:
    """Yield the lines of a file with rows of one loop chosen and columns replaced or added.

    Comments and empty lines among the rows all stay, each before the first row behind it.

    Args:
        lines: The file as it was.
        block: The loop.
        parts: The new rows, part by part, each with the same labels; unknown labels are added at
            the end.
        dropped: Columns to leave out.
        path: The file, for messages.

    Raises:
        FormatError: If a row has too few cells.
        ValueError: If the block is no loop, or a new label has white space.
    """
    if not block.is_loop:
        raise ValueError(f"{block.title} holds label-value pairs; only loops can be edited")
    parts = iter(parts)
    first = next(parts, TablePart(np.empty(0, np.int64), {}))
    added = [label for label in first.cells if label not in block.labels]
    yield from _separate_lines(
        chain(
            lines[: block.label_lines[0]],
            _label_lines(lines, block, added, dropped),
            _row_lines(lines, block, chain([first], parts), _Cutter(path, block, dropped)),
            lines[_body_end(block) :],
        ),
        _line_end(lines[block.label_lines[-1]]),
    )


def _row_lines(
    lines: Sequence[bytes], block: StarBlock, parts: Iterable[TablePart], cutter: _Cutter
) -> Iterator[bytes]:
    """Yield the body of a loop: rows as the parts ask for, and what stands between rows."""
    starts = [block.label_lines[-1] + 1, *(block.row_lines + 1).tolist()]
    numbers = block.row_lines.tolist()
    n_passed = 0  # rows of which what stands before them was written
    for part in parts:
        edit = cutter.editor(part.cells)
        for position, row in enumerate(part.rows.tolist()):
            for passed in range(n_passed, row + 1):
                yield from lines[starts[passed] : numbers[passed]]
            n_passed = max(n_passed, row + 1)
            yield edit(position, lines[numbers[row]], numbers[row])
    for passed in range(n_passed, block.n_rows):
        yield from lines[starts[passed] : numbers[passed]]


def _body_end(block: StarBlock) -> int:
    return int(block.row_lines[-1]) + 1 if block.n_rows else block.label_lines[-1] + 1


@dataclass(frozen=True)
class _Cutter:
    """What is known of a loop before its rows are edited."""

    path: Path | None
    block: StarBlock
    dropped: Collection[str]

    def editor(self, cells: Mapping[str, Sequence[bytes]]) -> _RowEditor:
        """Prepare to put new cells into rows."""
        return _RowEditor(self, cells)

    def cut(self, line: bytes, number: int, indices: Sequence[int]) -> list[bytes]:
        """Cut cells out of a row; what follows the last cell of the row is a piece too."""
        spans = list(cell_spans(line))
        if len(spans) < len(self.block.labels):
            raise wrong_count(f"{self.path}, line {number + 1}", line, self.block)
        end = spans[-1][1]
        kept, position = [], 0
        for start, stop in (*(spans[index] for index in indices), (end, end)):
            kept.append(line[position:start])
            position = stop
        return [*kept, line[position:]]


class _RowEditor:
    """Put new cells into a row, take cells out, and leave every other byte of it alone."""

    def __init__(self, cutter: _Cutter, cells: Mapping[str, Sequence[bytes]]) -> None:
        labels, dropped = cutter.block.labels, cutter.dropped
        edited = [i for i, label in enumerate(labels) if label in cells or label in dropped]
        self._cutter, self._indices = cutter, edited
        self._cells = [None if labels[i] in dropped else cells[labels[i]] for i in edited]
        added = [column for label, column in cells.items() if label not in labels]
        self._added = [b" " + b" ".join(row) for row in zip(*added, strict=True)]
        self._plain = re.compile(_plain_pattern(edited), re.DOTALL)

    def __call__(self, position: int, line: bytes, number: int) -> bytes:
        """Return the new line of a row, which has a number in the file."""
        match = self._plain.fullmatch(line) if is_plain(line) else None
        kept = match.groups() if match else self._cutter.cut(line, number, self._indices)
        pieces = [kept[0]]
        for column, text in zip(self._cells, kept[1:], strict=False):
            if column is None:
                pieces[-1] = pieces[-1].rstrip()
                pieces.append(text)
            else:
                pieces += (column[position], text)
        if self._added:
            pieces.append(self._added[position])
        pieces.append(kept[-1])
        return b"".join(pieces)


def _plain_pattern(indices: Sequence[int]) -> bytes:
    """Build the expression for a row without quotes; its groups are what `cut` returns.

    Nothing in it gives back what it took, so that a row is walked once whatever it holds.
    """
    pattern, position = rb"(\s*+", 0
    for index in indices:
        pattern += rb"(?:\S++\s++){%d})\S++(\s*+" % (index - position)
        position = index + 1
    # What is white behind the last cell belongs to the end, where added cells come before it.
    return pattern.removesuffix(rb"\s*+") + rb"(?:.*\S)?)(\s*)"


def _label_lines(
    lines: Sequence[bytes], block: StarBlock, added: Sequence[str], dropped: Collection[str]
) -> Iterator[bytes]:
    """Yield the lines of the labels and, in the style of the last, one for each new label."""
    previous = block.label_lines[0]
    n_written = 0
    for place, (label, number) in enumerate(zip(block.labels, block.label_lines, strict=True)):
        yield from lines[previous:number]
        previous = number + 1
        if label not in dropped:
            n_written += 1
            is_moved = n_written <= place
            yield _renumbered(lines[number], n_written) if is_moved else lines[number]
    last = lines[block.label_lines[-1]]
    match = LABEL_LINE.fullmatch(last)
    indent, mark, _, rest = match.groups() if match else (b"", None, None, b"\n")
    end = _line_end(last)
    # A comment behind the last label is its own, not that of the new ones.
    tail = rest if not rest.strip() and rest.endswith(end) else end
    for count, label in enumerate(added, start=n_written + 1):
        if not LABEL.fullmatch(label):
            raise ValueError(f"{label!r} cannot be the label of a column: it has white space or #")
        counter = mark + b"%d" % count if mark else b""
        yield indent + b"_" + encode(label) + counter + tail


def _renumbered(line: bytes, number: int) -> bytes:
    """Change the number behind a label, if it has one: a column before it went."""
    match = LABEL_LINE.fullmatch(line)
    if match is None or match[2] is None:
        return line
    return line[: match.start(3)] + b"%d" % number + line[match.end(3) :]


def _line_end(line: bytes) -> bytes:
    return b"\r\n" if line.endswith(b"\r\n") else b"\n"


def _separate_lines(lines: Iterable[bytes], end: bytes) -> Iterator[bytes]:
    """Give a line end to a line that lacks it, as the last of a file may, if another follows."""
    previous = b""
    for line in lines:
        if previous:
            yield previous if previous.endswith((b"\n", b"\r")) else previous + end
        previous = line
    yield previous
