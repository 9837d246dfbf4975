"""Colours and drawing style of all figures, and how a figure gets into the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.rcsetup import cycler

from cryofocus.data.atomic import atomic_file

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
PAGE_WIDTH_INCHES, DOTS_PER_INCH = 10.8, 150

_STYLE: dict[Any, Any] = {
    "text.usetex": False,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e9edf1",
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "lines.linewidth": 1.8,
    "axes.prop_cycle": cycler(color=CLASS_COLOURS),
    # Fixed names inside SVG files, so that the same run gives the same page.
    "svg.hashsalt": "cryofocus",
}


def class_colour(class_number: int) -> str:
    """Give a class (counted from 1) its colour; the same in figures, tables and ChimeraX."""
    return CLASS_COLOURS[(class_number - 1) % len(CLASS_COLOURS)]


def line_style(class_number: int) -> str:
    """Give a class a line style that differs once the colours repeat."""
    return LINE_STYLES[(class_number - 1) // len(CLASS_COLOURS) % len(LINE_STYLES)]


@contextmanager
def drawing() -> Iterator[None]:
    """Apply the style while figures are made; the user's own settings come back after it."""
    with mpl.rc_context(_STYLE):
        yield


def new_figure(height_inches: float, *, gap: float) -> Figure:
    """Make an empty figure outside pyplot, as wide as the page, laid out without overlaps.

    ``gap`` is the space between axes as a fraction of their width.
    """
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=gap, hspace=gap)
    return Figure(figsize=(PAGE_WIDTH_INCHES, height_inches), layout=layout)


def as_svg(figure: Figure) -> str:
    """Encode a figure of lines and text as a data address, text drawn as outlines."""
    return _data_address("image/svg+xml", figure, format="svg", metadata={"Date": None})


def as_png(figure: Figure, dots_per_inch: float) -> str:
    """Encode a figure of images as a data address."""
    how = {"dpi": dots_per_inch, "metadata": {"Software": None}}
    return _data_address("image/png", figure, format="png", **how)


def _data_address(media_type: str, figure: Figure, **how: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, **how)
    return f"data:{media_type};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def write_figures(folder: Path, figures: Mapping[str, Callable[[], Figure]]) -> list[Path]:
    """Draw figures in this style and write them as PNG files of these names.

    Raises:
        OutputError: Disk full, no permission.
    """
    with drawing():
        for name, draw in figures.items():
            write_png(folder / name, draw())
    return [folder / name for name in figures]


def write_png(path: Path, figure: Figure, dots_per_inch: int = DOTS_PER_INCH) -> None:
    """Write a figure as a PNG file, the same bytes for the same figure, atomically.

    Raises:
        OutputError: Disk full, no permission.
    """
    with atomic_file(path) as handle:
        figure.savefig(handle, format="png", dpi=dots_per_inch, metadata={"Software": None})
