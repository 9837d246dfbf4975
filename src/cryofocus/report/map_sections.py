"""The maps of a run: planes through the focus, class by class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryofocus.arrays import Volume
from cryofocus.data.volume import read_volume
from cryofocus.errors import FormatError
from cryofocus.maps.difference import regression_residual
from cryofocus.maths.fourier import resize_volume
from cryofocus.report import map_figures, style, tables
from cryofocus.report.results import RunResults
from cryofocus.report.section import Section
from cryofocus.report.slices import Planes, choose_view, cut

# A panel has fewer pixels than this; larger maps would only cost memory and time.
MAX_DRAWN_BOX = 256
MAP_PIXELS_BUDGET = 22_000_000
MAX_DOTS_PER_INCH = 220.0
MIN_DOTS_PER_INCH = 70.0


@dataclass(frozen=True)
class MapImages:
    """Encoded rows of maps: the consensus, and each class (None where its map is missing)."""

    consensus: str
    classes: dict[int, str | None]
    difference_percent: float


def show_maps(results: RunResults) -> tuple[Section, ...]:
    """Show the maps, one in memory at a time.

    Parameters
    ----------
    results
        From `read_results`.

    Returns
    -------
    tuple of Section
        Planes through the focus.

    Raises
    ------
    FormatError
        When a map is damaged or on another grid than the particles.
    """
    content = {"classes": tables.class_rows(results), "maps": draw_maps(results)}
    return (Section("maps", "Maps through the focus", "Maps", content),)


def draw_maps(results: RunResults) -> MapImages:
    """Draw the planes of all maps, one map in memory at a time.

    Parameters
    ----------
    results
        From `read_results`.

    Returns
    -------
    MapImages
        With resolution lowered for many classes, so that the page stays small.

    Raises
    ------
    FormatError
        When a map is damaged or on another grid than the particles.
    """
    directory, box = results.directory, results.job.box
    consensus = _read_map(directory.consensus, box)
    mask = _read_map(directory.focus_mask, box)
    view = choose_view(consensus, mask)
    planes: dict[int, tuple[Planes, Planes]] = {}
    for entry in results.classes:
        path = directory.class_map(entry.class_number)
        if path.is_file():
            volume = _read_map(path, box)
            difference = regression_residual(volume, consensus)
            planes[entry.class_number] = cut(volume, view), cut(difference, view)
    scale = map_figures.choose_scale(
        view,
        results.job.pixel_size_angstrom * box / len(consensus),
        cut(mask, view),
        cut(consensus, view),
        [difference for _, difference in planes.values()],
    )
    resolution = _dots_per_inch(len(planes) + 1)
    return MapImages(
        consensus=style.as_png(
            map_figures.draw_consensus_row(cut(consensus, view), scale), resolution
        ),
        classes={
            entry.class_number: style.as_png(
                map_figures.draw_class_row(*planes[entry.class_number], scale), resolution
            )
            if entry.class_number in planes
            else None
            for entry in results.classes
        },
        difference_percent=scale.difference_percent,
    )


def _read_map(path: Path, box: int) -> Volume:
    """Read a map and bring it to the size it is drawn at."""
    volume = read_volume(path).data
    if volume.shape != (box, box, box):
        raise FormatError(
            f"{path}: {volume.shape} voxels, expected {box} on every axis as job.json says. The "
            "file was replaced; run the classification again with --overwrite."
        )
    return resize_volume(volume, MAX_DRAWN_BOX) if box > MAX_DRAWN_BOX else volume


def _dots_per_inch(n_rows: int) -> float:
    """Choose the resolution at which all rows together keep within the budget of pixels."""
    square_inches = n_rows * style.PAGE_WIDTH_INCHES * map_figures.PANEL_INCHES
    affordable = float((MAP_PIXELS_BUDGET / square_inches) ** 0.5)
    return min(max(affordable, MIN_DOTS_PER_INCH), MAX_DOTS_PER_INCH)
