"""Names of columns that are nearly those of others."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

LIKENESS = 0.9
PREFIX = "rln"
"""Of RELION's labels, which may be missing."""


def find_misspelt(missing: str, labels: Collection[str]) -> str | None:
    """Return the label of a table that is probably meant to be one it lacks, if there is any.

    Args:
        missing: The label that is looked for.
        labels: Those of the table that mean nothing.
    """
    for label in labels:
        if label.lower().removeprefix(PREFIX) == missing.lower().removeprefix(PREFIX):
            return label
    return next(iter(get_close_matches(missing, labels, 1, LIKENESS)), None)
