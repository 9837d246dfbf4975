"""One page that tells what a classification found; it opens from disk, without a network.

A section is a function from the results of a run to the sections it has something to say in, none
if the run lacks what they need. To add one, write the function and
``templates/sections/<anchor>.html.jinja``, and call it in `compose_sections` at its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cryofocus.calls import checked
from cryofocus.report.drawing.chart import chart_scripts
from cryofocus.report.drawing.section import (
    Section,
    collect_scripts,
    environment,
    script_policy,
    set_section,
)
from cryofocus.report.drawing.shaded import name_view
from cryofocus.report.run import charts, tables, words
from cryofocus.report.run.analyses import show_analyses
from cryofocus.report.run.chimerax import chimerax_script, movable_region
from cryofocus.report.run.latent import show_latent
from cryofocus.report.run.masked_fsc import measure_in_focus
from cryofocus.report.run.pictures import Sight, choose_sight, draw_consensus, draw_pictures
from cryofocus.report.run.planes import show_planes
from cryofocus.report.run.results import RunResults, read_results
from cryofocus.report.run.shown_maps import ShownMaps, read_maps
from cryofocus.report.run.surface_section import camera_from, show_surfaces
from cryofocus.report.run.views import show_views
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import CERTAIN_POSTERIOR
from cryofocus.workflows.run.writing import write_text


@checked
def write_report(run_directory: Path | str) -> Path:
    """Write report.html, view.cxc and region.cmm of a finished run.

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
    if (region := movable_region(results)) is not None:
        write_text(directory.region, region)
    write_text(directory.report, render_page(results))
    return directory.report


def render_page(results: RunResults) -> str:
    """Compose the page.

    Every text from outside is escaped, and only the page's own scripts may run.
    """
    first, *sections = compose_sections(results)
    scripts, engine = collect_scripts(sections), environment()
    return engine.get_template("report.html.jinja").render(
        title=results.directory.path.resolve().name,
        place=str(results.directory.path.resolve()),
        version=results.job.version,
        is_none=not results.job.classes_found,
        headline=words.headline(results.job),
        verdict=words.verdict(results.job),
        first=set_section(engine, first),
        key_figures=words.key_figures(results),
        sections=[set_section(engine, section) for section in sections],
        scripts=scripts,
        script_policy=script_policy(scripts),
    )


def compose_sections(results: RunResults) -> Iterator[Section]:
    """Yield the sections in the order they are read."""
    maps = read_maps(results)
    sight = choose_sight(maps)
    yield show_first(results, maps, sight)
    yield tell_how_sure(results)
    yield from list_classes(results)
    yield from show_trials(results)
    yield show_surfaces(maps, camera_from(sight.turn))
    yield show_planes(results, maps)
    yield from show_resolution(results)
    yield from show_certainty(results)
    yield from show_views(results)
    yield from show_latent(results)
    yield compare_runs(results)
    yield from show_analyses(results)
    yield list_settings(results)
    yield list_files(results)
    yield Section("cite", "How to cite", "How to cite", {"version": results.job.version})


def show_first(results: RunResults, maps: ShownMaps, sight: Sight) -> Section:
    """Show every class and what differs in one row; where there are none, the consensus."""
    pictures = draw_pictures(results, maps, sight)
    content = {
        "pictures": pictures,
        "consensus": None if pictures else draw_consensus(sight),
        "classes": tables.merged_rows(results),
        "unit": words.unit(results.job),
        "view": name_view(sight.turn),
    }
    return Section("first", "What was found", "Found", content)


def tell_how_sure(results: RunResults) -> Section:
    """Say in words how sure the result is, with warnings and advice."""
    content = {
        "sentences": words.sentences(results),
        "doubts": words.doubts(results.job),
    }
    return Section("sure", "How sure is this?", "How sure", content)


def list_classes(results: RunResults) -> tuple[Section, ...]:
    """List the classes with their populations and how sure these are, if there are classes."""
    if not results.job.classes_found:
        return ()
    content = {
        "classes": tables.class_rows(results),
        "certain_posterior": CERTAIN_POSTERIOR,
        "unit": words.unit(results.job),
    }
    return (Section("classes", "Classes", "Classes", content),)


def show_trials(results: RunResults) -> tuple[Section, ...]:
    """Show which numbers of classes were tried, if the number was to be found."""
    if not results.job.trials:
        return ()
    content = {"chart": charts.chart_trials(results), "job": results.job}
    return (Section("trials", "How many classes are there?", "Number", content, chart_scripts()),)


def show_resolution(results: RunResults) -> tuple[Section, ...]:
    """Show the Fourier shell correlation of each class."""
    if not results.fsc:
        return ()
    masked = measure_in_focus(results)
    content = {"charts": charts.chart_fsc(results, masked), "is_masked": bool(masked)}
    content["has_classes"] = results.job.classes_found
    return (Section("fsc", "Resolution", "Resolution", content, chart_scripts()),)


def show_certainty(results: RunResults) -> tuple[Section, ...]:
    """Show the posteriors, and whether other runs bear them out, if there are classes."""
    if not results.job.classes_found:
        return ()
    content = {
        "charts": charts.chart_certainty(results),
        "is_compared": results.agreement is not None,
        "size": f"{results.class_ess:.2f}",
        "n_classes": results.n_filled,
        "unit": words.unit(results.job),
        "one": words.one(results.job),
        "calibration": words.say_calibration(results.job),
    }
    title = f"How certain is each {words.one(results.job)}?"
    return (Section("certainty", title, "Certainty", content, chart_scripts()),)


def compare_runs(results: RunResults) -> Section:
    """Compare the independent runs, and show how each converged."""
    found = results.job.classes_found
    is_compared = found and results.agreement is not None
    shown = [charts.chart_objective(results)] if results.traces else []
    if results.traces and found:
        shown += [charts.chart_populations(results), charts.chart_change(results)]
    content = {
        "runs": tables.run_rows(results),
        "classes_found": found,
        "objective_name": results.job.objective_name,
        "agreement": charts.chart_agreement(results) if is_compared else (),
        "convergence": shown,
        "unit": words.unit(results.job),
        "is_refined": found and results.best_run.refining_cycles > 0,
        "moves": charts.chart_moves(results) if found else None,
        "most_columns": charts.MOST_COLUMNS,
        "is_merged": len(charts.moves_before_merging(results))
        < len(results.moves_of(results.job.best_run)),
        "run_flows": charts.chart_run_classes(results) if is_compared else (),
    }
    return Section("runs", "Independent runs", "Runs", content, chart_scripts())


def list_settings(results: RunResults) -> Section:
    """List command, settings, time and memory."""
    content = {
        "command": results.job.command,
        "facts": tables.facts(results),
        "stages": tables.stage_rows(results),
        "settings": results.settings,
    }
    return Section("settings", "Settings, time and memory", "Settings", content)


def list_files(results: RunResults) -> Section:
    """List the files, and the commands people type next."""
    content = {"next_steps": tables.next_steps(results), "files": tables.file_rows(results)}
    return Section("files", "Files, and what to do next", "Files", content)
