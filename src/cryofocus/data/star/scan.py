"""Find the tables of a STAR file: which lines are labels and which are rows.

Nothing is refused here. What this package does not need is kept and never looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

from cryofocus.complaints import cut

# First characters of lines that may be something other than a row; the rest is decided quickly.
KEYWORD_STARTS = frozenset((b"", b"#", b"_", b"d", b"D", b"l", b"L"))
# What some editors write before the first line.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, eq=False)
class StarBlock:
    """One table: a loop, or label-value pairs (then it counts as one row).

    Attributes:
        name: What follows `data_`; may be empty.
        labels: Column names without underscore.
        label_lines: Line numbers of the labels, from 0.
        row_lines: Line numbers of the rows of a loop; empty for pairs.
        is_loop: Loop or pairs.
    """

    name: str
    labels: tuple[str, ...]
    label_lines: tuple[int, ...]
    row_lines: Int[np.ndarray, " n_rows"]
    is_loop: bool

    @property
    def title(self) -> str:
        """Return the name as messages say it; in a damaged file it may be endless."""
        return f"data_{cut(self.name)}"

    @property
    def n_rows(self) -> int:
        """Number of rows; pairs are one row."""
        return len(self.row_lines) if self.is_loop else 1


@dataclass
class _Table:
    """A table while its lines are being read."""

    name: str
    is_loop: bool = False
    labels: list[str] = field(default_factory=list)
    label_lines: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    is_interrupted: bool = False  # by an empty line or a comment since the last label or row

    def takes_label(self, text: bytes) -> bool:
        """Whether a line that starts with an underscore is a label (else it is a row)."""
        if not self.is_loop:
            return True
        words = text.split(maxsplit=1)
        return not self.rows and (len(words) == 1 or words[1].startswith(b"#"))

    def is_followed_by_header(self, words: list[bytes]) -> bool:
        """Whether a line `data_...` starts a new block (else it is a row).

        A row of several columns has several words. A row of one column follows another row or
        the labels directly.
        """
        if len(words) > 1:
            return False
        return len(self.labels) != 1 or not self.is_loop or self.is_interrupted

    def finish(self) -> StarBlock:
        """Freeze the table."""
        rows = np.array(self.rows, dtype=np.int64)
        return StarBlock(
            self.name, tuple(self.labels), tuple(self.label_lines), rows, self.is_loop
        )


def scan_blocks(lines: list[bytes]) -> tuple[StarBlock, ...]:
    """Find every table of a file, in order; tables without labels are left out."""
    tables: list[_Table] = []
    table = _Table("")
    for number, line in enumerate(lines):
        text = line.strip()
        if number == 0:
            text = text.removeprefix(BYTE_ORDER_MARK).lstrip()
        first = text[:1]
        if first not in KEYWORD_STARTS and table.is_loop:
            table.rows.append(number)
            table.is_interrupted = False
            continue
        if not text or first == b"#":
            table.is_interrupted = True
            continue
        words = _words(text)
        keyword = words[0][:5].lower()
        if keyword == b"data_" and table.is_followed_by_header(words):
            table = _Table(words[0][5:].decode("utf-8", "surrogateescape"))
            tables.append(table)
            continue
        if keyword == b"loop_" and words[0][5:] == b"" and len(words) == 1:
            # A block may hold several tables; RELION writes one.
            if table.labels:
                table = _Table(table.name)
                tables.append(table)
            table.is_loop = True
            continue
        _place(table, number, text)
        table.is_interrupted = False
    return tuple(table.finish() for table in tables if table.labels)


def _words(text: bytes) -> list[bytes]:
    """Split a line at white space, without the comment that may end it."""
    words = text.split()
    comment = next((i for i, word in enumerate(words) if word.startswith(b"#")), len(words))
    return words[:comment]


def _place(table: _Table, number: int, text: bytes) -> None:
    """Give a line that is neither empty nor a keyword to the table it stands in."""
    if text.startswith(b"_") and table.takes_label(text):
        table.labels.append(text.split()[0][1:].decode("utf-8", "surrogateescape"))
        table.label_lines.append(number)
    elif table.is_loop:
        table.rows.append(number)
