"""Complaints in the words that were given."""

from __future__ import annotations

import re
from collections.abc import Mapping

COMPLAINT = re.compile(r"(?<![^ ])([a-z_]+)(?=(?:\.\d+)?: )")


def name_words(message: str, words: Mapping[str, str]) -> str:
    """Call fields of settings in complaints, `n_classes: found 1`, by the words that were given.

    Args:
        message: Complaints.
        words: What was given, by the name of the field.
    """
    return COMPLAINT.sub(lambda match: words.get(match[1], match[1]), message)
