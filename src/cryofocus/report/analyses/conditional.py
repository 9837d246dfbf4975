"""Conditional questions on the page of `covary`: one table for each region that is given."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from cryofocus.formatting import format_count, format_number
from cryofocus.workflows.covary.record import UNDETERMINED, ConditionalLevel


@dataclass(frozen=True)
class Answer:
    """What the page says of the particles that meet a condition.

    Attributes:
        condition: In words.
        particles: How many they are.
        shares: Each other region, and the share of these particles that have it.
        pairs: Each pair of others, the share that has both, and their correlation.
    """

    condition: str
    particles: str
    shares: tuple[tuple[str, str], ...]
    pairs: tuple[tuple[str, str, str], ...]


def describe_answer(found: ConditionalLevel) -> Answer:
    """Put what was found under one condition into the words of the page."""
    share = _share(found.share, found.share_low, found.share_high)
    shares = zip(found.presence, found.presence_low, found.presence_high, strict=True)
    pairs = combinations(range(len(found.others)), 2)
    return Answer(
        condition=f"{found.region} {found.state}",
        particles=f"about {format_count(found.n_particles)} particles, {share}",
        shares=tuple((name, _share(*one)) for name, one in zip(found.others, shares, strict=True)),
        pairs=tuple(
            (
                f"{found.others[i]} – {found.others[j]}",
                _share(found.both[i][j], found.both_low[i][j], found.both_high[i][j]),
                _correlation(found.correlation[i][j], found.low[i][j], found.high[i][j]),
            )
            for i, j in pairs
        ),
    )


def _share(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return UNDETERMINED
    return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def _correlation(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return UNDETERMINED
    return f"{format_number(value)}  ({format_number(low)} to {format_number(high)})"
