"""How figures look, and how they get into files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.rcsetup import cycler

from cryofocus.data.atomic import atomic_file
from cryofocus.report.drawing.style import CLASS_COLOURS, INK, MUTED, PAGE_WIDTH

PAGE_WIDTH_INCHES, DOTS_PER_INCH = PAGE_WIDTH / 100, 150

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
