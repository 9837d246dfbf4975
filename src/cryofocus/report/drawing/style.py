"""Colours of everything that is drawn."""

from __future__ import annotations

CLASS_COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"),
    *("#56B4E9", "#882255", "#999933", "#332288", "#7A7A7A"),
)
"""Told apart with any colour vision: Okabe & Ito (2008), then Tol's muted set."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINE_STYLES = ("-", "--", ":", "-.")
INK = "#1f2933"
MUTED = "#7b8794"
RULE = "#d9dee4"
CONSENSUS_COLOUR = "#9aa5b1"
MASK_COLOUR = "#F0B429"
PROPOSED_COLOUR = "#B5179E"
PAGE_WIDTH = 1080.0
"""Pixels of the widest picture of a page."""


def class_colour(class_number: int) -> str:
    """Give a class (counted from 1) its colour; the same in figures, tables and ChimeraX."""
    return CLASS_COLOURS[(class_number - 1) % len(CLASS_COLOURS)]


def line_style(class_number: int) -> str:
    """Give a class a line style that differs once the colours repeat."""
    return LINE_STYLES[(class_number - 1) // len(CLASS_COLOURS) % len(LINE_STYLES)]
