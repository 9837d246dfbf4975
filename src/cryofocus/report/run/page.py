"""One page that tells what a classification found; it opens from disk, without a network.

A section is a function from the results of a run to the sections it has something to say in, none
if the run lacks what they need. To add one, write the function and
``templates/sections/<anchor>.html.jinja``, and put it into `SECTIONS` at its place.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryofocus.report.drawing import style
from cryofocus.report.drawing.section import (
    Section,
    collect_scripts,
    environment,
    script_policy,
    set_section,
)
from cryofocus.report.run import charts, tables, words
from cryofocus.report.run.analyses import show_analyses
from cryofocus.report.run.chimerax import chimerax_script
from cryofocus.report.run.latent import show_latent
from cryofocus.report.run.planes import show_planes
from cryofocus.report.run.results import RunResults, read_results
from cryofocus.report.run.shown_maps import read_maps
from cryofocus.report.run.surface_section import show_surfaces
from cryofocus.report.run.views import show_views
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import CERTAIN_POSTERIOR
from cryofocus.workflows.run.writing import write_text

Compose = Callable[[RunResults], tuple[Section, ...]]


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

    Every text from outside is escaped, and only the page's own scripts may run.
    """
    with style.drawing():
        sections = [section for compose in SECTIONS for section in compose(results)]
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


def tell_how_sure(results: RunResults) -> tuple[Section, ...]:
    """Say in words how sure the result is, with warnings and advice."""
    content = {
        "sentences": words.sentences(results),
        "doubts": words.doubts(results.job),
    }
    return (Section("sure", "How sure is this?", "How sure", content),)


def list_classes(results: RunResults) -> tuple[Section, ...]:
    """List the classes with their populations and spread over runs."""
    content = {"classes": tables.class_rows(results), "certain_posterior": CERTAIN_POSTERIOR}
    return (Section("classes", "Classes", "Classes", content),)


def show_trials(results: RunResults) -> tuple[Section, ...]:
    """Show which numbers of classes were tried, if the number was to be found."""
    if not results.job.trials:
        return ()
    content = {"figure": style.as_svg(charts.draw_trials(results)), "job": results.job}
    return (Section("trials", "How many classes are there?", "Number", content),)


def show_maps(results: RunResults) -> tuple[Section, ...]:
    """Show the maps, which are read once: surfaces that turn, and planes through the focus."""
    maps = read_maps(results)
    return (show_surfaces(maps), show_planes(results, maps))


def show_resolution(results: RunResults) -> tuple[Section, ...]:
    """Show the Fourier shell correlation of each class."""
    if not results.fsc:
        return ()
    content = {"figure": style.as_svg(charts.draw_fsc(results))}
    return (Section("fsc", "Resolution", "Resolution", content),)


def show_certainty(results: RunResults) -> tuple[Section, ...]:
    """Show the posteriors, and whether other runs bear them out."""
    content = {
        "certainty": style.as_svg(charts.draw_certainty(results)),
        "is_compared": results.agreement is not None,
    }
    return (Section("certainty", "How certain is each particle?", "Certainty", content),)


def compare_runs(results: RunResults) -> tuple[Section, ...]:
    """Compare the independent runs, and show how each converged."""
    content = {
        "runs": tables.run_rows(results),
        "objective_name": results.job.objective_name,
        "agreement": None
        if results.agreement is None
        else style.as_svg(charts.draw_agreement(results)),
        "convergence": style.as_svg(charts.draw_convergence(results)) if results.traces else None,
    }
    return (Section("runs", "Independent runs", "Runs", content),)


def list_settings(results: RunResults) -> tuple[Section, ...]:
    """List command, settings, time and memory."""
    content = {
        "command": results.job.command,
        "facts": tables.facts(results),
        "stages": tables.stage_rows(results),
        "settings": results.settings,
    }
    return (Section("settings", "Settings, time and memory", "Settings", content),)


def list_files(results: RunResults) -> tuple[Section, ...]:
    """List the files, and the commands people type next."""
    content = {"next_steps": tables.next_steps(results), "files": tables.file_rows(results)}
    return (Section("files", "Files, and what to do next", "Files", content),)


def say_how_to_cite(results: RunResults) -> tuple[Section, ...]:
    """Name the publication and the version."""
    return (Section("cite", "How to cite", "How to cite", {"version": results.job.version}),)


SECTIONS: tuple[Compose, ...] = (
    tell_how_sure,
    list_classes,
    show_trials,
    show_maps,
    show_resolution,
    show_certainty,
    show_views,
    show_latent,
    compare_runs,
    show_analyses,
    list_settings,
    list_files,
    say_how_to_cite,
)
