"""The residual power of a subtraction as a figure; its page has it as charts."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from cryofocus.report.analyses.subtraction import STAGES, radial_profile
from cryofocus.report.drawing import style
from cryofocus.report.figures.style import new_figure
from cryofocus.workflows.subtract.record import PowerRecord

FIGURE_HEIGHT_INCHES = 6.6
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": style.CLASS_COLOURS[1]},
    {"color": style.CLASS_COLOURS[0]},
    {"color": style.INK, "linestyle": ":", "linewidth": 1.2},
)


def draw_power(record: PowerRecord) -> Figure:
    """Draw power by frequency and by distance from the mask, and where in the images it is.

    Args:
        record: Power over that of the noise model; 1 everywhere says that nothing but noise is
            there.

    Returns:
        As wide as the page: two charts above three pictures.
    """
    figure = new_figure(FIGURE_HEIGHT_INCHES, gap=0.04)
    panel_of = figure.subplot_mosaic("LLLRRR;BBAAPP", height_ratios=(1.0, 1.1))
    _draw_shells(panel_of["L"], record)
    _draw_profile(panel_of["R"], record)
    panels = [panel_of[name] for name in "BAP"]
    bound = float(np.percentile(record.pictures[0], 99.8))
    edge = record.pictures.shape[1] // 2 * record.pixel_size_angstrom
    for panel, picture, name in zip(panels, record.pictures, STAGES, strict=True):
        shown = panel.imshow(
            picture,
            cmap="Greys",
            vmin=1.0,
            vmax=max(bound, 1.05),
            origin="lower",
            extent=(-edge, edge, -edge, edge),
        )
        circle = Circle((0, 0), record.mask_radius_angstrom, fill=False, color=style.MASK_COLOUR)
        panel.add_patch(circle)
        panel.set(title=name[0].upper() + name[1:], xticks=[], yticks=[])
        panel.grid(visible=False)
    figure.colorbar(shown, ax=panels, label="power / noise", shrink=0.85, pad=0.01)
    return figure


def _draw_shells(panel: Axes, record: PowerRecord) -> None:
    for values, name, look in zip(record.shells, STAGES, LOOKS, strict=True):
        panel.plot(record.frequency[1:], values[1:], label=name, **look)
    panel.axhline(1.0, color=style.MUTED, linewidth=1.0)
    panel.set(title="Power by frequency", xlabel="spatial frequency (1/Å)")
    panel.set_ylabel("power / noise")
    panel.legend(loc="upper right")


def _draw_profile(panel: Axes, record: PowerRecord) -> None:
    for picture, look in zip(record.pictures, LOOKS, strict=True):
        panel.plot(*radial_profile(picture, record.pixel_size_angstrom), **look)
    panel.axhline(1.0, color=style.MUTED, linewidth=1.0)
    panel.axvspan(0, record.mask_radius_angstrom, color=style.MASK_COLOUR, alpha=0.15, linewidth=0)
    panel.annotate(
        f"outside the mask: {record.outside[0]:.2f} before, {record.outside[1]:.2f} after, "
        f"{record.outside[2]:.2f} perfect",
        (1.0, 1.0),
        (-4, -4),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=9,
    )
    panel.set(title="Power around the mask", xlabel="distance from the mask's middle (Å)")
