"""The viewer of surfaces: which maps, at which levels, in which colours."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from markupsafe import Markup

from cryofocus.report.drawing.section import Section, plotly_script, viewer_script
from cryofocus.report.drawing.shaded import Turn
from cryofocus.report.drawing.slices import DENSITY_SIGMAS
from cryofocus.report.drawing.style import (
    CONSENSUS_COLOUR,
    MASK_COLOUR,
    PROPOSED_COLOUR,
    class_colour,
)
from cryofocus.report.drawing.surfaces import (
    MASK_RANGE,
    TINY,
    Layer,
    Range,
    Scale,
    describe_layers,
)
from cryofocus.report.run.shown_maps import ShownMaps

MORE_COLOUR, LESS_COLOUR = "#b2182b", "#2166ac"
"""Ends of the colours of differences in the planes."""
MASK_OPACITY = 0.22
EYE_DISTANCE = 1.2
NOISE_SIGMAS, LOWEST_SIGMAS = 0.8, 1.5
HIGHEST_OF_MAXIMUM = 0.8
FIRST_DIFFERENCE, LOWEST_DIFFERENCE, HIGHEST_DIFFERENCE = 0.4, 0.1, 0.95
"""Parts of the largest difference inside the mask."""


def show_surfaces(maps: ShownMaps, camera: dict[str, Any]) -> Section:
    """Compose the section with the viewer: plotly.js and scripts of its own.

    Args:
        maps: All maps of the run.
        camera: Of plotly, from where they are seen first.
    """
    ranges: dict[Scale, Range] = {"density": density_range(maps), "mask": MASK_RANGE}
    if maps.differences:
        ranges["difference"] = difference_range(maps)
    layers = compose_layers(maps)
    data = describe_layers(layers, ranges, maps.frame) | {"camera": camera}
    content = {
        "layers": layers,
        "sliders": {
            name: text
            for name, text in (
                ("density", "Level of maps"),
                ("difference", "Level of differences"),
            )
            if name in ranges
        },
        "data": Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")),
    }
    names = ("contour.js", "scene.js", "surfaces.js")
    scripts = (plotly_script(), *map(viewer_script, names))
    return Section("surfaces", "Surfaces", "Surfaces", content, scripts)


def camera_from(turn: Turn) -> dict[str, Any]:
    """Look as the pictures of the page do, with plotly."""
    names = ("x", "y", "z")
    eye = dict(zip(names, (EYE_DISTANCE * turn[2]).tolist(), strict=True))
    return {"eye": eye, "up": dict(zip(names, turn[1].tolist(), strict=True))}


def density_range(maps: ShownMaps) -> Range:
    """Choose levels for all maps alike, from where noise begins to the densest parts."""
    deviation = max(maps.deviation, TINY)
    cubes = [maps.consensus.cube, *(shown.cube for shown in maps.classes.values())]
    highest = max(float(cube.max()) for cube in cubes)
    sigmas = HIGHEST_OF_MAXIMUM * (highest - maps.mean) / deviation
    return Range(
        low=maps.mean + NOISE_SIGMAS * deviation,
        high=max(highest, maps.mean + LOWEST_SIGMAS * deviation),
        first=maps.mean + LOWEST_SIGMAS * deviation,
        last=maps.mean + max(sigmas, 1.2 * DENSITY_SIGMAS) * deviation,
        start=maps.mean + DENSITY_SIGMAS * deviation,
        unit=deviation,
        zero=maps.mean,
        name="σ",
    )


def difference_range(maps: ShownMaps) -> Range:
    """Choose levels for all differences alike, as parts of the largest inside the mask."""
    inside = maps.mask.cube > 0.5
    strongest = (np.abs(shown.cube[inside]) for shown in maps.differences.values())
    largest = max((float(values.max()) for values in strongest if values.size), default=0.0)
    largest = max(largest, TINY)
    return Range(
        low=-largest,
        high=largest,
        first=LOWEST_DIFFERENCE * largest,
        last=HIGHEST_DIFFERENCE * largest,
        start=FIRST_DIFFERENCE * largest,
        unit=largest / 100,
        name="% of the largest in the focus",
    )


def compose_layers(maps: ShownMaps) -> list[Layer]:
    """List what can be shown: classes, their differences in two ways, the consensus and masks.

    Returns:
        The first class and the mask are shown at first.
    """
    consensus, changed = maps.consensus.cube, (MORE_COLOUR, LESS_COLOUR)
    first = min(maps.classes, default=None)
    masks = [("Focus mask", maps.mask, MASK_COLOUR)]
    if maps.proposed is not None:
        masks.append(("Proposed region", maps.proposed, PROPOSED_COLOUR))
    return [
        *(
            Layer(f"Class {n}", "density", (class_colour(n),), shown.cube, is_shown=n == first)
            for n, shown in maps.classes.items()
        ),
        *(
            Layer(f"Class {n} − consensus", "difference", changed, shown.cube)
            for n, shown in maps.differences.items()
        ),
        *(
            Layer(f"Class {n} painted", "density", changed, consensus, paint=shown.cube)
            for n, shown in maps.differences.items()
        ),
        Layer("Consensus", "density", (CONSENSUS_COLOUR,), consensus, is_shown=first is None),
        *(
            Layer(
                name,
                "mask",
                (colour,),
                shown.cube,
                opacity=MASK_OPACITY,
                is_shown=shown is maps.mask,
            )
            for name, shown, colour in masks
        ),
    ]
