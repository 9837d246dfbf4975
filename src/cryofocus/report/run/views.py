"""From where the particles of each class are seen, and whether the class depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from scipy.stats import chi2_contingency

from cryofocus.data.formats import open_table
from cryofocus.errors import CryofocusError
from cryofocus.report.drawing import style
from cryofocus.report.drawing.section import Section
from cryofocus.report.run.results import RunResults

PANELS_A_ROW = 4
PANEL_HEIGHT_INCHES = 1.75
MAX_CLASSES = 15
PARTICLES_A_BIN = 30
"""So many of each class on average, that a bin's share of it is not all chance."""
LARGEST_RATIO = 2.0
FINE = 12
STRONG_DEPENDENCE = 0.2
COUNT_COLOURS, RATIO_COLOURS = "viridis", "PuOr_r"


@dataclass(frozen=True, eq=False)
class ViewCounts:
    """Particles by class and by view, on bins of equal area.

    Attributes:
        counts: `(n_classes, n_latitudes, n_longitudes)` sums of posteriors.
        longitude: Edges of the bins in radians; rot.
        latitude: Edges of the bins in radians; 90 degrees minus tilt.
        dependence: Of class on view, from 0 for none to 1 (Cramér's V, less what chance gives).
    """

    counts: Float[np.ndarray, "n_classes n_latitudes n_longitudes"]
    longitude: Float[np.ndarray, " longitude_edges"]
    latitude: Float[np.ndarray, " latitude_edges"]
    dependence: float


def show_views(results: RunResults) -> tuple[Section, ...]:
    """Show the orientation distribution of each class, if the particle table can be read."""
    directions = read_directions(results)
    if directions is None:
        return ()
    posteriors = results.posteriors
    if not results.job.classes_found:
        posteriors = posteriors.sum(axis=1, keepdims=True)
    views = count_views(directions, posteriors)
    content = {
        "figure": style.as_png(draw_views(views), 130),
        "dependence": f"{views.dependence:.2f}",
        "is_strong": views.dependence > STRONG_DEPENDENCE,
        "left_out": max(posteriors.shape[1] - MAX_CLASSES, 0),
        "has_classes": posteriors.shape[1] > 1,
    }
    return (Section("views", "Viewing directions", "Views", content),)


def read_directions(results: RunResults) -> Float[np.ndarray, "n 3"] | None:
    """Read the view directions of the particles in the frame of the map.

    Returns:
        None where the particle table is missing, or says less than a classification needs and was
            helped out by options.
    """
    try:
        rotation = open_table(results.directory.particles).columns().rotation
    except CryofocusError:
        return None
    return rotation[:, 2, :] if len(rotation) == results.job.n_particles else None


def count_views(
    directions: Float[np.ndarray, "n 3"], posteriors: Float[np.ndarray, "n n_classes"]
) -> ViewCounts:
    """Count the particles of each class by view.

    Args:
        directions: Unit vectors.
        posteriors: Of the classes.

    Returns:
        On as many bins as the particles allow.
    """
    n, n_classes = posteriors.shape
    n_latitudes = int(np.clip(np.sqrt(n / n_classes / PARTICLES_A_BIN / 2), 3, 12))
    longitude = np.linspace(-np.pi, np.pi, 2 * n_latitudes + 1)
    heights = np.linspace(-1, 1, n_latitudes + 1)
    angle = np.arctan2(directions[:, 1], directions[:, 0])
    height = np.clip(directions[:, 2], -1, 1)
    counts = np.stack(
        [
            np.histogram2d(height, angle, (heights, longitude), weights=posteriors[:, k])[0]
            for k in range(n_classes)
        ]
    )
    return ViewCounts(counts, longitude, np.arcsin(heights), _dependence(counts))


def _dependence(counts: Float[np.ndarray, "n_classes n_latitudes n_longitudes"]) -> float:
    """Give Cramér's V of class and view, corrected for chance (Bergsma 2013, eq. 5)."""
    table = counts.reshape(len(counts), -1)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    rows, columns = table.shape
    if min(rows, columns) < 2:
        return 0.0
    n = table.sum()
    phi2 = max(chi2_contingency(table)[0] / n - (rows - 1) * (columns - 1) / (n - 1), 0.0)
    fewest = min(rows - (rows - 1) ** 2 / (n - 1) - 1, columns - (columns - 1) ** 2 / (n - 1) - 1)
    return float(np.sqrt(phi2 / max(fewest, 1e-9)))


def draw_views(views: ViewCounts) -> Figure:
    """Draw all particles, and then how much more or less of each class a view holds."""
    total = views.counts.sum(axis=0)
    # One class is all particles again.
    shown = views.counts[:MAX_CLASSES] if len(views.counts) > 1 else views.counts[:0]
    n_rows = -(-(len(shown) + 1) // PANELS_A_ROW)
    figure = style.new_figure(n_rows * PANEL_HEIGHT_INCHES, gap=0.06)
    panels = figure.subplots(
        n_rows, PANELS_A_ROW, subplot_kw={"projection": "mollweide"}, squeeze=False
    ).ravel()
    for panel in panels:
        panel.set_axis_off()
    mesh = _paint(panels[0], views, total / total.mean(), cmap=COUNT_COLOURS, vmin=0)
    panels[0].set_title("All particles", fontsize=10)
    figure.colorbar(mesh, ax=panels[0], shrink=0.7, label="times the mean")
    if not len(shown):
        return figure
    expected = total / total.sum() * shown.sum(axis=(1, 2))[:, None, None]
    ratio = np.log2(np.maximum(shown, 1e-9) / np.maximum(expected, 1e-9))
    ratio[:, total < PARTICLES_A_BIN] = np.nan
    for number, (panel, values) in enumerate(zip(panels[1:], ratio, strict=False), start=1):
        limits = {"vmin": -np.log2(LARGEST_RATIO), "vmax": np.log2(LARGEST_RATIO)}
        mesh = _paint(panel, views, values, cmap=RATIO_COLOURS, **limits)
        panel.set_title(f"Class {number}", fontsize=10)
    bar = figure.colorbar(mesh, ax=panels[len(shown)], shrink=0.7, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["half", "as all", "double"])
    return figure


def _paint(
    panel: Axes, views: ViewCounts, values: Float[np.ndarray, "y x"], **look: Any
) -> QuadMesh:
    """Paint bins in small pieces, so that their edges follow the curves of the map."""
    x, y = (
        np.interp(np.arange(0, (len(edges) - 1) * FINE + 1) / FINE, np.arange(len(edges)), edges)
        for edges in (views.longitude, views.latitude)
    )
    pieces = np.repeat(np.repeat(values, FINE, axis=0), FINE, axis=1)
    return panel.pcolormesh(x, y, pieces, linewidth=0, rasterized=True, **look)
