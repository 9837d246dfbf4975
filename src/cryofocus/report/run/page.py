"""One page that tells what a classification found; it opens from disk, without a network."""

from __future__ import annotations

from pathlib import Path

from cryofocus.report.drawing import style
from cryofocus.report.drawing.section import (
    collect_scripts,
    environment,
    script_policy,
    set_section,
)
from cryofocus.report.run import words
from cryofocus.report.run.chimerax import chimerax_script
from cryofocus.report.run.contents import compose_sections
from cryofocus.report.run.results import RunResults, read_results
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.writing import write_text


def write_report(run_directory: Path | str) -> Path:
    """Write report.html and view.cxc of a finished run.

    Reads the run directory and nothing else, so that it can be repeated at any time.

    Args:
        run_directory: Directory that ``cryofocus classify`` filled; job.json is there.

    Returns:
        The page: one file that needs no other file and no network.

    Raises:
        FormatError: When the directory is not a finished run, or a file in it is missing or
            damaged.
        OutputError: When the page cannot be written.
    """
    directory = RunDirectory.open(Path(run_directory))
    results = read_results(directory)
    write_text(directory.view, chimerax_script(results))
    write_text(directory.report, render_page(results))
    return directory.report


def render_page(results: RunResults) -> str:
    """Compose the page.

    Args:
        results: From `read_results`.

    Returns:
        HTML; every text from outside is escaped, and only the page's own scripts may run.
    """
    with style.drawing():
        sections = compose_sections(results)
    scripts, engine = collect_scripts(sections), environment()
    return engine.get_template("report.html.jinja").render(
        title=results.directory.path.resolve().name,
        place=str(results.directory.path.resolve()),
        job=results.job,
        headline=words.headline(results.job),
        key_figures=words.key_figures(results),
        sections=[set_section(engine, section) for section in sections],
        scripts=scripts,
        script_policy=script_policy(scripts),
    )
