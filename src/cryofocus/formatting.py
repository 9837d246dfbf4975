"""Numbers as people read them, the same in the log, on the command line and in the report."""

from __future__ import annotations

import math


def format_count(number: int) -> str:
    """Write a count with commas between groups of three digits: ``3,000``."""
    return f"{number:,}"


def format_percent(fraction: float, decimals: int = 0) -> str:
    """Write a fraction of one as a percentage: ``51 %``."""
    return f"{100 * fraction:.{decimals}f} %"


def format_angstrom(length_angstrom: float, decimals: int = 1) -> str:
    """Write a length in Å: ``18.2 Å``; a dash where there is none (infinite or NaN)."""
    return f"{length_angstrom:.{decimals}f} Å" if math.isfinite(length_angstrom) else "–"


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
