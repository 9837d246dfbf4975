"""What a command beside `classify` found, as its own page and the page of a run show it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryofocus.data.atomic import final_name
from cryofocus.report.drawing.chart import Chart, chart_scripts
from cryofocus.report.drawing.section import environment, script_policy
from cryofocus.report.drawing.sheet import data_address
from cryofocus.version import __version__
from cryofocus.workflows.run.writing import write_text

REPORT = "report.html"
Purposes = tuple[tuple[str, str], ...]
Files = tuple[tuple[tuple[str, ...], str], ...]
"""Names of files, and what they are for."""


@dataclass(frozen=True)
class Picture:
    """A figure and what to see in it."""

    source: str
    alternative: str
    note: str

    @classmethod
    def from_svg(cls, path: Path, alternative: str, note: str) -> Picture:
        """Embed an SVG file."""
        return cls(data_address("image/svg+xml", path.read_bytes()), alternative, note)


@dataclass(frozen=True)
class Table:
    """A table of texts."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ChartRow:
    """Charts beside each other, and what to see in them; or a picture."""

    charts: tuple[Chart, ...] = ()
    note: str = ""
    picture: Picture | None = None


@dataclass(frozen=True)
class Analysis:
    """What was found, in the order it is told.

    Attributes:
        folder: Directory of the results.
        title: Name of the analysis.
        headline: The result in a line.
        verdict: The result in a sentence or two.
        charts: Charts that show it.
        pictures: Pictures that show it.
        table: Table that shows it; may be missing.
        files: Names of the files there and what they are for.
        commands: What people do next, and the commands for it.
        warnings: What makes the result doubtful.
    """

    folder: Path
    title: str
    headline: str
    verdict: str
    pictures: tuple[Picture, ...] = ()
    charts: tuple[ChartRow, ...] = ()
    table: Table | None = None
    files: Files = ()
    commands: Purposes = ()
    warnings: tuple[str, ...] = ()

    @property
    def link(self) -> str:
        """Address of the analysis' own page from the directory above."""
        return f"{self.folder.name}/{REPORT}"


def write_page(analysis: Analysis) -> Path:
    """Write the page of an analysis into its directory.

    Returns:
        The page: one file that needs no other file and no network.

    Raises:
        OutputError: Disk full, no permission.
    """
    page = environment().get_template("analysis.html.jinja")
    place = final_name(analysis.folder.resolve())
    scripts = chart_scripts() if analysis.charts else ()
    text = page.render(
        analysis=analysis,
        title=place.name,
        place=str(place),
        headline=analysis.headline,
        verdict=analysis.verdict,
        version=__version__,
        is_none=False,
        scripts=scripts,
        script_policy=script_policy(scripts),
    )
    write_text(analysis.folder / REPORT, text)
    return analysis.folder / REPORT


def present_pictures(folder: Path, shown: Iterable[tuple[str, str, str]]) -> tuple[Picture, ...]:
    """Embed of figures, each a file, its title and what to see in it, those that are there."""
    return tuple(
        Picture.from_svg(folder / name, alternative, note)
        for name, alternative, note in shown
        if (folder / name).is_file()
    )


def list_files(folder: Path, purposes: Purposes) -> Files:
    """List files by their purposes, those that are there; a pattern names several."""
    found = [
        (tuple(sorted(str(path.relative_to(folder)) for path in folder.glob(name))), purpose)
        for name, purpose in purposes
    ]
    return tuple((names, purpose) for names, purpose in found if names)
