"""A classification as Python sees it: made by `classify`, or opened where it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Int

from cryofocus.api.analyses import finish_variance, reporting
from cryofocus.api.wording import name_words
from cryofocus.calls import checked
from cryofocus.data.formats import open_table
from cryofocus.data.particles import ParticleSet
from cryofocus.data.volume import DensityMap, read_volume
from cryofocus.errors import SettingError, in_words
from cryofocus.formatting import format_count, format_table
from cryofocus.inference.settings import AUTO
from cryofocus.report.figures.plotting import plotting
from cryofocus.report.run.page import write_report
from cryofocus.report.run.planes import draw_gallery
from cryofocus.report.run.results import RunResults, read_results
from cryofocus.report.run.shown_maps import read_maps
from cryofocus.report.run.words import (
    say_calibration,
    say_mean_posterior,
    say_resolution,
    unit,
)
from cryofocus.workflows.classify.request import ClassifyRequest, read_config
from cryofocus.workflows.classify.run import classify as run_classification
from cryofocus.workflows.classify.tables import ClassSummary, name_classes
from cryofocus.workflows.machine.display import showing
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import Finding, FindingCode, JobRecord
from cryofocus.workflows.wider_region import classify_where_it_varies

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What the run says of its classes and its region, beside the verdict.
SUMMARISED = (FindingCode.HALF_SETS_AGREE, FindingCode.REGION_FOUND, FindingCode.REGION_CUTS)


@dataclass(frozen=True)
class Classification:
    """A finished classification; everything is read from its run directory when it is asked for.

    Rows are in the order of the particle table. Classes count from 1 in files and texts, and from
    0 in arrays and tuples.

    Attributes:
        path: The run directory.

    Raises:
        FormatError: When the directory is no run, or a file that is asked for is missing, damaged
            or contradicts job.json.
    """

    path: Path

    @property
    def directory(self) -> RunDirectory:
        """The paths of all files."""
        return RunDirectory.open(self.path)

    @cached_property
    def _results(self) -> RunResults:
        return read_results(self.directory)

    @property
    def job(self) -> JobRecord:
        """Everything about the run: machine, seconds, cycles, verdict."""
        return self._results.job

    @property
    def findings(self) -> tuple[Finding, ...]:
        """How the run judges its own result, with the numbers judged by.

        Their texts name arguments instead of options.
        """
        return tuple(
            one.model_copy(update={"text": in_words(one.text)}) for one in self.job.findings
        )

    @property
    def posteriors(self) -> Float32[np.ndarray, "particle n_classes"]:
        """Probability of each class for each particle; 0 for particles that do not count."""
        return self._results.posteriors

    @property
    def labels(self) -> Int[np.ndarray, " particle"]:
        """Most probable class of each particle, counted from 0."""
        return np.asarray(self._results.posteriors.argmax(axis=1))

    @property
    def agreement(self) -> Float32[np.ndarray, " particle"] | None:
        """Fraction of the runs that agree on the class of each particle; None for a single run."""
        return self._results.agreement

    @property
    def classes(self) -> tuple[ClassSummary, ...]:
        """Size, resolution and certainty of each class."""
        return self._results.classes

    @cached_property
    def maps(self) -> tuple[DensityMap, ...]:
        """Map of each class over the whole box, unmasked."""
        return tuple(read_volume(self.directory.class_map(n)) for n in self._numbers)

    @cached_property
    def half_maps(self) -> tuple[tuple[DensityMap, DensityMap], ...]:
        """Unfiltered maps of each class from its two half sets."""
        half = self.directory.half_map
        return tuple((read_volume(half(n, 1)), read_volume(half(n, 2))) for n in self._numbers)

    @cached_property
    def consensus(self) -> DensityMap:
        """Map of all particles together."""
        return read_volume(self.directory.consensus)

    @cached_property
    def focus_mask(self) -> DensityMap:
        """The region in focus, from 0 to 1."""
        return read_volume(self.directory.focus_mask)

    @cached_property
    def particles(self) -> ParticleSet:
        """The particles, from the table with the classes added."""
        request = read_config(self.directory.config)
        # Names of images count from where they did before, which the run directory is not.
        datadir = request.datadir or request.particles.parent
        table = open_table(self.directory.particles, request.supplement)
        return ParticleSet.from_table(
            table,
            datadir=datadir if datadir.is_dir() else None,
            supplement=request.supplement,
        )

    @property
    def report(self) -> Path:
        """The page for people, written if it is not there."""
        page = self.directory.report
        return page if page.is_file() else write_report(self.path)

    def summary(self) -> str:
        """Say what was found, how sure it is and where to look."""
        job, files = self.job, self.directory
        maps = f"Class maps  {files.class_map(1)} ..."
        told = (one.text for one in self.findings if one.code in SUMMARISED)
        places = (
            f"Report      {files.report}",
            maps if job.classes_found else f"Consensus   {files.consensus}",
            f"ChimeraX    {files.view}",
            f"Particles   {files.particles}",
        )
        table = [self._table_of_classes(), ""] if job.classes_found else []
        allowed = [text] if (text := say_calibration(job)) else []
        return "\n".join([*table, in_words(job.verdict), *told, *allowed, "", *places])

    def _table_of_classes(self) -> str:
        header = ("", unit(self.job), "weight", "map resolution", "mean posterior")
        rows = [
            (
                f"class {name}",
                format_count(entry.n_particles),
                _say_share(entry),
                say_resolution(self.job, entry),
                say_mean_posterior(entry),
            )
            for entry, name in zip(self.classes, name_classes(self.classes), strict=True)
        ]
        return format_table(header, rows)

    def plot_classes(self) -> Figure:
        """Draw planes of all class maps through the focus, and how they differ.

        Returns:
            A figure of matplotlib; a notebook shows it, and `savefig` writes it.
        """
        with plotting("plot_classes"):
            from cryofocus.report.figures.sheets import as_figure

            return as_figure(draw_gallery(read_maps(self._results)))

    def plot_posteriors(self) -> Figure:
        """Draw how certain the class of each particle is, and whether other runs agree.

        Returns:
            A figure of matplotlib.
        """
        with plotting("plot_posteriors"):
            from cryofocus.report.figures.certainty import draw_certainty

            return draw_certainty(self._results)

    @property
    def _numbers(self) -> range:
        return range(1, self.job.n_classes + 1)


def _say_share(entry: ClassSummary) -> str:
    """Write the share of a class with its standard error, where there is one."""
    error = "" if entry.share_error is None else f" ± {100 * entry.share_error:.1f}"
    return f"{100 * entry.weight:.1f}{error} %"


@checked
def open_run(path: Path | str) -> Classification:
    """Open the run directory of a finished classification.

    Args:
        path: The directory named with `-o`.

    Raises:
        FormatError: When it is no run, or is unfinished, or job.json is damaged.
    """
    run = Classification(Path(path))
    run.directory.read_job()
    return run


@checked
def classify(
    particles: ClassifyRequest | Path | str | None,
    output: Path | str,
    *,
    overwrite: bool = False,
    resume: bool = False,
    command: str = "cryofocus.classify (Python)",
    progress: Progress | None = None,
    **options: Any,
) -> Classification:
    """Classify particles by what a focus region shows; write the run directory and its page.

    Args:
        particles: Particle table; or a request that says everything. None if `config` names it.
        output: Run directory.
        overwrite: Replace an existing run.
        resume: Finish the run that is there, to the result it would have had uninterrupted.
        command: What the user typed, for command.txt.
        progress: Display. By default bars in a notebook or on a terminal, and elsewhere the lines
            of the command on standard error, or in the log where one is set up.
        **options: Those of the command, such as `focus=(142, 118, 97, 30)` (`"auto"` finds first
            where the particles vary), `classes=2` (or `"auto"`), `max_resolution=8`, `threads=4`
            or `config="run/config.yaml"`.

    Returns:
        What was found.

    Raises:
        CryofocusError: When the input cannot be used, the machine lacks what was asked for, or the
            directory cannot be written; all input is checked before anything is written.
        Interrupted: On Ctrl-C, after the state was saved for `resume`.
    """
    request = _compose_request(particles, options)
    with showing(progress) as shown:
        if request.focus == AUTO:
            run = partial(classify_where_it_varies, finish=reporting(finish_variance, shown))
        else:
            run = partial(run_classification)
        run(
            request,
            Path(output),
            overwrite=overwrite,
            resume=resume,
            command=command,
            progress=shown,
        )
        if not (resume and _is_reported(RunDirectory(Path(output)))):
            reporting(write_report, shown)(output)
    return open_run(output)


def _is_reported(run: RunDirectory) -> bool:
    """Whether the page was written after the result: a finished run was resumed."""
    return run.report.is_file() and run.report.stat().st_mtime_ns >= run.job.stat().st_mtime_ns


def _compose_request(
    particles: ClassifyRequest | Path | str | None, options: Mapping[str, Any]
) -> ClassifyRequest:
    """Put together what was given by name, and what a configuration says."""
    if isinstance(particles, ClassifyRequest):
        if options:
            raise SettingError(
                f"{', '.join(options)}: found beside a request, which says everything. Give the "
                "particle table and options, or a request alone."
            )
        return particles
    words = {word: value for word, value in options.items() if word != "config"}
    given = ClassifyRequest.sort_words(words)
    if particles is not None:
        given["particles"] = particles
    if (config := options.get("config")) is not None:
        return read_config(Path(config), given)
    try:
        return ClassifyRequest(**{"settings": {}, **given})
    except SettingError as error:
        fields = {place[-1]: word for word, place in ClassifyRequest.places().items()}
        raise SettingError(name_words(str(error), fields)) from error
