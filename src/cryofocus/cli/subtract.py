"""`cryofocus subtract`: images without the density outside a mask, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cryofocus.cli.console import say
from cryofocus.cli.options import (
    DataDirectory,
    Device,
    DeviceChoice,
    MemoryGpu,
    Overwrite,
    ParticleTable,
    Seed,
    Threads,
)

DENSITY, CUT, OUTPUT, BACK = "Density to subtract", "Cutting", "Output", "Way back"


def subtract(
    particles: ParticleTable,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Directory to write; with --revert the STAR file.",
            rich_help_panel=OUTPUT,
        ),
    ],
    keep: Annotated[
        Path | None,
        typer.Option(
            help="Mask from 0 to 1, on the particles' grid, of what stays in the images.",
            rich_help_panel=DENSITY,
        ),
    ] = None,
    map_file: Annotated[
        str,
        typer.Option(
            "--map",
            metavar="auto|MAP",
            help="Map of the whole particle, in any grey scale; with --half2, the half map of "
            "half set 1. auto reconstructs both half maps from the particles.",
            rich_help_panel=DENSITY,
        ),
    ] = "auto",
    half2: Annotated[
        Path | None,
        typer.Option(help="Half map of half set 2.", rich_help_panel=DENSITY),
    ] = None,
    recenter: Annotated[
        bool,
        typer.Option(
            "--recenter",
            help="Cut images around the mask's centre of mass; goes with --box.",
            rich_help_panel=CUT,
        ),
    ] = False,
    box: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Edge of the cut images in pixels, even.", rich_help_panel=CUT
        ),
    ] = None,
    float16: Annotated[
        bool,
        typer.Option(
            "--float16", help="Write half the bytes (MRC mode 12).", rich_help_panel=OUTPUT
        ),
    ] = False,
    revert: Annotated[
        bool,
        typer.Option(
            "--revert",
            help="Write the table of a subtracted set with its intact particles instead.",
            rich_help_panel=BACK,
        ),
    ] = False,
    seed: Seed = 1,
    datadir: DataDirectory = None,
    device: DeviceChoice = Device.CPU,
    threads: Threads = None,
    memory_gpu: MemoryGpu = None,
    overwrite: Overwrite = False,
) -> None:
    """Subtract everything outside a mask from the images.

    The density, seen through each particle's CTF and at its own intensity, is taken out of the
    images; each half set is subtracted with its own half map. The result can be classified,
    refined or subtracted again, here or elsewhere. Examples:

    `cryofocus subtract run_data.star --keep head.mrc -o head --recenter --box 96`

    `cryofocus subtract head_classes/particles.star --revert -o intact.star`
    """
    if revert:
        _revert(particles, output, [keep, half2, box, recenter, float16], overwrite=overwrite)
        return
    if keep is None:
        raise typer.BadParameter("missing; give the mask of what stays", param_hint="--keep")
    from cryofocus.api.analyses import subtract as subtract_images
    from cryofocus.workflows.machine.machine import Machine
    from cryofocus.workflows.machine.progress import choose_progress
    from cryofocus.workflows.subtract.inputs import SubtractSettings

    machine = Machine(device=device.value, threads=threads, memory_gpu_gb=memory_gpu)
    settings = SubtractSettings(
        map=None if map_file == "auto" else Path(map_file),
        half2=half2,
        recenter=recenter,
        box=box,
        float16=float16,
        datadir=datadir,
        seed=seed,
    )
    made = subtract_images(
        particles,
        keep,
        output,
        settings,
        machine=machine,
        overwrite=overwrite,
        progress=choose_progress(),
    )
    say(f"Particles  {made.table}, {made.n_particles:,} images")
    say(f"Mask       {made.keep_mask}, on their grid")
    say(f"Fit        {made.figure}: {100 * made.removed_share:.0f} % of the power outside is gone")


def _revert(particles: Path, output: Path, unused: list[object], *, overwrite: bool) -> None:
    """Write the table with intact particles; the options of a subtraction mean nothing here."""
    from cryofocus.workflows.subtract.table import revert as revert_table

    if any(unused):
        raise typer.BadParameter(
            "only a table and -o go with it; leave the other options out", param_hint="--revert"
        )
    n_particles = revert_table(particles, output, overwrite=overwrite)
    say(f"{n_particles:,} particles with their intact images in {output}")
