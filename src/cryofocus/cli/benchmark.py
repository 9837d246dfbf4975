"""`cryofocus benchmark`: measured accuracy beside the limit and the published figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from cryofocus.cli.command import register
from cryofocus.cli.console import say, show_progress
from cryofocus.cli.options import Threads
from cryofocus.errors import InputError
from cryofocus.extras import install_command
from cryofocus.option import Option

if TYPE_CHECKING:
    from cryofocus.benchmark.cells import CellResult

app = typer.Typer(no_args_is_help=True, help="Measure accuracy, time and memory.")

Name = TypeVar("Name", bound=str)

NUMBERS = "numbers separated by commas"


@app.callback()
def family() -> None:
    """Measure accuracy, time and memory."""
    if find_spec("cryofocus.benchmark") is None or find_spec("matplotlib") is None:
        raise InputError(
            "cryofocus.benchmark: not in this installation, which has only what classifying "
            f"needs. Install it with: {install_command('benchmark')}"
        )


def humanoid(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Directory; finished cells in it are not run again."),
    ] = Path("humanoid_benchmark"),
    quick: Annotated[
        bool,
        typer.Option("--quick", help="2,000 particles, one seed, SNRs 0.100, 0.025 and 0.006."),
    ] = False,
    scenarios: Annotated[
        tuple[int, ...] | None,
        Option(
            metavar="1,2,...",
            help="Scenarios to run; 1 brings the two controls. Default: all; 1 with --titrate.",
            expected=NUMBERS,
        ),
    ] = None,
    snrs: Annotated[
        tuple[float, ...] | None,
        Option(
            metavar="S,S,...",
            help="Signal-to-noise ratios. Default: the published 0.100,0.050,0.025,0.013,0.006; "
            "0.025 with --titrate.",
            expected=NUMBERS,
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Sets per cell, seeds 1 to this. Default 3.")
    ] = None,
    particles: Annotated[
        int | None, typer.Option(min=4, help="Particles in a set. Default 10,000.")
    ] = None,
    strategies: Annotated[
        str,
        typer.Option(
            metavar="NAME,NAME,...",
            help="As in classify --strategy, or all. They share the images.",
        ),
    ] = "residual",
    poses: Annotated[
        str,
        typer.Option(
            metavar="NAME,NAME,...",
            help="Of exact, perturbed (by 4 degrees and 13.1 Å), refined (after that), searched "
            "(from nothing).",
        ),
    ] = "exact",
    titrate: Annotated[
        Literal["radius", "edge"] | None,
        typer.Option(help="Instead, sweep the sphere's radius (30 to 100 Å) or edge (0 to 40 Å)."),
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Independent runs per set.")] = 3,
    start: Annotated[
        Literal["subspace", "random"] | None,
        typer.Option(
            help="Where runs start. Default: mask2d and mask3d at random, as published, the "
            "others in a subspace."
        ),
    ] = None,
    prior: Annotated[
        Literal["consensus", "none"] | None,
        typer.Option(
            help="Prior of the class maps of mask3d, as in classify. Default: none, as published."
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Make every table and figure of the publication, part by part."
        ),
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="PART,PART,...",
            help="With --all, some of table1, table2, figure2, starts, supplement1, supplement2 "
            "and figure3.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Finish first what earlier commands planned in the directory."
        ),
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the simulated sets and the run directories.")
    ] = False,
    threads: Threads = None,
) -> None:
    """Classify simulated humanoids and compare with the truth, the limit and the publication.

    Controls: a sphere on a leg, which holds nothing that moves, and images of noise only. Writes
    table.csv (one row per classification), table.md (medians over the seeds), kappa_by_cycle.csv,
    with --titrate titration.csv and .md, and figures of all of them; for poses that are not exact
    poses.csv and poses.md, with their errors beside the bound; progress.md says how far what was
    planned is. It can be stopped at any time and goes on with the same command. Examples:

    `cryofocus benchmark humanoid --quick -o quick`

    `cryofocus benchmark humanoid --scenarios 1 --snrs 0.1,0.025 -o humanoid_benchmark`

    `cryofocus benchmark humanoid --all --resume -o humanoid_benchmark`
    """
    from cryofocus.benchmark.choice import Choice
    from cryofocus.benchmark.figures import write_figures
    from cryofocus.benchmark.parts import PARTS
    from cryofocus.benchmark.plan import POSE_SOURCES
    from cryofocus.benchmark.run import BenchmarkDirectory, run_benchmark
    from cryofocus.inference.strategies import STRATEGIES

    sources = _chosen(poses, POSE_SOURCES, "--poses")
    chosen = tuple(STRATEGIES)
    if strategies != "all":
        chosen = _chosen(strategies, chosen, "--strategies", ", or all")
    if titrate is not None and sources != ("exact",):
        raise typer.BadParameter("goes with --poses exact only", param_hint="--titrate")
    parts = PARTS if only is None else _chosen(only, PARTS, "--only")
    own = Choice(strategies=chosen, poses=sources, titrate=titrate, start=start, prior=prior)
    if everything and own != Choice():
        raise typer.BadParameter(
            "has its own strategies, poses, starts and sweeps; leave out --strategies, --poses, "
            "--titrate, --start and --prior",
            param_hint="--all",
        )
    if only is not None and not everything:
        raise typer.BadParameter("goes with --all", param_hint="--only")
    choice = replace(
        own,
        is_quick=quick,
        scenarios=scenarios,
        snrs=snrs,
        n_seeds=seeds,
        particles=particles,
        n_runs=runs,
        parts=parts if everything else (),
    )
    directory = BenchmarkDirectory(output)
    cells = directory.plan() if resume else []
    # Nothing was chosen: go on with what was planned before, if there is any.
    if not cells or choice != Choice():
        cells = [*cells, *choice.cells()]
    results = run_benchmark(
        cells,
        output,
        threads=threads,
        keep=keep,
        progress=show_progress(),
        on_result=lambda result: say(_describe(result)),
    )
    figures = write_figures(output, results, directory.read_slices(results))
    say("")
    for name in ("table.md", "poses.md", "titration.md", "progress.md"):
        if (output / name).is_file():
            say(f"Table    {output / name}")
    for figure in figures:
        say(f"Figure   {figure}")


def assembly(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Directory; finished parts in it are not run again."),
    ] = Path("assembly_benchmark"),
    sets: Annotated[
        Path | None,
        Option(
            metavar="DIR",
            help="Folder of sets simulated before: asm1, asm2, ...; focused on EF-G efg1, ..., on "
            "tRNA trna1, ..., on EF-G with 30 Å cut1, ...; those that are missing are simulated.",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="2,000 particles and one seed.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds 1 to this. Default 5.")] = None,
    particles: Annotated[
        int | None, typer.Option(min=40, help="Particles in a set. Default 10,000.")
    ] = None,
    only: Annotated[
        str,
        typer.Option(
            metavar="PART,PART,...",
            help="Some of covariance, focus, ef_g, trna, cut, flexible, ten and control.",
        ),
    ] = "all",
    threads: Threads = None,
) -> None:
    """Measure covariance, focus and verdicts on realistic simulated ribosomes.

    Correlations of regions beside their truth, kappa beside the oracles, the number of classes
    where ten are asked for, and a control in which nothing varies. Writes table.csv (every
    number), table.md (medians over the seeds) and figures. Examples:

    `cryofocus benchmark assembly --quick -o quick`

    `cryofocus benchmark assembly --only covariance,control --seeds 2 -o assembly_benchmark`
    """
    from cryofocus.benchmark.assembly import PARTS, AssemblyPlan, run_assembly_benchmark
    from cryofocus.benchmark.assembly_figures import write_assembly_figures
    from cryofocus.benchmark.assembly_tables import write_assembly_tables
    from cryofocus.kernels.select import available_threads

    parts = tuple(PARTS) if only == "all" else _chosen(only, tuple(PARTS), "--only", ", or all")
    plan = AssemblyPlan(
        output=output,
        sets=sets,
        n_particles=particles or (2_000 if quick else 10_000),
        seeds=tuple(range(1, 1 + (seeds or (1 if quick else 5)))),
        parts=parts,
        threads=threads or available_threads(),
    )
    answers = run_assembly_benchmark(
        plan,
        progress=show_progress(),
        on_part=lambda part, seed, _: say(f"{part}, seed {seed}: done"),
    )
    say(f"Table    {write_assembly_tables(output, answers)}")
    for figure in write_assembly_figures(output, answers):
        say(f"Figure   {figure}")


def _describe(result: CellResult) -> str:
    """One line for a finished cell."""
    cell, published = result.cell, result.cell.published
    beside = "" if published is None else f"  published {published[0]:.2f} / {published[1]:.2f}"
    share = "" if result.ratio is None else f" ({result.ratio:.3f} of it)"
    sphere = "" if cell.radius_angstrom is None else f"  radius {cell.radius_angstrom:g} Å"
    sphere += "" if cell.edge_angstrom is None else f"  edge {cell.edge_angstrom:g} Å"
    of_poses = ""
    if (figures := result.poses) is not None:
        of_poses = (
            f"  poses {cell.poses}: {figures.angle_degrees:.2f}° and "
            f"{figures.shift_angstrom:.2f} Å (bound {figures.bound_angle_degrees:.2f}° and "
            f"{figures.bound_shift_angstrom:.2f} Å)"
        )
    return (
        f"{cell.label:<8}  {cell.kind:<5}{sphere}  scenario {cell.scenario}  "
        f"SNR {cell.snr:.4g}  seed {cell.seed}  "
        f"kappa {result.kappa:.3f}  oracle {result.oracle_kappa:.3f}{share}{beside}  "
        f"posterior {result.mean_posterior:.3f} for {result.fraction_correct:.3f} correct  "
        f"{result.seconds:.0f} s ({result.cpu_seconds or 0:.0f} CPU s)  "
        f"{result.peak_memory_gb:.2f} GB{of_poses}"
    )


def _chosen(text: str, known: Sequence[Name], option: str, others: str = "") -> tuple[Name, ...]:
    """Read a list of names, each once, in the order of the tables."""
    names = [part.strip() for part in text.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(
            f"found {unknown[0]!r}, expected some of {', '.join(known)}{others}",
            param_hint=option,
        )
    return tuple(name for name in known if name in names)


register(app, humanoid, "humanoid")
register(app, assembly, "assembly")
