"""The first pictures of a page: every class and what is different about it, from one side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter, zoom

from cryofocus.report.drawing.raster import Raster, number_colours, palette
from cryofocus.report.drawing.shaded import (
    Picture,
    Relief,
    Turn,
    choose_turn,
    project_region,
    trace_surface,
)
from cryofocus.report.drawing.sheet import data_address
from cryofocus.report.drawing.slices import DENSITY_SIGMAS
from cryofocus.report.drawing.style import INK, class_colour
from cryofocus.report.drawing.surfaces import Cube, without_dust
from cryofocus.report.run.results import RunResults
from cryofocus.report.run.shown_maps import ShownMaps

N_PIXELS = 256
MARGIN_PIXELS = 6
OUTLINE_PIXELS = 2.4
OUTLINE_WIDTH, FINER = 1.12, 1.875
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
        surface = _shade(relief, to_rgb(class_colour(number)))
        shares = number_colours(painted[number], -largest, largest)
        difference = _shade(consensus, palette(DIFFERENCE_COLOURS)[shares] / 255)
        pictures[number] = ClassPictures(_encode(surface, sight), _encode(difference, sight))
    return pictures


def draw_consensus(sight: Sight) -> str:
    """Draw the map of all particles in grey, with the region."""
    return _encode(_shade(sight.consensus, to_rgb(GREY)), sight)


def _shade(relief: Relief, colours: Float[np.ndarray, "... 3"]) -> Colours:
    """Colour what is seen, brighter where it faces the light; the ground is white."""
    light = relief.light[..., None]
    lit = np.broadcast_to(colours, (*relief.light.shape, 3)) * light + 0.12 * light**8
    return np.where(relief.is_hit[..., None], np.clip(lit, 0, 1), 1.0)


def to_rgb(colour: str) -> Float[np.ndarray, " 3"]:
    """Read a colour such as #0072B2; from 0 to 1."""
    return np.frombuffer(bytes.fromhex(colour[1:]), np.uint8) / 255


def _encode(colours: Colours, sight: Sight) -> str:
    """Outline the region, crop the picture, and encode it."""
    low_row, high_row, low_column, high_column = sight.window
    share = outline_share(sight.outline)[..., None]
    drawn = (1 - share) * colours + share * to_rgb(INK)
    shown = drawn[low_row:high_row, low_column:high_column][::-1]
    # Pixels between pixels, so that edges are seen as lines, not as stairs.
    # Each colour by itself: a spline through all three costs four times as much.
    finer = [
        zoom(c, FINER, order=3, mode="nearest", grid_mode=True) for c in np.moveaxis(shown, -1, 0)
    ]
    fine = np.clip(np.stack(finer, axis=-1), 0, 1)
    return data_address("image/png", Raster(np.rint(255 * fine).astype(np.uint8)).png())


def outline_share(values: Picture, level: float = 0.5) -> Picture:
    """Give by how much each pixel belongs to the line on which values pass a level.

    The distance from it is the difference from the level over the slope.
    """
    slope = np.hypot(*np.gradient(values))
    # Where nothing changes there is no line; half a level away in one pixel is the steepest.
    distance = np.abs(values - level) / np.maximum(slope, 1e-6)
    return np.asarray(np.clip(0.5 * OUTLINE_WIDTH + 0.5 - distance, 0.0, 1.0))
