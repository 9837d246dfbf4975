"""The maps of a run: surfaces that turn, and planes through the focus."""

from __future__ import annotations

from dataclasses import dataclass

from cryofocus.report.drawing import style
from cryofocus.report.drawing.section import Section
from cryofocus.report.run import map_figures, tables
from cryofocus.report.run.results import RunResults
from cryofocus.report.run.shown_maps import ShownMaps, read_maps
from cryofocus.report.run.surface_section import show_surfaces

IMAGE_BYTES_BUDGET = 4_500_000
MAX_DOTS_PER_INCH = 220.0
MIN_DOTS_PER_INCH = 70.0


@dataclass(frozen=True)
class MapImages:
    """Encoded rows of maps: the consensus, and each class that has a map."""

    consensus: str
    classes: dict[int, str]


def show_maps(results: RunResults) -> tuple[Section, ...]:
    """Show the maps.

    Args:
        results: From `read_results`.

    Returns:
        Surfaces and planes.

    Raises:
        FormatError: When a map is damaged or on another grid than the particles.
    """
    maps = read_maps(results)
    content = {"classes": tables.class_rows(results), "maps": draw_rows(maps)}
    return (
        show_surfaces(maps),
        Section("maps", "Planes through the focus", "Planes", content),
    )


def draw_rows(maps: ShownMaps) -> MapImages:
    """Draw the planes of all maps.

    Args:
        maps: From `read_maps`.

    Returns:
        With resolution lowered for many classes, so that the page stays small.
    """
    scale = map_figures.choose_scale(
        maps.view,
        maps.voxel_size_angstrom,
        maps.origin_angstrom,
        maps.mask.planes,
        maps.consensus.planes,
        [difference.planes for difference in maps.differences.values()],
    )
    resolution = MAX_DOTS_PER_INCH
    while True:
        images = _draw_rows(maps, scale, resolution)
        n_bytes = len(images.consensus) + sum(map(len, images.classes.values()))
        if n_bytes <= IMAGE_BYTES_BUDGET or resolution <= MIN_DOTS_PER_INCH:
            return images
        fitting = 0.95 * resolution * (IMAGE_BYTES_BUDGET / n_bytes) ** 0.5
        resolution = max(fitting, MIN_DOTS_PER_INCH)


def _draw_rows(maps: ShownMaps, scale: map_figures.MapScale, resolution: float) -> MapImages:
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
