"""Pairs of regions that vary together, and those that may only seem to."""

from __future__ import annotations

from itertools import combinations

from cryofocus.formatting import format_number
from cryofocus.logs import get_logger
from cryofocus.workflows.covary.record import CovaryRecord

logger = get_logger(__name__)

SIGNIFICANT_P = 0.01
# A part that appears darkens its surroundings, and with them the masses of regions nearby. On the
# assembling ribosome, regions present independently of each other were found at -0.07 to -0.20,
# with 95 % intervals down to -0.28 (docs/assembly.md).
WEAK_CORRELATION = 0.3

Pair = tuple[int, int, float]


def coupled_pairs(record: CovaryRecord) -> list[Pair]:
    """List pairs whose correlation is sure: over particles by p-value, else by the interval."""
    found = []
    for i, j in combinations(range(len(record.regions)), 2):
        if (level := record.particle_level) is not None:
            value, p_value = level.correlation[i][j], level.p_values[i][j]
            is_sure = p_value is not None and p_value < SIGNIFICANT_P
        elif (classes := record.class_level) is not None:
            value, low, high = classes.correlation[i][j], classes.low[i][j], classes.high[i][j]
            is_sure = low is not None and high is not None and low * high > 0
        if value is not None and is_sure:
            found.append((i, j, value))
    return found


def is_doubtful(pair: Pair) -> bool:
    """Whether dark surroundings alone could make such a correlation: weak and negative."""
    return -WEAK_CORRELATION < pair[2] < 0


def name_pairs(record: CovaryRecord, pairs: list[Pair]) -> str:
    """Name pairs, each with its correlation."""
    return "; ".join(
        f"{record.regions[i]} and {record.regions[j]} "
        f"({'+' if value > 0 else ''}{format_number(value)})"
        for i, j, value in pairs
    )


def warn_of_surroundings(record: CovaryRecord) -> None:
    """Log which pairs vary together so weakly that they may be independent."""
    if not (doubtful := [pair for pair in coupled_pairs(record) if is_doubtful(pair)]):
        return
    logger.warning(
        "%s: weak, negative, and perhaps no coupling. Correlations are of mass, and a part that "
        "appears darkens its surroundings: regions near it lose about -0.1 to -0.2 in "
        "correlation though each is there independently of the other. Combinations (--given too) "
        "are of the same masses. Before you call it coupling, classify by each region apart and "
        "compare the classes.",
        name_pairs(record, doubtful),
    )
