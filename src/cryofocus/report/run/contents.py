"""The sections of the report, in reading order.

A section is a function from the results of a run to the sections it has something to say in, none
if the run lacks what they need. To add one, write the function and
``templates/sections/<anchor>.html.jinja``, and put it into `SECTIONS` at its place.
"""

from __future__ import annotations

from collections.abc import Callable

from cryofocus.report.drawing import style
from cryofocus.report.drawing.section import Section
from cryofocus.report.run import charts, tables, words
from cryofocus.report.run.analyses import show_analyses
from cryofocus.report.run.latent import show_latent
from cryofocus.report.run.map_sections import show_maps
from cryofocus.report.run.results import RunResults
from cryofocus.report.run.views import show_views
from cryofocus.workflows.run.job import CERTAIN_POSTERIOR

Compose = Callable[[RunResults], tuple[Section, ...]]


def compose_sections(results: RunResults) -> tuple[Section, ...]:
    """Compose every section the run has something for.

    Args:
        results: From `read_results`.

    Returns:
        In reading order.

    Raises:
        FormatError: When a map or table of the run is damaged.
    """
    return tuple(section for compose in SECTIONS for section in compose(results))


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
