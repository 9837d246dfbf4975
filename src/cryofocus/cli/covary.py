"""`cryofocus covary`: which regions vary together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import cryofocus
from cryofocus.cli.console import REPORT, say, say_table, show_progress
from cryofocus.cli.options import IN_PROCESS, NewFolder, Overwrite

if TYPE_CHECKING:
    from cryofocus.workflows.covary.record import CovaryRecord, Matrix


def covary(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...|PARTICLES",
            help="Run directories of classify, at least three from different seeds; or a "
            "particle table, to compare single particles only.",
        ),
    ],
    regions: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=MASK.mrc",
            help="Two or more regions to compare: for each, a name and a mask from 0 to 1 on the "
            "particles' grid. A moving part is one region that covers all its positions.",
        ),
    ],
    output: NewFolder,
    settings: cryofocus.CovarySettings,
    machine: Annotated[cryofocus.Machine, IN_PROCESS],
    overwrite: Overwrite = False,
) -> None:
    """Correlate the content of regions over classes, symmetric units and single particles.

    Class maps come from classifications; single particles need none: each region's content is
    fitted to each image. Classifications of a symmetry-expanded set also show whether the classes
    of units are coupled. Examples:

    `cryofocus covary run1 run2 run3 --regions hand=hand.mrc foot=foot.mrc -o together`

    `cryofocus covary particles.star --regions hand=hand.mrc foot=foot.mrc -o together`

    `cryofocus covary particles.star --regions hand=hand.mrc foot=foot.mrc arm=arm.mrc --given arm
    -o together`
    """
    made = cryofocus.covary(
        sources,
        regions,
        output,
        settings,
        machine=machine,
        overwrite=overwrite,
        progress=show_progress(),
    )
    _say_results(made.record)
    say(f"\nReport   {output / REPORT}")


def _say_results(record: CovaryRecord) -> None:
    if record.class_level is not None:
        n_runs = sum(record.class_level.counts)
        say(f"Over {record.class_level.n_points} classes of {n_runs} runs")
        _say_matrix(record.regions, record.class_level.correlation)
    if record.particle_level is not None:
        say(f"Over {record.particle_level.n_particles:,} particles, noise removed")
        _say_matrix(record.regions, record.particle_level.correlation)
        for found in record.particle_level.conditional:
            say(f"Given {found.region} {found.state}: {100 * found.share:.1f} % of the particles")
            _say_matrix(found.others, found.correlation)
    for entry in record.unit_level:
        angle = "" if entry.angle_degrees is None else f", {entry.angle_degrees:.0f}° apart"
        say(
            f"Units{angle}: coupling {entry.coupling:.3f} ± {entry.coupling_error:.3f}, "
            f"p {entry.p_value:.2g}  ({entry.run})"
        )


def _say_matrix(names: Sequence[str], matrix: Matrix) -> None:
    rows = [
        (name, *("undetermined" if value is None else f"{value:.3f}" for value in row))
        for name, row in zip(names, matrix, strict=True)
    ]
    say_table(["", *names], rows)
