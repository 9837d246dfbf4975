"""The cells of STAR rows: splitting, quoting and formatting.

A cell is a run of characters without white space, or a text in single or double quotes; the
closing quote is followed by white space. A `#` that starts a cell starts a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cryofocus.complaints import show
from cryofocus.errors import OutputError

WORD = re.compile(rb"\S+")
QUOTES = (b'"', b"'")
# A quote closes where white space or the end of the row follows.
CLOSING = {quote: re.compile(quote + rb"(?=\s|$)") for quote in QUOTES}
# Numbers outside are written with an exponent: six decimals would lose them.
SMALLEST_PLAIN, LARGEST_PLAIN = 1e-3, 1e8
ROW_MARK = b" \0 "


def split_row(line: bytes) -> list[bytes]:
    """Split one row into its cells, without their quotes."""
    if is_plain(line):
        return line.split()
    return [unquote(line[start:stop]) for start, stop in cell_spans(line)]


def plain_columns(
    lines: Sequence[bytes], n_columns: int, wanted: Sequence[int]
) -> list[list[bytes]] | None:
    """Split many plain rows at once, into columns.

    The rows are joined by a mark that no row holds, split as one text, and the mark has to come
    back after every `n_columns` cells: a row with too few or too many cells cannot hide.

    Args:
        lines: The rows.
        n_columns: Cells that every row has to have.
        wanted: Columns to return.

    Returns:
        None if a row has quotes, comments or another number of cells: then look row by row.
    """
    joined = ROW_MARK.join(lines)
    n_marks = len(lines) - 1
    if not is_plain(joined) or joined.count(b"\0") != n_marks:
        return None
    cells = joined.split()
    step = n_columns + 1
    if len(cells) != n_marks * step + n_columns or cells[n_columns::step].count(b"\0") != n_marks:
        return None
    return [cells[index::step] for index in wanted]


def is_plain(line: bytes) -> bool:
    """Whether a row holds neither quotes nor comments, so that white space alone splits it."""
    return b'"' not in line and b"'" not in line and b"#" not in line


def cell_spans(line: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of every cell of a row, quotes included, comments left out."""
    position = 0
    closing = dict(CLOSING)
    while word := WORD.search(line, position):
        start, position = word.span()
        mark = line[start : start + 1]
        if mark == b"#":
            break
        if mark in closing:
            if end := closing[mark].search(line, start + 1):
                position = end.end()
            else:
                # Nor does a later one close: looking again for each would take the square.
                del closing[mark]
        yield start, position


def unquote(cell: bytes) -> bytes:
    """Remove the quotes around a cell, if it has any."""
    if len(cell) >= 2 and cell[:1] in QUOTES and cell[-1:] == cell[:1]:
        return cell[1:-1]
    return cell


def decode(cell: bytes) -> str:
    """Text of a cell; bytes that are not UTF-8 survive a round trip through `encode`."""
    return cell.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Bytes of a text; the inverse of `decode`."""
    return text.encode("utf-8", "surrogateescape")


def quote(text: str) -> bytes:
    """Cell that holds a text: quoted if it is empty, has white space or would read otherwise.

    Raises:
        OutputError: If the text cannot be held by one cell (a line break, or both kinds of
            quotes).
    """
    raw = encode(text)
    if raw and len(raw.split()) == 1 and raw == raw.strip() and raw[:1] not in (b"#", *QUOTES):
        return raw
    for mark in QUOTES:
        if mark not in raw and b"\n" not in raw and b"\r" not in raw:
            return mark + raw + mark
    raise OutputError(
        f"the text {show(text)} does not fit into one cell of a STAR file: it has a line break, "
        "or both kinds of quotes. Rename what it names."
    )


def format_cells(values: Sequence[Any] | np.ndarray) -> list[bytes]:
    """Cells of a column: integers as they are, floats with six decimals, texts quoted if needed.

    An array (m, k) becomes vectors such as [0.250000,0.750000], or [1,2] where it holds integers.

    Raises:
        OutputError: If a text cannot be held by one cell.
    """
    if not isinstance(values, np.ndarray):
        return [_format_cell(value) for value in values]
    if values.ndim == 2:
        form = b"%d" if values.dtype.kind in "iu" else b"%.6f"
        return [b"[" + b",".join(form % v for v in row) + b"]" for row in values.tolist()]
    if values.dtype.kind == "f":
        size = np.abs(values)
        is_plain_size = (size == 0) | ((size >= SMALLEST_PLAIN) & (size < LARGEST_PLAIN))
        pairs = zip(values.tolist(), is_plain_size.tolist(), strict=True)
        return [b"%.6f" % value if plain else b"%.6e" % value for value, plain in pairs]
    return [_format_cell(value) for value in values.tolist()]


def _format_cell(value: object) -> bytes:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, int | np.integer):
        return b"%d" % int(value)
    if isinstance(value, float | np.floating):
        return format_cells(np.array([value], np.float64))[0]
    raise ValueError(f"a STAR cell holds a text or a number, not {value!r}")
