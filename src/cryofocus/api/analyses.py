"""Commands beside `classify` whose results have figures or a page, and these with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from cryofocus.api.results import (
    CovaryResult,
    FscResult,
    RunDifferences,
    SubtractedSet,
    VarianceResult,
    with_figures,
)
from cryofocus.calls import checked
from cryofocus.report.analyses.covary import write_covary_report
from cryofocus.report.analyses.differences import (
    read_differences,
    write_difference_pictures,
    write_merged_picture,
)
from cryofocus.report.analyses.fsc import read_resolution
from cryofocus.report.analyses.local_resolution import write_local_picture
from cryofocus.report.analyses.page import write_page
from cryofocus.report.analyses.subtraction import write_power_page
from cryofocus.report.analyses.variance import read_variance, write_variance_picture
from cryofocus.report.figures.plotting import can_plot
from cryofocus.workflows.covary.inputs import CovarySettings
from cryofocus.workflows.covary.run import covary as _covary
from cryofocus.workflows.diffmap import (
    Against,
    DiffmapSettings,
    merged_beside,
)
from cryofocus.workflows.diffmap import diffmap_run as _diffmap_run
from cryofocus.workflows.fsc import FscResult as MeasuredFsc
from cryofocus.workflows.fsc import FscSettings
from cryofocus.workflows.fsc import fsc as _fsc
from cryofocus.workflows.machine.display import showing
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.machine.progress_monitor import ProgressMonitor
from cryofocus.workflows.subtract.inputs import SubtractSettings
from cryofocus.workflows.subtract.run import subtract as _subtract
from cryofocus.workflows.variance.inputs import VarianceSettings
from cryofocus.workflows.variance.result import VarianceResult as FoundVariance
from cryofocus.workflows.variance.run import variance as _variance

Made = TypeVar("Made")


@checked
def covary(  # noqa: PLR0913  # three paths, what to do with them and by what means
    sources: Sequence[Path | str] | Path | str,
    regions: Mapping[str, Path | str] | Sequence[str] | Path | str,
    output: Path | str,
    settings: CovarySettings | None = None,
    *,
    machine: Machine | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> CovaryResult:
    """Correlate the contents of regions over classes, over units and over particles.

    Args:
        sources: Run directories of classify, at least three from different seeds; or one particle
            table, of which only single particles are compared.
        regions: Mask file of each region by its name, on the particles' grid; or texts as on the
            command line, such as `hand=hand.mrc`.
        output: Directory to write; it appears when everything in it is done.
        settings: Defaults if left out.
        machine: What computes; the processors of this process if left out.
        overwrite: Replace a directory of covary that is there.
        progress: Display; by default bars or lines, as `classify` chooses them.

    Raises:
        InputError: When runs, particles, regions or settings cannot be used.
        OutputError: When the directory exists (without `overwrite`), is something else or cannot
            be written.
    """

    def finish(folder: Path) -> None:
        write_covary_report(folder)
        if can_plot():
            from cryofocus.report.figures.covary import write_matrices

            write_matrices(folder)

    with showing(progress) as shown:
        made = _covary(
            sources,
            regions,
            output,
            settings,
            machine=machine,
            overwrite=overwrite,
            progress=shown,
            finish=reporting(finish, shown),
        )
    return with_figures(CovaryResult, made)


@checked
def diffmap_run(  # noqa: PLR0913  # two directories, what to do with them and how to show it
    run: Path | str,
    output: Path | str,
    *,
    against: Against = "consensus",
    beside: Path | str | None = None,
    settings: DiffmapSettings | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> RunDifferences:
    """Write the difference maps of the classes of a run, with their significance.

    Args:
        run: Finished run directory.
        output: Directory to write: NAME_minus_NAME.mrc and NAME_minus_NAME_significance.mrc,
            differences.csv (peak, its place, volume) and merged.mrc, their voxelwise maximum.
        against: Each class minus the consensus, or every class minus every other.
        beside: Difference maps of another run on the same grid, such as one without focus, whose
            merged map is shown below this one's, on the same scale.
        settings: Defaults if left out.
        overwrite: Replace earlier difference maps.
        progress: Display; by default bars or lines, as `classify` chooses them.

    Raises:
        FormatError: When the run is none, is unfinished or damaged.
        InputError: When the other difference maps are none, or on another grid.
        OutputError: When the directory exists (without `overwrite`) or cannot be written.
    """
    other = None if beside is None else merged_beside(run, beside)

    def finish(folder: Path) -> None:
        write_difference_pictures(folder, Path(run))
        write_merged_picture(folder, other)
        write_page(read_differences(folder))

    with showing(progress) as shown:
        made = _diffmap_run(
            run,
            output,
            against=against,
            settings=settings,
            overwrite=overwrite,
            progress=shown,
            finish=reporting(finish, shown),
        )
    return with_figures(RunDifferences, made, run=Path(run))


@checked
def fsc(
    first: Path | str,
    second: Path | str,
    output: Path | str,
    settings: FscSettings | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> FscResult:
    """Measure the resolution of two half maps.

    Args:
        first: Half map, unfiltered and unmasked.
        second: The other half map, on the same grid.
        output: Directory to write: fsc.star, and as asked for directional.csv,
            local_resolution.mrc (and .svg) and locally_filtered.mrc.
        settings: Defaults if left out.
        overwrite: Replace an earlier result.
        progress: Display; by default bars or lines, as `classify` chooses them.

    Raises:
        InputError: When a map or the mask cannot be used, lies on another grid, or the half maps
            are one map.
        OutputError: When the directory exists (without `overwrite`) or cannot be written.
    """

    def finish(made: MeasuredFsc) -> None:
        if can_plot():
            from cryofocus.report.figures.fsc import write_fsc_figures

            write_fsc_figures(made)
        if made.local_range_angstrom is not None:
            write_local_picture(made.folder, None if settings is None else settings.mask)
        write_page(read_resolution(made.folder))

    with showing(progress) as shown:
        made = _fsc(
            first,
            second,
            output,
            settings,
            overwrite=overwrite,
            progress=shown,
            finish=reporting(finish, shown),
        )
    return with_figures(FscResult, made)


@checked
def subtract(  # noqa: PLR0913  # three paths, what to do with them and by what means
    particles: Path | str,
    keep: Path | str,
    output: Path | str,
    settings: SubtractSettings | None = None,
    *,
    machine: Machine | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> SubtractedSet:
    """Subtract everything outside a mask from the images and write them with their table.

    Each half set is subtracted with its own half map, so that the two stay independent. Images
    keep sign, normalisation and place, unless they are cut. Memory does not grow with the number
    of particles.

    Args:
        particles: Particle table, RELION STAR.
        keep: Mask from 0 to 1 of what stays in the images, on the particles' grid.
        output: Directory to write; it appears when everything in it is done.
        settings: Defaults if left out.
        machine: What computes; the processors of this process if left out.
        overwrite: Replace a directory of subtracted particles that is there.
        progress: Display; by default bars or lines, as `classify` chooses them.

    Raises:
        InputError: When particles, images, mask, maps or settings cannot be used.
        OutputError: When the directory exists (without `overwrite`), is something else or cannot
            be written.
    """
    with showing(progress) as shown:
        made = _subtract(
            particles,
            keep,
            output,
            settings,
            machine=machine,
            overwrite=overwrite,
            progress=shown,
            finish=reporting(write_power_page, shown),
        )
    return with_figures(SubtractedSet, made)


@checked
def variance(
    particles: Path | str,
    output: Path | str,
    settings: VarianceSettings | None = None,
    *,
    machine: Machine | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> VarianceResult:
    """Find where particles differ, propose focus spheres and place the particles in a subspace.

    Args:
        particles: Particle table; or run directory of classify: its particles, at its poses, are
            compared inside its focus region, to the resolution of its classes.
        output: Directory to write: variance.mrc, consensus.mrc, regions.csv, masks/, series/,
            latent.npy, latent_variance.npy, particles.*, and bootstrap_variance.mrc if asked for.
        settings: Defaults if left out.
        machine: What computes; the processors of this process if left out.
        overwrite: Replace an earlier result.
        progress: Display; by default bars or lines, as `classify` chooses them.

    Raises:
        InputError: When particles, images, mask or settings cannot be used.
        OutputError: When the directory exists (without `overwrite`) or cannot be written.
    """
    with showing(progress) as shown:
        made = _variance(
            particles,
            output,
            settings,
            machine=machine,
            overwrite=overwrite,
            monitor=ProgressMonitor(shown),
            finish=reporting(finish_variance, shown),
        )
    return with_figures(VarianceResult, made)


def finish_variance(made: FoundVariance) -> None:
    """Write picture, figure and page of a result of `variance` into its directory."""
    write_variance_picture(made)
    if can_plot():
        from cryofocus.report.figures.variance import write_latent_figure

        write_latent_figure(made)
    write_page(read_variance(made.folder))


def reporting(finish: Callable[[Made], object], progress: Progress) -> Callable[[Made], None]:
    """Make figures and page of a result a stage that is shown.

    Args:
        finish: Makes them.
        progress: Display.
    """

    def make(result: Made) -> None:
        with progress.task("report", 1) as advance:
            finish(result)
            advance()

    return make
