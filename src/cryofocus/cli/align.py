"""`cryofocus align`: poses refined, searched from nothing, and combined."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import cryofocus
from cryofocus.cli.command import register
from cryofocus.cli.console import say, show_progress
from cryofocus.cli.options import IN_PROCESS, NewTable, Overwrite, ParticleTable

app = typer.Typer(
    no_args_is_help=True, help="Poses: refined, searched from nothing, and combined."
)


@app.callback()
def family() -> None:
    """Poses: refined, searched from nothing, and combined."""


def refine(
    particles: ParticleTable,
    output: NewTable,
    settings: cryofocus.AlignRefineSettings,
    machine: Annotated[cryofocus.Machine, IN_PROCESS],
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG",
            help="Figure of how far particles have turned and shifted, such as a domain moving as "
            "a rigid body.",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Improve orientations and shifts that are nearly correct.

    Each particle moves to the pose that best explains its image; the table gives the expected
    error of each pose. Detail is added as the poses allow. Examples:

    `cryofocus align refine run_data.star -o refined.star`

    `cryofocus align refine run_data.star --reference map.mrc --max-resolution 8 -o refined.star`
    """
    from cryofocus.report.figures.plotting import require_plots
    from cryofocus.workflows.run.new_names import require_new_picture

    if figure is not None:
        require_plots("--figure")
        require_new_picture(figure, overwrite=overwrite)
    made = cryofocus.align_refine(
        particles, output, settings, machine=machine, overwrite=overwrite, progress=show_progress()
    )
    if figure is not None:
        from cryofocus.report.figures.poses import write_moves

        write_moves(figure, made.turn_degrees, made.move_angstrom)
    say(made.summary())


def search(
    particles: ParticleTable,
    reference: Annotated[
        Path,
        typer.Option(
            help="Map on the particles' grid, protein positive; symmetrised if --symmetry is "
            "given and the particle is only nearly symmetric."
        ),
    ],
    output: NewTable,
    settings: cryofocus.AlignSearchSettings,
    machine: Annotated[cryofocus.Machine, IN_PROCESS],
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a search that was interrupted.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Find every particle's orientation and shift from its image and a map alone.

    All views, in-plane turns and shifts are compared at low resolution, the best are followed to
    finer steps and more detail, and refined; the poses in the table are ignored. Extra columns
    give the confidence of each pose. Example:

    `cryofocus align search particles.star --reference consensus.mrc --symmetry C2 -o found.star`
    """
    if overwrite and resume:
        raise typer.BadParameter(
            "excludes --overwrite; use --resume to finish the search that was interrupted, "
            "--overwrite to start afresh",
            param_hint="--resume",
        )
    made = cryofocus.align_search(
        particles,
        reference,
        output,
        settings,
        machine=machine,
        existing="overwrite" if overwrite else "resume" if resume else "refuse",
        progress=show_progress(),
    )
    say(f"Table      {made.path}, {made.n_particles:,} particles")
    say(f"Compared   {made.n_orientations:,} poses per image, then the best more finely")
    say(f"Sure       {made.n_confident:,} with a probability of 0.9 or more")
    say(
        f"Errors     {made.angle_error_degrees:.2f}° and {made.shift_error_angstrom:.2f} Å "
        "expected where the correct pose was found (median)"
    )


def combine(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Finished run directory.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table to write, in the run's format.")
    ],
    poses: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="TABLE",
            help="Tables of classes 1, 2, ..., each with poses refined against the map of its "
            "class: --poses a.star b.star. Default: the poses that the run kept for its classes.",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Give each particle the pose of its most probable class: one table for a focused run.

    Example:

    `cryofocus align combine RUN --poses class1.star class2.star -o combined.star`
    """
    made = cryofocus.align_combine(run, output, tables=poses or (), overwrite=overwrite)
    say(f"Table      {made.path}, {sum(made.n_of_class):,} particles")
    for number, count in enumerate(made.n_of_class, start=1):
        say(f"Class {number:<4} {count:,} poses")


register(app, refine, "refine")
register(app, search, "search")


def move(
    particles: ParticleTable,
    by: Annotated[
        Path, typer.Option(metavar="FIT", help="The .json file that fit wrote beside a map.")
    ],
    output: NewTable,
    inverse: Annotated[
        bool,
        typer.Option("--inverse", help="From the frame of the map that stayed to the other's."),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Move poses as fit moved a map, so that both share a frame again.

    The particles are those of the map that was moved; with --inverse, of the map it was fitted
    to. Reconstructed, they give the moved map. Example:

    `cryofocus fit class002.mrc --to class001.mrc -o class002_fitted.mrc`

    `cryofocus align move class2.star --by class002_fitted.json -o class2_moved.star`
    """
    made = cryofocus.align_move(particles, by, output, inverse=inverse, overwrite=overwrite)
    shift = ", ".join(f"{value:.2f}" for value in made.transform.shift_angstrom)
    say(f"Table      {made.path}, {made.n_particles:,} particles")
    say(f"Moved      by {made.transform.angle_degrees:.2f}°, then {shift} Å along x, y, z")


register(app, combine, "combine")
register(app, move, "move")
