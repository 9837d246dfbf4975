"""The viewer of surfaces: which maps, at which levels, in which colours."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from cryofocus.formatting import format_percent
from cryofocus.report.drawing.section import Section, plotly_script, viewer_script
from cryofocus.report.drawing.slices import DENSITY_SIGMAS
from cryofocus.report.drawing.style import (
    CONSENSUS_COLOUR,
    MASK_COLOUR,
    PROPOSED_COLOUR,
    class_colour,
)
from cryofocus.report.drawing.surfaces import Layer, Part, describe_layers
from cryofocus.report.run.shown_maps import ShownMaps

MORE_COLOUR, LESS_COLOUR = "#b2182b", "#2166ac"
"""Ends of the colours of differences in the planes."""
MASK_OPACITY = 0.22
N_DENSITY_LEVELS = 7
LOWEST_SIGMAS = 2.0
HIGHEST_OF_MAXIMUM = 0.7
DIFFERENCE_LEVELS = (0.3, 0.4, 0.5, 0.65, 0.8)
"""Parts of the largest difference inside the mask."""
FIRST_DIFFERENCE = 1
TINY = 1e-30
"""Stands in for the spread of a map that is the same everywhere."""


@dataclass(frozen=True)
class Slider:
    """A choice of levels: what each is called, and the first choice."""

    labels: tuple[str, ...]
    start: int


def show_surfaces(maps: ShownMaps) -> Section:
    """Compose the section with the viewer: plotly.js and a script of its own."""
    density, difference = density_levels(maps), difference_levels(maps)
    sliders = {
        "density": _density_slider(density, maps),
        "difference": Slider(
            tuple(
                f"{format_percent(part)} of the largest in the focus" for part in DIFFERENCE_LEVELS
            ),
            FIRST_DIFFERENCE,
        ),
    }
    layers = compose_layers(maps, density, difference)
    data = describe_layers(layers, maps.frame)
    content = {
        "layers": layers,
        "sliders": sliders,
        "data": Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")),
    }
    scripts = (plotly_script(), viewer_script("scene.js"), viewer_script("surfaces.js"))
    return Section("surfaces", "Surfaces", "Surfaces", content, scripts)


def density_levels(maps: ShownMaps) -> tuple[float, ...]:
    """Choose levels for all maps alike, from where noise begins to the densest parts."""
    deviation = max(maps.deviation, TINY)
    highest = HIGHEST_OF_MAXIMUM * (float(maps.consensus.cube.max()) - maps.mean) / deviation
    sigmas = np.geomspace(LOWEST_SIGMAS, max(highest, 1.2 * LOWEST_SIGMAS), N_DENSITY_LEVELS)
    return tuple((maps.mean + deviation * sigmas).tolist())


def difference_levels(maps: ShownMaps) -> tuple[float, ...]:
    """Choose levels for all differences alike, as parts of the largest inside the mask."""
    inside = maps.mask.cube > 0.5
    largest = max((np.abs(d.cube[inside]).max() for d in maps.differences.values()), default=0)
    return tuple(part * max(float(largest), TINY) for part in DIFFERENCE_LEVELS)


def _density_slider(levels: tuple[float, ...], maps: ShownMaps) -> Slider:
    sigmas = (np.array(levels) - maps.mean) / max(maps.deviation, TINY)
    labels = tuple(
        f"{level:.3g} ({sigma:.1f} σ)" for level, sigma in zip(levels, sigmas, strict=True)
    )
    return Slider(labels, int(np.abs(sigmas - DENSITY_SIGMAS).argmin()))


def compose_layers(
    maps: ShownMaps, density: tuple[float, ...], difference: tuple[float, ...]
) -> list[Layer]:
    """List what can be shown: classes, their differences, the consensus and masks.

    Args:
        maps: From `read_maps`.
        density: Levels of densities, in units of the maps.
        difference: Levels of differences, in units of the maps.

    Returns:
        The first class and the mask are shown at first.
    """
    layers = [
        Layer(
            f"Class {number}",
            "density",
            (Part(class_colour(number), shown.cube, density),),
            is_shown=number == min(maps.classes),
        )
        for number, shown in maps.classes.items()
    ]
    layers += [
        Layer(
            f"Class {number} − consensus",
            "difference",
            (
                Part(MORE_COLOUR, shown.cube, difference),
                Part(LESS_COLOUR, -shown.cube, difference),
            ),
        )
        for number, shown in maps.differences.items()
    ]
    consensus = Part(CONSENSUS_COLOUR, maps.consensus.cube, density)
    masks = [("Focus mask", maps.mask, MASK_COLOUR)]
    if maps.proposed is not None:
        masks.append(("Proposed region", maps.proposed, PROPOSED_COLOUR))
    return [
        *layers,
        Layer("Consensus", "density", (consensus,)),
        *(
            Layer(
                name,
                "mask",
                (Part(colour, shown.cube, (0.5,)),),
                opacity=MASK_OPACITY,
                is_shown=shown is maps.mask,
            )
            for name, shown, colour in masks
        ),
    ]
