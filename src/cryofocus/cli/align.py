"""`cryofocus align`: poses refined, searched from nothing, and combined."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cryofocus.cli.command import register
from cryofocus.cli.console import say
from cryofocus.cli.options import (
    DataDirectory,
    Device,
    DeviceChoice,
    Invert,
    MemoryGpu,
    MicroscopeValues,
    Overwrite,
    ParticleTable,
    Passthrough,
    PixelSize,
    Seed,
    Stack,
    Threads,
    compose_supplement,
)

app = typer.Typer(
    no_args_is_help=True, help="Poses: refined, searched from nothing, and combined."
)

FINENESS, TABLES, RUNNING = "How finely and how far", "Input", "Running"


@app.callback()
def family() -> None:
    """Poses: refined, searched from nothing, and combined."""


def refine(
    particles: ParticleTable,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table to write, in the same format.")
    ],
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Map on the particles' grid, in any grey scale. Default: the particles' own "
            "half maps."
        ),
    ] = None,
    symmetry: Annotated[
        str, typer.Option(metavar="GROUP", help="Point group of the map, in RELION's axes.")
    ] = "C1",
    max_resolution: Annotated[
        float | None,
        typer.Option(
            help="Finest detail compared, in Å. Default: what map and images agree on. For a map "
            "made from the same particles give the resolution of its FSC."
        ),
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Rounds of reconstructing half maps and refining against them, at most. Default: "
            "none with a reference, 6 without; with both, the reference counts to 35 Å only.",
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG",
            help="Picture of how far particles have turned and shifted, such as a domain that "
            "moves as a body.",
        ),
    ] = None,
    invert: Annotated[
        Invert,
        typer.Option(help="Whether protein is dark in the images; auto looks at the density."),
    ] = Invert.AUTO,
    seed: Seed = 1,
    datadir: DataDirectory = None,
    stack: Stack = None,
    microscope: MicroscopeValues = None,
    pixel_size: PixelSize = None,
    passthrough: Passthrough = None,
    device: DeviceChoice = Device.CPU,
    threads: Threads = None,
    memory_gpu: MemoryGpu = None,
    overwrite: Overwrite = False,
) -> None:
    """Improve orientations and shifts that are nearly right.

    Every particle is moved to where its image is likeliest, and the table says how large the
    error of each pose may still be. Detail is added as the poses allow it. Examples:

    `cryofocus align refine run_data.star -o refined.star`

    `cryofocus align refine run_data.star --reference map.mrc --max-resolution 8 -o refined.star`
    """
    from cryofocus.report.analyses.poses import write_moves
    from cryofocus.workflows.align.refine import AlignRefineSettings, align_refine
    from cryofocus.workflows.machine.machine import Machine
    from cryofocus.workflows.machine.progress import choose_progress
    from cryofocus.workflows.run.new_names import require_new_picture

    if figure is not None:
        require_new_picture(figure, overwrite=overwrite)
    machine = Machine(device=device.value, threads=threads, memory_gpu_gb=memory_gpu)
    settings = AlignRefineSettings(
        reference=reference,
        symmetry=symmetry,
        max_resolution_angstrom=max_resolution,
        iterations=iterations,
        invert=invert.value,
        seed=seed,
        datadir=datadir,
        supplement=compose_supplement(stack, microscope, pixel_size, passthrough),
    )
    made = align_refine(
        particles,
        output,
        settings,
        machine=machine,
        overwrite=overwrite,
        progress=choose_progress(),
    )
    if figure is not None:
        write_moves(figure, made.turn_degrees, made.move_angstrom)
    say(f"Table      {made.path}, {made.n_particles:,} particles")
    say(f"Moved      by {made.moved_degrees:.2f}° and {made.moved_angstrom:.2f} Å (median)")
    say(
        f"Errors     {made.angle_error_degrees:.2f}° and {made.shift_error_angstrom:.2f} Å to "
        "expect still (root mean square; median over the particles)"
    )


def search(
    particles: ParticleTable,
    reference: Annotated[
        Path,
        typer.Option(
            help="Map on the particles' grid, protein positive; symmetrised, if the particle is "
            "nearly symmetric and --symmetry says so."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table to write, in the same format.")
    ],
    symmetry: Annotated[
        str,
        typer.Option(
            metavar="GROUP",
            help="Point group of the reference, in RELION's axes: one of equivalent poses is "
            "found.",
            rich_help_panel=FINENESS,
        ),
    ] = "C1",
    max_resolution: Annotated[
        float, typer.Option(help="Finest detail compared, in Å.", rich_help_panel=FINENESS)
    ] = 20.0,
    max_shift: Annotated[
        float | None,
        typer.Option(
            help="Largest shift tried, in Å. Default: a tenth of the box.",
            rich_help_panel=FINENESS,
        ),
    ] = None,
    angular_step: Annotated[
        float | None,
        typer.Option(
            help="Degrees between views at the first of several levels. Default: 6, or what "
            "resolution and diameter allow.",
            rich_help_panel=FINENESS,
        ),
    ] = None,
    particle_diameter: Annotated[
        float | None,
        typer.Option(
            help="In Å, about the box centre. Default: measured on the reference.",
            rich_help_panel=FINENESS,
        ),
    ] = None,
    invert: Annotated[
        Invert,
        typer.Option(
            help="Whether protein is dark in the images; auto tries both on a sample.",
            rich_help_panel=TABLES,
        ),
    ] = Invert.AUTO,
    datadir: DataDirectory = None,
    stack: Stack = None,
    microscope: MicroscopeValues = None,
    pixel_size: PixelSize = None,
    passthrough: Passthrough = None,
    device: DeviceChoice = Device.CPU,
    threads: Threads = None,
    memory_gpu: MemoryGpu = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue a search that was interrupted.", rich_help_panel=RUNNING
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Find every particle's orientation and shift from its image and a map alone.

    All views, in-plane turns and shifts are compared at low resolution, the best are followed to
    finer steps and more detail, and refined; the poses in the table are not looked at. Columns
    beside the poses say how sure each is. Example:

    `cryofocus align search particles.star --reference consensus.mrc --symmetry C2 -o found.star`
    """
    if overwrite and resume:
        raise typer.BadParameter(
            "excludes --overwrite; use --resume to finish the search that was interrupted, "
            "--overwrite to start afresh",
            param_hint="--resume",
        )
    from cryofocus.workflows.align.search import align_search
    from cryofocus.workflows.align.search_inputs import AlignSearchSettings
    from cryofocus.workflows.machine.machine import Machine
    from cryofocus.workflows.machine.progress import choose_progress

    machine = Machine(device=device.value, threads=threads, memory_gpu_gb=memory_gpu)
    settings = AlignSearchSettings(
        symmetry=symmetry,
        max_resolution_angstrom=max_resolution,
        max_shift_angstrom=max_shift,
        angular_step_degrees=angular_step,
        particle_diameter_angstrom=particle_diameter,
        invert=invert.value,
        datadir=datadir,
        supplement=compose_supplement(stack, microscope, pixel_size, passthrough),
    )
    made = align_search(
        particles,
        reference,
        output,
        settings,
        machine=machine,
        existing="overwrite" if overwrite else "resume" if resume else "refuse",
        progress=choose_progress(),
    )
    say(f"Table      {made.path}, {made.n_particles:,} particles")
    say(f"Compared   {made.n_orientations:,} poses an image, then the best more finely")
    say(f"Sure       {made.n_confident:,} with a probability of 0.9 or more")
    say(
        f"Errors     {made.angle_error_degrees:.2f}° and {made.shift_error_angstrom:.2f} Å to "
        "expect where the right pose was found (median)"
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
    from cryofocus.workflows.align.combine import align_combine

    made = align_combine(run, output, tables=poses or (), overwrite=overwrite)
    say(f"Table      {made.path}, {sum(made.n_of_class):,} particles")
    for number, count in enumerate(made.n_of_class, start=1):
        say(f"Class {number:<4} {count:,} poses")


register(app, refine, "refine")
register(app, search, "search")
register(app, combine, "combine")
