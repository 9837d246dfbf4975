"""`cryofocus align refine`."""

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
    from cryofocus.workflows.machine.progress import choose_progress
    from cryofocus.workflows.run.new_names import require_new_picture

    if figure is not None:
        require_new_picture(figure, overwrite=overwrite)
    settings = AlignRefineSettings(
        reference=reference,
        symmetry=symmetry,
        max_resolution_angstrom=max_resolution,
        iterations=iterations,
        invert=invert.value,
        seed=seed,
        datadir=datadir,
        supplement=compose_supplement(stack, microscope, pixel_size, passthrough),
        device=device.value,
        threads=threads,
        memory_gpu_gb=memory_gpu,
    )
    made = align_refine(
        particles, output, settings, overwrite=overwrite, progress=choose_progress()
    )
    if figure is not None:
        write_moves(figure, made.turn_degrees, made.move_angstrom)
    say(f"Table      {made.path}, {made.n_particles:,} particles")
    say(f"Moved      by {made.moved_degrees:.2f}° and {made.moved_angstrom:.2f} Å (median)")
    say(
        f"Errors     {made.angle_error_degrees:.2f}° and {made.shift_error_angstrom:.2f} Å to "
        "expect still (root mean square; median over the particles)"
    )
