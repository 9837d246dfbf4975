"""Numbers look the same everywhere."""

from __future__ import annotations

import math

import pytest

from cryofocus.formatting import (
    format_angstrom,
    format_count,
    format_number,
    format_percent,
    format_seconds,
    visible,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain: 18.2 Å\n\ttabs, breaks", "plain: 18.2 Å\n\ttabs, breaks"),
        ("\x1b[2J\x07\r", r"\x1b[2J\x07\x0d"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("a\u202egpj.exe\u2066", r"a\u202egpj.exe\u2066"),
        (b"\xff.mrc".decode("utf-8", "surrogateescape"), r"\xff.mrc"),
        ("\ud800", r"\ud800"),
    ],
)
def test_control_characters_are_seen(text: str, shown: str) -> None:
    """What would move a cursor or turn the reading around is written out; the rest stays."""
    assert visible(text) == shown
    shown.encode()


def test_numbers_read_well() -> None:
    """Thousands have a comma, units a space before them, and what is not there is a dash."""
    assert format_count(3000) == "3,000"
    assert format_percent(0.514) == "51 %"
    assert format_percent(0.9684, 1) == "96.8 %"
    assert [format_percent(0.99983, 1), format_percent(0.998), format_percent(1.0, 1)] == [
        *("99.98 %", "99.8 %", "100 %")
    ]
    assert format_percent(1.0004) == "100 %"
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


def test_nothing_has_no_sign() -> None:
    """A negative number has a minus, what rounds to nothing none."""
    assert format_number(-0.567) == "−0.57"
    assert format_number(-0.004) == "0.00"
    assert format_number(1.0) == "1.00"
