"""`cryofocus classify`: the main command."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryofocus.cli.console import say, say_table
from cryofocus.cli.options import (
    DEVICE,
    MACHINE,
    Device,
    Invert,
    MemoryGpu,
    MicroscopeValues,
    Passthrough,
    PixelSize,
    RefinePoses,
    Scaffold,
    ScaffoldEvery,
    Stack,
    Threads,
    parse_microscope,
)
from cryofocus.cli.strategy_options import (
    SEARCH,
    CircleEdge,
    FittedScale,
    OutsideLowpass,
    OutsideWeight,
    ProjectionThreshold,
    StartChoice,
    StorageChoice,
    StrategyChoice,
)

if TYPE_CHECKING:
    from cryofocus.workflows.classify.request import ClassifyRequest

REGION = "Region in focus (one of)"
IMAGES, RUN = "Images", "Run directory"


def classify(
    context: typer.Context,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Run directory.", rich_help_panel=RUN)
    ],
    particles: Annotated[
        Path | None,
        typer.Argument(
            metavar="PARTICLES",
            help="Particle table with poses and CTF: RELION STAR (3.0 to 5), cryoSPARC .cs, "
            "cisTEM .star or .cistem, or Frealign .par.",
            show_default=False,
        ),
    ] = None,
    focus: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,Z,R",
            help="Sphere: centre and radius in Å in the map's frame, as ChimeraX shows it.",
            rich_help_panel=REGION,
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="MRC map from 0 to 1 on the particles' grid.", rich_help_panel=REGION),
    ] = None,
    map_file: Annotated[
        Path | None,
        typer.Option(
            "--map",
            help="Map whose header origin defines the frame of --focus. Without it, voxel "
            "(0, 0, 0) lies at 0 Å.",
            rich_help_panel=REGION,
        ),
    ] = None,
    solvent_mask: Annotated[
        Path | None,
        typer.Option(
            metavar="MRC",
            help="Mask of the whole particle: the consensus and, with mask2d, the references "
            "are multiplied by it. With global, classes may differ inside it.",
            rich_help_panel=REGION,
        ),
    ] = None,
    soft_edge: Annotated[
        float | None,
        typer.Option(
            help="Width of the sphere's soft edge, outside R, in Å. Default 8.",
            rich_help_panel=REGION,
        ),
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=2, help="Number of classes.", rich_help_panel=SEARCH)
    ] = None,
    strategy: StrategyChoice = None,
    start: StartChoice = None,
    references: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MAP...",
            help="Maps that the first run starts from, one a class, in the order the classes "
            "shall have (PARTICLES before them). Further runs start as --start says, and show "
            "whether the maps matter.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    outside_lowpass: OutsideLowpass = None,
    outside_weight: OutsideWeight = None,
    circle_edge: CircleEdge = None,
    projection_threshold: ProjectionThreshold = None,
    fitted_scale: FittedScale = False,
    max_resolution: Annotated[
        float | None,
        typer.Option(
            help="Finest detail that tells classes apart, in Å. Default: where the half maps of "
            "the consensus cease to agree.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    runs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Independent runs to compare. Default 3.", rich_help_panel=SEARCH
        ),
    ] = None,
    cycles: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most cycles of a run; it ends earlier once posteriors have settled. Default 30.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of everything random. Default 1.", rich_help_panel=SEARCH),
    ] = None,
    storage: StorageChoice = None,
    refine_poses: RefinePoses = None,
    scaffold: Scaffold = None,
    scaffold_every: ScaffoldEvery = None,
    control_maps: Annotated[
        bool,
        typer.Option(
            "--control-maps",
            help="Beside each class map, one from equally many particles drawn at random.",
            rich_help_panel=RUN,
        ),
    ] = False,
    invert: Annotated[
        Invert | None,
        typer.Option(
            help="Whether protein is dark in the images: auto finds out. Default auto.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    datadir: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which to look for the image stacks as well.", rich_help_panel=IMAGES
        ),
    ] = None,
    stack: Stack = None,
    microscope: MicroscopeValues = None,
    pixel_size: PixelSize = None,
    passthrough: Passthrough = None,
    threads: Threads = None,
    memory: Annotated[
        float | None,
        typer.Option(
            metavar="GB",
            help="Memory to use at most, in GB; what exceeds it is kept on disk. Default: most "
            "of the machine's. With --cluster, of each worker.",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="Spread the work over N processes of this machine (local:N), over the workers "
            "of a Dask scheduler (tcp://host:8786), or over SLURM jobs that a file describes "
            "(FILE.yaml). Default: none, which is this process.",
            show_default=False,
            rich_help_panel=MACHINE,
        ),
    ] = None,
    device: Annotated[Device | None, DEVICE] = None,
    memory_gpu: MemoryGpu = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="config.yaml of an earlier run: its settings, except those given here.",
            rich_help_panel=RUN,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Finish the run that is there.", rich_help_panel=RUN),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the run that is there.", rich_help_panel=RUN),
    ] = False,
) -> None:
    """Classify particles by what happens inside a sphere or mask.

    Poses stay fixed unless told otherwise. The classes differ inside the region; everything
    outside is explained by the consensus map. Class maps show the whole particle, unmasked.
    For example:

    `cryofocus classify run_data.star --focus 142,118,97,30 --classes 2 -o run`

    `cryofocus classify run_data.star --mask head.mrc --classes 4 --max-resolution 8 -o run`

    `cryofocus classify --config run/config.yaml --seed 2 -o run2`
    """
    from cryofocus.report.run.page import write_report
    from cryofocus.workflows.classify.run import classify as run_classification
    from cryofocus.workflows.machine.progress import choose_progress

    request = _request(
        config,
        {
            "particles": particles,
            "focus": _sphere(focus),
            "mask": mask,
            "map": map_file,
            "solvent_mask": solvent_mask,
            "references": tuple(references) if references else None,
            "refine_poses": refine_poses,
            "scaffold": scaffold,
            "scaffold_every": scaffold_every,
            "datadir": datadir,
            "stack": stack,
            "microscope": parse_microscope(microscope),
            "pixel_size_angstrom": pixel_size,
            "passthrough": passthrough,
            "device": device and device.value,
            "threads": threads,
            "memory_gb": memory,
            "memory_gpu_gb": memory_gpu,
            "cluster": cluster,
        },
        {
            "n_classes": classes,
            "strategy": strategy and strategy.value,
            "start": start and start.value,
            "outside_lowpass_angstrom": outside_lowpass,
            "outside_weight": outside_weight,
            "circle_edge_angstrom": circle_edge,
            "projection_threshold": projection_threshold,
            "fitted_scale": fitted_scale or None,
            "storage": storage and storage.value,
            "n_runs": runs,
            "max_cycles": cycles,
            "seed": seed,
            "max_resolution_angstrom": max_resolution,
            "soft_edge_angstrom": soft_edge,
            "invert": invert and invert.value,
            "control_maps": control_maps or None,
        },
    )
    run_classification(
        request,
        output,
        overwrite=overwrite,
        resume=resume,
        command=shlex.join(["cryofocus", *sys.argv[1:]]),
        progress=context.obj or choose_progress(),  # who calls this command may bring a display
    )
    write_report(output)
    _say_result(output)


def _request(
    config: Path | None, values: dict[str, Any], settings: dict[str, Any]
) -> ClassifyRequest:
    """Put together what was given on the command line and what the configuration says."""
    from cryofocus.workflows.classify.request import make_request, read_config

    given = {name: value for name, value in values.items() if value is not None}
    given["settings"] = {name: value for name, value in settings.items() if value is not None}
    if config is not None:
        return read_config(config, given)
    if "particles" not in given:
        place = ", before --references, which takes all that follows"
        raise typer.BadParameter(
            f"missing; give a particle table{place if 'references' in given else ''}",
            param_hint="PARTICLES",
        )
    if references := given.get("references"):
        if len(references) == 1:
            raise typer.BadParameter(
                "found 1 map, expected one for each class, at least 2", param_hint="--references"
            )
        given["settings"].setdefault("n_classes", len(references))
    if "n_classes" not in given["settings"]:
        raise typer.BadParameter("missing; give a number of classes", param_hint="--classes")
    return make_request(given)


def _sphere(text: str | None) -> tuple[float, ...] | None:
    """Read X,Y,Z,R."""
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 4:
        raise typer.BadParameter(
            f"found {text!r}, expected four numbers in Å, such as 142,118,97,30",
            param_hint="--focus",
        )
    return numbers


def _say_result(output: Path) -> None:
    """Show the populations and where to look next."""
    from cryofocus.report.run.results import read_results
    from cryofocus.workflows.run.directory import RunDirectory

    directory = RunDirectory.open(output)
    results = read_results(directory)
    rows = [
        (
            f"class {entry.class_number}",
            f"{entry.n_particles:,}",
            f"{100 * entry.weight:.1f} %",
            f"{entry.resolution_angstrom:.1f} Å",
            f"{entry.mean_posterior:.2f}",
        )
        for entry in results.classes
    ]
    say()
    say_table(["", "particles", "weight", "resolution", "mean posterior"], rows)
    say(f"\n{results.job.verdict}\n")
    say(f"Report      {directory.report}")
    say(f"Class maps  {directory.class_map(1)} ...")
    say(f"ChimeraX    {directory.view}")
    say(f"Particles   {directory.particles}")
