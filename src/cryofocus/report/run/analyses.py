"""Results of other commands in a run's directory, as a section of the run's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from cryofocus.report.analyses import covary
from cryofocus.report.analyses.covary_charts import chart_matrices
from cryofocus.report.analyses.differences import read_differences
from cryofocus.report.analyses.fsc import read_resolution
from cryofocus.report.analyses.page import Analysis, ChartRow
from cryofocus.report.analyses.variance import read_variance
from cryofocus.report.drawing.chart import chart_scripts
from cryofocus.report.drawing.section import Section
from cryofocus.report.run.results import RunResults
from cryofocus.workflows import diffmap, fsc
from cryofocus.workflows.covary import record as covary_files
from cryofocus.workflows.variance import result as variance_files


def show_analyses(results: RunResults) -> tuple[Section, ...]:
    """Show what other commands wrote into directories inside the run's."""
    found = tuple(find_analyses(results.directory.path))
    if not found:
        return ()
    scripts = chart_scripts() if any(one.charts for one in found) else ()
    content = {"analyses": found}
    return (Section("analyses", "Related analyses", "Related", content, scripts),)


def find_analyses(run: Path) -> Iterator[Analysis]:
    """Yield the results that lie in a directory, by name.

    Raises:
        FormatError: When one is damaged.
    """
    for folder in sorted(path for path in run.iterdir() if path.is_dir()):
        for marker, read in READERS:
            if (folder / marker).is_file():
                yield read(folder)
                break


def read_covariance(folder: Path) -> Analysis:
    """Read a result of `covary` for the page of a run; it has a page of its own."""
    record = covary_files.CovaryRecord.read(folder / covary_files.RECORD)
    note = "Grey cells with a question mark are undetermined: a region does not vary."
    return Analysis(
        folder=folder,
        title="Which regions vary together",
        headline=covary.headline(record),
        verdict=covary.verdict(record),
        charts=(ChartRow(chart_matrices(record), note),),
    )


READERS: tuple[tuple[str, Callable[[Path], Analysis]], ...] = (
    (covary_files.RECORD, read_covariance),
    (variance_files.SUMMARY, read_variance),
    (diffmap.TABLE, read_differences),
    (fsc.CURVES, read_resolution),
)
