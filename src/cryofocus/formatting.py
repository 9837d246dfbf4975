"""Numbers and texts as people read them, the same in the log, on the terminal, in the report."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

# What moves a terminal's cursor, changes its colours or the direction of reading, and what is half
# of a character; line breaks and tabs stay.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
# Of a percentage.
MOST_DECIMALS = 6
# Where bytes that are no UTF-8 stand in texts, less what they are.
STRAY_BYTES = 0xDC00


def format_count(number: int) -> str:
    """Write a count with commas between groups of three digits: ``3,000``."""
    return f"{number:,}"


def format_percent(fraction: float, decimals: int = 0) -> str:
    """Write a fraction of one as a percentage: ``51 %``; nothing but all is ``100 %``.

    What would be rounded to 100 has as many decimals as it takes, six at most.

    Examples:
        >>> format_percent(0.514), format_percent(0.9998, 1), format_percent(1.0, 1)
        ('51 %', '99.98 %', '100 %')
    """
    if fraction == 1:
        return "100 %"
    while (text := f"{100 * fraction:.{decimals}f}").startswith("100") and fraction < 1:
        if decimals == MOST_DECIMALS:
            break
        decimals += 1
    return f"{text} %"


def format_angstrom(length_angstrom: float, decimals: int = 1) -> str:
    """Write a length in Å: ``18.2 Å``; a dash where there is none (infinite or NaN)."""
    return f"{length_angstrom:.{decimals}f} Å" if math.isfinite(length_angstrom) else "–"


def format_resolution(
    resolution_angstrom: float, box: int, pixel_size_angstrom: float, decimals: int = 1
) -> str:
    """Write a resolution, and say where it is not the data's limit but that of the pixels.

    Examples:
        >>> format_resolution(8.0, 96, 2.0), format_resolution(4.0, 96, 2.0)
        ('8.0 Å', '4.0 Å (Nyquist)')
    """
    text = format_angstrom(resolution_angstrom, decimals)
    at_limit = is_nyquist(resolution_angstrom, box, pixel_size_angstrom)
    return f"{text} (Nyquist)" if at_limit else text


def is_nyquist(resolution_angstrom: float, box: int, pixel_size_angstrom: float) -> bool:
    """Tell whether a resolution is not the data's limit but that of the pixels."""
    return round(box * pixel_size_angstrom / resolution_angstrom, 3) >= box // 2


def format_seconds(seconds: float) -> str:
    """Write a duration, not negative: ``0.4 s``, ``38 s``, ``4 min 05 s``, ``2 h 10 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_number(value: float, decimals: int = 2) -> str:
    """Write a number with a minus, and nothing as 0."""
    # Adding 0 makes 0 of the -0 that a small negative number is rounded to.
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")


def format_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Set a small table as lines of text, columns aligned to the right except the first."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *rest in cells:
        padded = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join(["", first.ljust(widths[0]), *padded]).rstrip())
    return "\n".join(lines)


def visible(text: str) -> str:
    """Write control characters out: the names in files of others may hold any."""
    return UNSEEN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if STRAY_BYTES + 0x80 <= code <= STRAY_BYTES + 0xFF:
        code -= STRAY_BYTES
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
