"""`cryofocus select` and `cryofocus reconstruct`: going on with chosen particles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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


def select(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory of classify.")],
    classes: Annotated[str, typer.Option(metavar="1,3,...", help="Classes to keep, from 1.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table to write, in the format of the run's.")
    ],
    min_posterior: Annotated[
        float | None,
        typer.Option(
            help="Keep particles whose posteriors of the chosen classes sum up to at least this "
            "(0 to 1). Default: those whose most probable class is chosen.",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the particles of some classes as a table to go on with.

    Classes that belong together are chosen together: their posteriors are summed. Examples:

    `cryofocus select run --classes 2 -o bound.star`

    `cryofocus select run --classes 1,3 --min-posterior 0.9 -o sure.star`
    """
    from cryofocus.workflows.select import select as select_particles

    try:
        numbers = [int(part) for part in classes.split(",")]
    except ValueError as error:
        raise typer.BadParameter(
            f"found {classes!r}, expected numbers such as 1,3", param_hint="--classes"
        ) from error
    n_kept = select_particles(
        run, numbers, output, min_posterior=min_posterior, overwrite=overwrite
    )
    say(f"{n_kept:,} particles in {output}")


def reconstruct(
    particles: ParticleTable,
    output: Annotated[Path, typer.Option("-o", "--output", help="MRC map to write.")],
    symmetry: Annotated[str, typer.Option(help="Point group; C1 so far.")] = "C1",
    invert: Annotated[
        Invert, typer.Option(help="Whether protein is dark in the images: auto finds out.")
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
    """Reconstruct one map from all particles of a table, with half maps and FSC beside it.

    NAME.mrc is filtered by its FSC; NAME_half1.mrc and NAME_half2.mrc are neither filtered nor
    masked. Example:

    `cryofocus reconstruct bound.star -o bound.mrc`
    """
    from cryofocus.workflows.machine.machine import Machine
    from cryofocus.workflows.machine.progress import choose_progress
    from cryofocus.workflows.reconstruct import ReconstructSettings
    from cryofocus.workflows.reconstruct import reconstruct as reconstruct_map

    machine = Machine(device=device.value, threads=threads, memory_gpu_gb=memory_gpu)
    settings = ReconstructSettings(
        datadir=datadir,
        supplement=compose_supplement(stack, microscope, pixel_size, passthrough),
        symmetry=symmetry,
        invert=invert.value,
        seed=seed,
    )
    made = reconstruct_map(
        particles,
        output,
        settings,
        machine=machine,
        overwrite=overwrite,
        progress=choose_progress(),
    )
    say(f"Map         {made.path}, {made.resolution_angstrom:.1f} Å (FSC 0.143)")
    say(f"Half maps   {made.halves[0]}, {made.halves[1].name}")
    say(f"FSC         {made.fsc}")
