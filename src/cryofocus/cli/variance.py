"""`cryofocus variance`: where particles differ, and what to focus on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryofocus.cli.console import REPORT, say, say_table
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

if TYPE_CHECKING:
    from cryofocus.workflows.variance.result import VarianceResult


def variance(
    particles: ParticleTable,
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory to write.")],
    solvent_mask: Annotated[
        Path | None,
        typer.Option(help="Mask of the particle; differences are looked for inside only."),
    ] = None,
    dimensions: Annotated[int, typer.Option(min=1, help="Axes of variation to look for.")] = 6,
    bootstrap: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Also measure the variance of N maps of resampled particles; 100 are usual.",
        ),
    ] = 0,
    spheres: Annotated[int, typer.Option(min=1, help="Focus spheres to propose at most.")] = 4,
    level: Annotated[
        float, typer.Option(help="Part of the largest variance from which on a voxel counts.")
    ] = 0.1,
    join: Annotated[
        float,
        typer.Option(
            min=0, help="Places that vary together across a gap up to this, in Å, are one region."
        ),
    ] = 40.0,
    max_resolution: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Finest resolution in Å. Default: a sixteenth of the box, or what the consensus "
            "resolves.",
        ),
    ] = None,
    invert: Annotated[
        Invert, typer.Option(help="Whether protein is dark in the images.")
    ] = Invert.AUTO,
    datadir: DataDirectory = None,
    stack: Stack = None,
    microscope: MicroscopeValues = None,
    pixel_size: PixelSize = None,
    passthrough: Passthrough = None,
    seed: Seed = 1,
    device: DeviceChoice = Device.CPU,
    threads: Threads = None,
    memory_gpu: MemoryGpu = None,
    overwrite: Overwrite = False,
) -> None:
    """Find where the particles of a set differ, and propose spheres to focus on.

    Writes the variance map, masks and commands for `classify`, coordinates of every particle
    in the space of differences, and maps along its axes. Example:

    `cryofocus variance particles.star --bootstrap 100 -o variability`
    """
    from cryofocus.api.analyses import variance as measure
    from cryofocus.workflows.machine.machine import Machine
    from cryofocus.workflows.machine.progress import choose_progress
    from cryofocus.workflows.variance.inputs import VarianceSettings

    machine = Machine(device=device.value, threads=threads, memory_gpu_gb=memory_gpu)
    settings = VarianceSettings(
        datadir=datadir,
        supplement=compose_supplement(stack, microscope, pixel_size, passthrough),
        solvent_mask=solvent_mask,
        n_dimensions=dimensions,
        max_resolution_angstrom=max_resolution,
        n_bootstrap=bootstrap,
        n_spheres=spheres,
        level_fraction=level,
        join_angstrom=join,
        invert=invert.value,
        seed=seed,
    )
    result = measure(
        particles,
        output,
        settings,
        machine=machine,
        overwrite=overwrite,
        progress=choose_progress(),
    )
    _say_result(result)
    for figure in sorted(result.folder.glob("*.png")):
        say(f"Figure       {figure}")
    say(f"Report       {result.folder / REPORT}")


def _say_result(result: VarianceResult) -> None:
    from cryofocus.workflows.variance.maps import bootstrap_order

    shares = ", ".join(f"{100 * share:.0f} %" for share in result.axis_shares)
    made_of = f", with {shares} of the variance" if result.n_axes else ""
    say(f"Axes         {result.n_axes} that both half sets agree on{made_of}")
    say(f"Half sets    variance maps correlate by {result.half_set_correlation:.3f}")
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
    say("\nNext:")
    for proposal in result.proposals:
        say(f"  {proposal.command}")
    say("")
