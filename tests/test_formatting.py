"""Numbers look the same everywhere."""

from __future__ import annotations

import math

import pytest

from cryofocus.formatting import (
    format_angstrom,
    format_count,
    format_percent,
    format_seconds,
)


def test_numbers_read_well() -> None:
    """Thousands have a comma, units a space before them, and what is not there is a dash."""
    assert format_count(3000) == "3,000"
    assert format_percent(0.514) == "51 %"
    assert format_percent(0.9684, 1) == "96.8 %"
    assert format_angstrom(18.24) == "18.2 Å"
    assert format_angstrom(math.inf) == format_angstrom(math.nan) == "–"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.41, "0.4 s"),
        (38.2, "38 s"),
        (245.0, "4 min 05 s"),
        (7800.0, "2 h 10 min"),
        (59.7, "1 min 00 s"),
    ],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    """Durations carry the units people use at that length."""
    assert format_seconds(seconds) == text
