"""One page that tells what a classification found; it opens from disk, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from cryofocus.arrays import Volume
from cryofocus.data.volume import read_volume
from cryofocus.errors import FormatError
from cryofocus.maps.difference import regression_residual
from cryofocus.maths.fourier import resize_volume
from cryofocus.report import charts, map_figures, style, tables, words
from cryofocus.report.chimerax import chimerax_script
from cryofocus.report.results import RunResults, read_results
from cryofocus.report.slices import Planes, choose_view, cut
from cryofocus.workflows.run_directory import RunDirectory

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


def write_report(run_directory: Path) -> Path:
    """Write report.html and view.cxc of a finished run.

    Reads the run directory and nothing else, so that it can be repeated at any time.

    Parameters
    ----------
    run_directory
        Directory that ``cryofocus classify`` filled; job.json is there.

    Returns
    -------
    Path
        The page: one file that needs no other file and no network.

    Raises
    ------
    FormatError
        When the directory is not a finished run, or a file in it is missing or damaged.
    OutputError
        When the page cannot be written.
    """
    directory = RunDirectory.open(run_directory)
    results = read_results(directory)
    directory.write_text(directory.view, chimerax_script(results))
    directory.write_text(directory.report, render_page(results))
    return directory.report


def render_page(results: RunResults) -> str:
    """Compose the page.

    Parameters
    ----------
    results
        From `read_results`.

    Returns
    -------
    str
        HTML; every text from outside is escaped.
    """
    environment = Environment(
        loader=PackageLoader("cryofocus.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    with style.drawing():
        maps = draw_maps(results)
        figures = {name: style.as_svg(figure) for name, figure in _draw_charts(results)}
    return environment.get_template("report.html.jinja").render(
        title=results.directory.path.resolve().name,
        place=str(results.directory.path.resolve()),
        job=results.job,
        headline=words.headline(results),
        key_figures=words.key_figures(results),
        sentences=words.sentences(results),
        advice=words.advice(results),
        classes=tables.class_rows(results),
        runs=tables.run_rows(results),
        stages=tables.stage_rows(results),
        facts=tables.facts(results),
        settings=results.settings,
        files=tables.file_rows(results),
        next_steps=tables.next_steps(results),
        maps=maps,
        figures=figures,
        clear_posterior=words.CLEAR_POSTERIOR,
    )


def _draw_charts(results: RunResults) -> Iterator[tuple[str, Figure]]:
    """Draw what the run has numbers for."""
    yield "certainty", charts.draw_certainty(results)
    if results.traces:
        yield "convergence", charts.draw_convergence(results)
    if results.fsc:
        yield "fsc", charts.draw_fsc(results)
    if results.agreement is not None:
        yield "agreement", charts.draw_agreement(results)


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
