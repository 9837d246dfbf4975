"""From where the particles of each class are seen, and whether the class depends on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from cryofocus.data.formats import open_table
from cryofocus.errors import CryofocusError
from cryofocus.report.drawing.raster import Raster, number_colours, palette
from cryofocus.report.drawing.section import Section
from cryofocus.report.drawing.sheet import Image, Line, Sheet, Text, legend
from cryofocus.report.drawing.style import PAGE_WIDTH, RULE
from cryofocus.report.run.results import RunResults
from cryofocus.report.run.words import unit

PANELS_A_ROW = 4
GAP, TITLE, LEGEND = 16.0, 26.0, 60.0
PANEL_WIDTH = (PAGE_WIDTH - (PANELS_A_ROW - 1) * GAP) / PANELS_A_ROW
N_ROWS = 220
RIM_POINTS = 90
MAX_CLASSES = 15
PARTICLES_A_BIN = 30
"""So many of each class on average, that a bin's share of it is not all chance."""
LARGEST_RATIO = 2.0
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

    @property
    def is_enough(self) -> Bool[np.ndarray, "n_latitudes n_longitudes"]:
        """Tell which bins hold enough particles for a class's share of them."""
        return np.asarray(self.counts.sum(axis=0) >= PARTICLES_A_BIN)

    @property
    def filled(self) -> list[int]:
        """List the classes that hold particles, counted from 0."""
        return [k for k, counts in enumerate(self.counts) if counts.any()]

    @property
    def has_classes(self) -> bool:
        """Tell whether there are classes to compare, and particles enough for it."""
        return len(self.filled) > 1 and bool(self.is_enough.any())


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
        "figure": draw_views(views, unit(results.job)).address(),
        "dependence": f"{views.dependence:.2f}",
        "unit": unit(results.job),
        "is_strong": views.dependence > STRONG_DEPENDENCE,
        "left_out": max(len(views.filled) - MAX_CLASSES, 0),
        "has_classes": views.has_classes,
        "is_too_few": posteriors.shape[1] > 1 and not views.has_classes,
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
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / n
    square = float(((table - expected) ** 2 / expected).sum())
    phi2 = max(square / n - (rows - 1) * (columns - 1) / (n - 1), 0.0)
    fewest = min(rows - (rows - 1) ** 2 / (n - 1) - 1, columns - (columns - 1) ** 2 / (n - 1) - 1)
    return float(np.sqrt(phi2 / max(fewest, 1e-9)))


def draw_views(views: ViewCounts, counted: str = "particles") -> Sheet:
    """Draw all particles, and then how much more or less of each class a view holds."""
    total = views.counts.sum(axis=0)
    # One class is all particles again; one without particles is seen from nowhere.
    numbers = views.filled[:MAX_CLASSES] if views.has_classes else []
    shown = views.counts[numbers]
    n_rows = -(-(len(shown) + 1) // PANELS_A_ROW)
    width = PAGE_WIDTH if len(shown) else PANEL_WIDTH
    sheet = Sheet(n_rows * (PANEL_WIDTH / 2 + TITLE) + LEGEND, width)
    often = total / total.mean()
    end = float(often.max())
    _add_panel(sheet, 0, f"All {counted}", _paint(views, often, COUNT_COLOURS, (0.0, end)))
    bar, y = 0.8 * PANEL_WIDTH, sheet.height - 30
    ticks = [(0.0, "0"), (1.0, f"{end:.1f}")]
    sheet.add(*legend(COUNT_COLOURS, (0.1 * PANEL_WIDTH, y, bar), ticks, "times the mean"))
    if not len(shown):
        return sheet
    expected = total / total.sum() * shown.sum(axis=(1, 2))[:, None, None]
    ratio = np.log2(np.maximum(shown, 1e-9) / np.maximum(expected, 1e-9))
    ratio[:, ~views.is_enough] = np.nan
    limit = float(np.log2(LARGEST_RATIO))
    for place, (k, values) in enumerate(zip(numbers, ratio, strict=True), start=1):
        raster = _paint(views, values, RATIO_COLOURS, (-limit, limit))
        _add_panel(sheet, place, f"Class {k + 1}", raster)
    ticks = [(0.0, "half"), (0.5, "as all"), (1.0, "double")]
    x = PANEL_WIDTH + GAP + 0.1 * PANEL_WIDTH
    sheet.add(*legend(RATIO_COLOURS, (x, y, bar), ticks, "of the class"))
    return sheet


def _add_panel(sheet: Sheet, number: int, title: str, raster: Raster) -> None:
    """Put a map of the sphere in its place, with its rim."""
    row, column = divmod(number, PANELS_A_ROW)
    x, y = column * (PANEL_WIDTH + GAP), row * (PANEL_WIDTH / 2 + TITLE) + TITLE
    sheet.add(Text(title, x + PANEL_WIDTH / 2, y - 8, size=12, anchor="middle"))
    sheet.add(Image(raster, x, y, PANEL_WIDTH, PANEL_WIDTH / 2))
    a, b = PANEL_WIDTH / 2, PANEL_WIDTH / 4
    angles = np.linspace(0, 2 * np.pi, RIM_POINTS)
    rim = [(x + a + a * float(np.cos(t)), y + b + b * float(np.sin(t))) for t in angles]
    sheet.add(Line(tuple(rim), RULE))


def _paint(
    views: ViewCounts, values: Float[np.ndarray, "y x"], colours: str, ends: tuple[float, float]
) -> Raster:
    """Paint bins on a map of the sphere with true areas (Mollweide 1805)."""
    across = np.linspace(-1, 1, 2 * N_ROWS)[None, :]
    up = np.linspace(1, -1, N_ROWS)[:, None]
    auxiliary = np.arcsin(up)
    latitude = np.arcsin((2 * auxiliary + np.sin(2 * auxiliary)) / np.pi)
    longitude = np.pi * across / np.maximum(np.cos(auxiliary), 1e-9)
    row = np.searchsorted(views.latitude, latitude).clip(1, len(values)) - 1
    column = np.searchsorted(views.longitude, longitude).clip(1, values.shape[1]) - 1
    painted = np.where(np.abs(longitude) <= np.pi, values[row, column], np.nan)
    return Raster(number_colours(painted, *ends), palette(colours))
