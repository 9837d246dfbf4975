"""Lines of a STAR file in which columns of one loop are replaced or added."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Int

from cryofocus.data.star_cells import cell_spans, encode, is_plain
from cryofocus.data.star_scan import StarBlock

# Indentation, label, number if there is one, and what follows: `  _rlnVoltage #5 \n`.
LABEL_LINE = re.compile(rb"(\s*)_\S+(?:([^\S\r\n]+#)\d+)?(.*)", re.DOTALL)
LABEL = re.compile(r"[^\s#]+")


def edit_table(
    lines: Sequence[bytes],
    block: StarBlock,
    columns: Mapping[str, Sequence[bytes]],
    rows: Int[np.ndarray, " m"] | None,
) -> Iterator[bytes]:
    """Yield the lines of a file with columns of one loop replaced or added.

    Parameters
    ----------
    lines : sequence of bytes
        The file as it was.
    block : StarBlock
        The loop.
    columns : mapping of label to m cells
        New content; unknown labels are added at the end.
    rows : int array (m,) or None
        Rows to write and their order; None keeps all, with comments and empty lines among them.

    Raises
    ------
    ValueError
        If the block is no loop, or a new label has white space.
    """
    if not block.is_loop:
        raise ValueError(f"data_{block.name} holds label-value pairs; only loops can be edited")
    known = {
        block.labels.index(label): columns[label] for label in block.labels if label in columns
    }
    added = [label for label in columns if label not in block.labels]
    body = block.label_lines[-1] + 1
    end = int(block.row_lines[-1]) + 1 if block.n_rows else body
    yield from lines[: body - 1]
    yield from _label_lines(lines[body - 1], added, len(block.labels))
    edit = _RowEditor(known, [columns[label] for label in added])
    if rows is None:
        yield from _edit_in_place(lines, block, body, edit)
    else:
        yield from lines[body : int(block.row_lines[0])] if block.n_rows else ()
        numbers = block.row_lines[rows].tolist()
        chosen = (edit(row, lines[number]) for row, number in enumerate(numbers))
        yield from _separate_lines(chosen, _line_end(lines[body - 1]))
    yield from lines[end:]


class _RowEditor:
    """Put new cells into a row and leave every other byte of it alone."""

    def __init__(
        self, known: Mapping[int, Sequence[bytes]], added: Sequence[Sequence[bytes]]
    ) -> None:
        self._indices = sorted(known)
        self._replaced = [known[index] for index in self._indices]
        self._added = [b" " + b" ".join(cells) for cells in zip(*added, strict=True)]
        self._plain = re.compile(_plain_pattern(self._indices), re.DOTALL)

    def __call__(self, row: int, line: bytes) -> bytes:
        """Return the new line of a row."""
        match = self._plain.fullmatch(line) if is_plain(line) else None
        kept = match.groups() if match else self._cut(line)
        pieces = [kept[0]]
        for column, text in zip(self._replaced, kept[1:], strict=False):
            pieces += (column[row], text)
        if self._added:
            pieces.append(self._added[row])
        pieces.append(kept[-1])
        return b"".join(pieces)

    def _cut(self, line: bytes) -> list[bytes]:
        """Cut the replaced cells out; what follows the last cell of the row is a piece too."""
        spans = cell_spans(line)
        end = spans[-1][1]
        kept, position = [], 0
        for start, stop in (*(spans[index] for index in self._indices), (end, end)):
            kept.append(line[position:start])
            position = stop
        return [*kept, line[position:]]


def _plain_pattern(indices: Sequence[int]) -> bytes:
    """Build the expression for a row without quotes; its groups are what `_cut` returns."""
    pattern, position = rb"(\s*", 0
    for index in indices:
        pattern += rb"(?:\S+\s+){%d})\S+(\s*" % (index - position)
        position = index + 1
    return pattern + rb"(?:.*\S)?)(\s*)"


def _edit_in_place(
    lines: Sequence[bytes], block: StarBlock, body: int, edit: _RowEditor
) -> Iterator[bytes]:
    position = body
    for row, number in enumerate(block.row_lines.tolist()):
        yield from lines[position:number]
        yield edit(row, lines[number])
        position = number + 1


def _label_lines(last: bytes, added: Sequence[str], n_known: int) -> Iterator[bytes]:
    """Yield the last label line and, in its style, a line for each new label."""
    match = LABEL_LINE.fullmatch(last)
    indent, mark, rest = match.groups() if match else (b"", None, b"\n")
    end = _line_end(last)
    # A comment behind the last label is its own, not that of the new ones.
    tail = rest if not rest.strip() and rest.endswith(end) else end
    yield from _separate_lines(iter([last]), end) if added else [last]
    for number, label in enumerate(added, start=n_known + 1):
        if not LABEL.fullmatch(label):
            raise ValueError(f"{label!r} cannot be the label of a column: it has white space or #")
        counter = mark + b"%d" % number if mark else b""
        yield indent + b"_" + encode(label) + counter + tail


def _line_end(line: bytes) -> bytes:
    return b"\r\n" if line.endswith(b"\r\n") else b"\n"


def _separate_lines(lines: Iterable[bytes], end: bytes) -> Iterator[bytes]:
    """Give a line end to the line that lacks it: the last of a file may."""
    for line in lines:
        yield line if line.endswith((b"\n", b"\r")) else line + end
