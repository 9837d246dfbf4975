"""What is wrong with a STAR file that was written, cut or edited by hand, told from its lines.

Only asked once something is missing or a row does not fit, so that the cause is named and not what
follows from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryofocus.complaints import show
from cryofocus.data.star.cells import cell_spans, decode, split_row, unquote
from cryofocus.data.star.scan import StarBlock
from cryofocus.errors import FormatError

# Labels of RELION's and cisTEM's, at whose beginning the underscore may be missing.
BARE_LABEL = re.compile(rb"((?:rln|cisTEM)[A-Z]\w*)\s*(?:#\s*\d+)?")
# A label and nothing behind it, or its number.
LABEL = re.compile(rb"_[^\s#]+\s*(?:#.*)?", re.DOTALL)
GLUED_LABEL = re.compile(rb"(_[^\s#]+)#\d+.*", re.DOTALL)
BARE_BLOCK = re.compile(rb"data[ \t]+(\w+)", re.IGNORECASE)
BARE_LOOP = re.compile(rb"_?loop_?:?", re.IGNORECASE)
MARKED = re.compile(rb"([^\w\s#'\"]+)\s*((?:data_|loop_|_rln|_cisTEM)\S*)", re.IGNORECASE)
IMAGE = re.compile(rb"\d+@.+|'.+\.mrcs?'")
NO_BREAK, SPACES = (b"\xc2\xa0", b"\xa0"), "spaces that separate nothing (U+00A0)"
DECIMAL_COMMA = re.compile(rb"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
# Of values, which are shown when a row has no more.
FEW = 2
SEPARATORS = {b",": "commas", b";": "semicolons"}


@dataclass
class _Header:
    """What has come of a block so far; lines count from 0, and are None before they come."""

    data: int | None = None
    loop: int | None = None
    labels: int = 0
    rows: int = 0


def explain_header(lines: Sequence[bytes]) -> str:
    """Say what is wrong with the first header that is not sound; nothing if all are.

    Args:
        lines: Of the file.

    Returns:
        Such as `line 4: labels are listed ...`, with what to do, as sentences.
    """
    header = _Header()
    for number, line in enumerate(lines):
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        if fault := _explain_line(text, header, lines[number + 1 : number + 2]):
            return f"line {number + 1}: {fault}"
        _take(text, number, header)
    return ""


def names_image(line: bytes) -> bool:
    """Whether a row has a cell such as 000001@stack.mrcs or 'stack.mrcs'."""
    return any(map(IMAGE.fullmatch, line.split()))


def _take(text: bytes, number: int, header: _Header) -> None:
    """Let a sound line count."""
    if text[:5].lower() == b"data_":
        header.data, header.loop, header.labels, header.rows = number, None, 0, 0
    elif text.split()[0].lower() == b"loop_":
        header.loop, header.labels, header.rows = number, 0, 0
    elif text.startswith(b"_"):
        header.labels += 1
    else:
        header.rows += 1


def _explain_line(text: bytes, header: _Header, following: Sequence[bytes]) -> str:
    """Say what is wrong with a line, given what stands before and behind it."""
    if found := _explain_mark(text):
        return found
    words = text.split()
    if words[0].lower() == b"loop_" and len(words) > 1 and not words[1].startswith(b"#"):
        return "'loop_' has to stand on a line of its own. Put the label on the next line."
    is_label = LABEL.fullmatch(text) is not None
    if is_label and header.data is None:
        return (
            "labels are listed without a line that starts with 'data_' before them. Add it, such "
            "as 'data_particles'."
        )
    # A single label without a value may have it on the next line, as in other dialects.
    if is_label and header.loop is None and any(map(LABEL.fullmatch, following)):
        return (
            "labels are listed without a line 'loop_' before them. Add it before the first label."
        )
    is_first = not header.labels and not header.rows and not text.startswith(b"_")
    is_row = header.loop is not None and words[0][:5].lower() not in (b"data_", b"loop_")
    if is_first and (is_row or names_image(text)):
        return (
            "rows without the labels of their columns before them: the header (data_, loop_, "
            "labels) is missing. Copy it from the table that the rows are from."
        )
    return ""


def _explain_mark(text: bytes) -> str:
    """Say what a line was meant to be that is nearly a line of a header."""
    if BARE_LOOP.fullmatch(text) and text.lower() != b"loop_":
        return _meant(text, b"loop_")
    if match := BARE_BLOCK.fullmatch(text):
        return _meant(text, b"data_" + match[1])
    if match := BARE_LABEL.fullmatch(text):
        return (
            f"the label {decode(match[1])} lacks its underscore. Write {decode(b'_' + match[1])}."
        )
    if text.startswith(b"_") and any(mark in text for mark in NO_BREAK):
        return f"{SPACES}. Replace them by plain ones."
    if match := GLUED_LABEL.fullmatch(text):
        return f"the label {show(decode(match[1]))} and # run together. Put a space before #."
    if match := MARKED.fullmatch(text.split(b" #")[0].rstrip()):
        return _meant(text, match[2])
    return ""


def _meant(found: bytes, expected: bytes) -> str:
    return f"found {show(decode(found))}, expected {show(decode(expected))}. Correct the line."


def wrong_count(
    place: str, line: bytes, block: StarBlock, others: Sequence[bytes] = ()
) -> FormatError:
    """Return the error of a row that has not one value for each column.

    Args:
        place: Of the row, for the message.
        line: The row.
        block: Its table.
        others: Rows of the table, the next one first.
    """
    n_expected, n_found = len(block.labels), len(split_row(line))
    return FormatError(
        f"{place}: {n_found} value{'s' * (n_found != 1)}, expected {n_expected}, one for each "
        f"column of {block.title}. {_explain_row(line.strip(), n_expected, others)}"
    )


def explain_number(cell: bytes) -> str:
    """Say why a value is no number, as a sentence behind another; or nothing."""
    if cell.endswith(tuple(SEPARATORS)):
        return " Values are separated by spaces or tabs alone."
    return " Write decimals with a point." if DECIMAL_COMMA.fullmatch(cell) else ""


def _explain_row(text: bytes, n_expected: int, others: Sequence[bytes]) -> str:
    checks: tuple[Callable[[], str], ...] = (
        lambda: _explain_mark(text),
        lambda: _explain_label(text),
        lambda: _explain_separators(text, n_expected),
        lambda: _explain_comment(text, n_expected),
        lambda: _explain_neighbours(text, n_expected, others),
    )
    found = next(filter(None, (check() for check in checks)), "")
    if found:
        return found[0].upper() + found[1:]
    shown = f"It is {show(decode(text))}. " if len(text.split()) <= FEW else ""
    return f"{shown}The file may be cut short, or a text with spaces lacks its quotes."


def _explain_label(text: bytes) -> str:
    if not text.startswith(b"_"):
        return ""
    if LABEL.fullmatch(text):
        return "It is a label, and labels come before the first row. Move or remove it."
    return f"A label has a line of its own; found {show(decode(text))}. Correct the line."


def _explain_separators(text: bytes, n_expected: int) -> str:
    if any(mark in text for mark in NO_BREAK):
        return f"It has {SPACES}. Replace them by plain ones."
    for mark, name in SEPARATORS.items():
        if text.count(mark) + 1 == n_expected:
            return f"Its values are separated by {name}; expected spaces or tabs. Replace them."
    (start, stop), *more = cell_spans(text)
    inner = unquote(text[start:stop])
    if not more and len(inner.split()) == n_expected:
        return "The whole row is in quotes. Remove them."
    return ""


def _explain_comment(text: bytes, n_expected: int) -> str:
    marks = [word for word in text.split() if word.startswith(b"#")]
    if marks and len(text.split()) == n_expected:
        return (
            f"What starts with # is a comment: put {show(decode(marks[0]))} in quotes if it is a "
            "value."
        )
    return ""


def _explain_neighbours(text: bytes, n_expected: int, others: Sequence[bytes]) -> str:
    counts = [len(split_row(other)) for other in others]
    own = len(split_row(text))
    if counts and own + counts[0] == n_expected:
        return "It goes on in the next line. Put all values of a row on one line."
    if set(counts) == {own}:
        what = "lacks a label" if own > n_expected else "has a label too many"
        return (
            f"So has every other row: the list of labels {what}, or every row was cut. Compare "
            "with the table that this one was made from."
        )
    return ""
