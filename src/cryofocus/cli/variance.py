"""`cryofocus variance`: where particles differ, and what to focus on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import cryofocus
from cryofocus.cli.console import REPORT, say, say_table, show_progress
from cryofocus.cli.options import IN_PROCESS, NewFolder, Overwrite

if TYPE_CHECKING:
    from cryofocus.workflows.variance.result import VarianceResult


def variance(
    particles: Annotated[
        Path,
        typer.Argument(
            metavar="PARTICLES|RUN",
            help="Particle table, as for classify; or run directory of classify, whose particles "
            "are compared inside its focus region.",
        ),
    ],
    output: NewFolder,
    settings: cryofocus.VarianceSettings,
    machine: Annotated[cryofocus.Machine, IN_PROCESS],
    overwrite: Overwrite = False,
) -> None:
    """Find where the particles of a set differ, and propose spheres to focus on.

    Writes the variance map, masks and commands for `classify`, coordinates of every particle
    in the space of differences, and maps along its axes. Of a run, this shows continuous motion
    inside its focus region; written into the run's directory, it is a section of its page.
    Examples:

    `cryofocus variance particles.star --bootstrap 100 -o variability`

    `cryofocus variance RUN --dimensions 3 -o RUN/motion`
    """
    result = cryofocus.variance(
        particles, output, settings, machine=machine, overwrite=overwrite, progress=show_progress()
    )
    _say_result(result)
    for figure in sorted(result.folder.glob("*.png")):
        say(f"Figure       {figure}")
    say(f"Report       {result.folder / REPORT}")


def _say_result(result: VarianceResult) -> None:
    from cryofocus.workflows.variance.maps import bootstrap_order
    from cryofocus.workflows.variance.result import ORDER

    say(result.say_axes())
    ranks = bootstrap_order(result.peaks)
    if ranks:
        farthest = max(peak.distance_angstrom or 0.0 for peak in result.peaks)
        say(
            f"Bootstrap    {len(ranks)} peaks, at most {farthest:.1f} Å from the variance's; "
            f"its ranks {', '.join(map(str, ranks))}"
        )
    if not result.proposals:
        return
    rows = [
        (
            str(number),
            ",".join(f"{value:.1f}" for value in proposal.sphere),
            f"{100 * proposal.variance_share:.0f} %",
            proposal.states_text,
        )
        for number, proposal in enumerate(result.proposals, start=1)
    ]
    say("")
    say_table(["region", "sphere X,Y,Z,R (Å)", "of variance", "states"], rows)
    say(f"\n{ORDER}\n\nNext:")
    for proposal in result.proposals:
        say(f"  {proposal.command}")
    say("")
