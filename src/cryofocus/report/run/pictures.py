"""The first pictures of a page: every class and what is different about it, from one side."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from cryofocus.report.drawing import style
from cryofocus.report.drawing.shaded import (
    Picture,
    Relief,
    Turn,
    choose_turn,
    project_region,
    trace_surface,
)
from cryofocus.report.drawing.slices import DENSITY_SIGMAS
from cryofocus.report.drawing.surfaces import Cube, without_dust
from cryofocus.report.run.results import RunResults
from cryofocus.report.run.shown_maps import ShownMaps

N_PIXELS = 320
PICTURE_INCHES, DOTS_PER_INCH = 2.4, 150
MARGIN_PIXELS = 8
OUTLINE_PIXELS = 3.0
GREY = "#b8c1ca"
DIFFERENCE_COLOURS = "RdBu_r"
PERCENTILE = 99.0
Colours = Float[np.ndarray, "rows columns 3"]


@dataclass(frozen=True)
class ClassPictures:
    """What the first row shows of a class: its surface, and the difference on the consensus."""

    surface: str
    difference: str


@dataclass(frozen=True, eq=False)
class Sight:
    """How all pictures look at the maps.

    Attributes:
        turn: From where.
        level: Of the surfaces.
        outline: Of the region in focus, where it passes 0.5.
        window: Rows and columns that hold anything: low and high of each.
        consensus: Map of all particles, as seen from there.
    """

    turn: Turn
    level: float
    outline: Picture
    window: tuple[int, int, int, int]
    consensus: Relief


def choose_sight(maps: ShownMaps) -> Sight:
    """Look from where most of the difference is seen, or of the region.

    Args:
        maps: All maps of the run; the level is that of the viewer.
    """
    level = maps.mean + DENSITY_SIGMAS * maps.deviation
    strongest = [np.abs(shown.cube) for shown in maps.differences.values()]
    weight: Cube = maps.mask.cube * (np.max(strongest, axis=0) if strongest else 1.0)
    consensus = without_dust(maps.consensus.cube, level)
    turn = choose_turn(consensus, level, np.maximum(weight, 0).astype(np.float32))
    outline = gaussian_filter(project_region(maps.mask.cube, turn, N_PIXELS), OUTLINE_PIXELS)
    relief = trace_surface(consensus, level, turn, N_PIXELS)
    filled = np.argwhere(relief.is_hit | (outline > 0.5))
    low = np.maximum(filled.min(axis=0) - MARGIN_PIXELS, 0) if len(filled) else (0, 0)
    high = np.minimum(filled.max(axis=0) + MARGIN_PIXELS, N_PIXELS) if len(filled) else (1, 1)
    window = (int(low[0]), int(high[0]), int(low[1]), int(high[1]))
    return Sight(turn, level, outline, window, relief)


def draw_pictures(results: RunResults, maps: ShownMaps, sight: Sight) -> dict[int, ClassPictures]:
    """Draw every class that is one of its own, by its number; none where no classes were found."""
    numbers = [number for number in results.own_classes if number in maps.classes]
    consensus = sight.consensus
    painted = {number: consensus.strongest(maps.differences[number].cube) for number in numbers}
    values = np.abs(np.stack([*painted.values(), np.zeros_like(sight.outline)]))
    inside = values[:, consensus.is_hit & (sight.outline > 0.5)]
    largest = max(float(np.percentile(inside, PERCENTILE)) if inside.size else 0.0, 1e-30)
    pictures = {}
    for number in numbers:
        cube = without_dust(maps.classes[number].cube, sight.level)
        relief = trace_surface(cube, sight.level, sight.turn, N_PIXELS)
        surface = _shade(relief, np.asarray(to_rgb(style.class_colour(number))))
        colours = mpl.colormaps[DIFFERENCE_COLOURS](0.5 + 0.5 * painted[number] / largest)
        difference = _shade(consensus, colours[..., :3])
        pictures[number] = ClassPictures(_encode(surface, sight), _encode(difference, sight))
    return pictures


def draw_consensus(sight: Sight) -> str:
    """Draw the map of all particles in grey, with the region."""
    return _encode(_shade(sight.consensus, np.asarray(to_rgb(GREY))), sight)


def _shade(relief: Relief, colours: Float[np.ndarray, "... 3"]) -> Colours:
    """Colour what is seen, brighter where it faces the light; the ground is white."""
    light = relief.light[..., None]
    lit = np.broadcast_to(colours, (*relief.light.shape, 3)) * light + 0.12 * light**8
    return np.where(relief.is_hit[..., None], np.clip(lit, 0, 1), 1.0)


def _encode(colours: Colours, sight: Sight) -> str:
    """Crop a picture, outline the region, and encode it."""
    low_row, high_row, low_column, high_column = sight.window
    height = PICTURE_INCHES * (high_row - low_row) / (high_column - low_column)
    figure = Figure(figsize=(PICTURE_INCHES, height))
    panel = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    panel.imshow(colours, origin="lower", interpolation="bicubic")
    panel.set_axis_off()
    if sight.outline.min() < 0.5 < sight.outline.max():
        panel.contour(sight.outline, levels=[0.5], colors=[style.INK], linewidths=1.0)
    panel.set(xlim=(low_column, high_column), ylim=(low_row, high_row))
    return style.as_png(figure, DOTS_PER_INCH)
