"""The maps of a run: surfaces that turn, and planes through the focus."""

from __future__ import annotations

from dataclasses import dataclass

from cryofocus.report import map_figures, style, tables
from cryofocus.report.results import RunResults
from cryofocus.report.section import Section
from cryofocus.report.shown_maps import ShownMaps, read_maps
from cryofocus.report.surface_section import show_surfaces

MAP_PIXELS_BUDGET = 22_000_000
MAX_DOTS_PER_INCH = 220.0
MIN_DOTS_PER_INCH = 70.0


@dataclass(frozen=True)
class MapImages:
    """Encoded rows of maps: the consensus, and each class that has a map."""

    consensus: str
    classes: dict[int, str]


def show_maps(results: RunResults) -> tuple[Section, ...]:
    """Show the maps.

    Parameters
    ----------
    results
        From `read_results`.

    Returns
    -------
    tuple of Section
        Surfaces and planes.

    Raises
    ------
    FormatError
        When a map is damaged or on another grid than the particles.
    """
    maps = read_maps(results)
    content = {"classes": tables.class_rows(results), "maps": draw_rows(maps)}
    return (
        show_surfaces(maps),
        Section("maps", "Planes through the focus", "Planes", content),
    )


def draw_rows(maps: ShownMaps) -> MapImages:
    """Draw the planes of all maps.

    Parameters
    ----------
    maps
        From `read_maps`.

    Returns
    -------
    MapImages
        With resolution lowered for many classes, so that the page stays small.
    """
    scale = map_figures.choose_scale(
        maps.view,
        maps.voxel_size_angstrom,
        maps.mask.planes,
        maps.consensus.planes,
        [difference.planes for difference in maps.differences.values()],
    )
    resolution = _dots_per_inch(len(maps.classes) + 1)
    return MapImages(
        consensus=style.as_png(
            map_figures.draw_consensus_row(maps.consensus.planes, scale), resolution
        ),
        classes={
            number: style.as_png(
                map_figures.draw_class_row(shown.planes, maps.differences[number].planes, scale),
                resolution,
            )
            for number, shown in maps.classes.items()
        },
    )


def _dots_per_inch(n_rows: int) -> float:
    """Choose the resolution at which all rows together keep within the budget of pixels."""
    square_inches = n_rows * style.PAGE_WIDTH_INCHES * map_figures.PANEL_INCHES
    affordable = float((MAP_PIXELS_BUDGET / square_inches) ** 0.5)
    return min(max(affordable, MIN_DOTS_PER_INCH), MAX_DOTS_PER_INCH)
