"""`cryofocus relion-external`: classify as a job of RELION's pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cryofocus.cli.console import say, show_progress
from cryofocus.extras import install_command

NAME = "relion-external"
PARTICLES, REFERENCE, MASK = "--in_parts", "--in_3dref", "--in_mask"


def relion_external(
    context: typer.Context,
    output: Annotated[
        Path, typer.Option("--o", metavar="FOLDER", help="The job's folder, from RELION.")
    ],
    particles: Annotated[
        Path | None,
        typer.Option(PARTICLES, metavar="STAR", help="Input particles of the Input tab."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            REFERENCE,
            metavar="MRC",
            help="Input 3D reference: the map whose header origin defines the frame of --focus.",
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(MASK, metavar="MRC", help="Input 3D mask: the region in focus."),
    ] = None,
    threads: Annotated[
        int, typer.Option("--j", min=1, help="Number of threads of the Running tab.")
    ] = 1,
    pipeline_control: Annotated[
        Path | None, typer.Option("--pipeline_control", hidden=True)
    ] = None,
) -> None:
    """Run classify as an External job of RELION; RELION composes this command.

    In RELION, choose External, give `cryofocus_relion` as the executable, the particles and, for
    a region of any shape, the 3D mask. Every other option of classify is a parameter of the
    Params tab, named without dashes: focus, classes, max-resolution. The run is in FOLDER/run. A
    job that was stopped resumes with Continue. What RELION then runs:

    `cryofocus relion-external --o External/job012/ --in_parts Refine3D/job010/run_data.star
    --focus 142,118,97,30 --classes 2 --j 8`
    """
    from cryofocus.report.figures.plotting import can_plot
    from cryofocus.workflows.relion_job import WatchingProgress, relion_job

    del pipeline_control  # newer versions of RELION name the job's folder a second time
    with relion_job(output) as job:
        if particles is None:
            raise typer.BadParameter(
                "missing; choose Input particles on the Input tab", param_hint=PARTICLES
            )
        arguments = [str(particles), *context.args, "--threads", str(threads)]
        for option, path in (("--map", reference), ("--mask", mask)):
            arguments += [option, str(path)] if path is not None else []
        if job.run.is_ours() and "--overwrite" not in context.args:
            arguments.append("--resume")
        program: Any = context.find_root().command
        command = program.commands["classify"]
        arguments += ["-o", str(job.run.path)]
        with command.make_context("classify", arguments, parent=context) as classify:
            classify.obj = WatchingProgress(show_progress(), job.abort_marker)
            command.invoke(classify)
        if can_plot():
            from cryofocus.report.figures.logfile import write_logfile

            write_logfile(job.run, job.logfile)
        else:
            say(
                f"No logfile.pdf: it needs matplotlib. Install it with: {install_command('plots')}"
            )
        job.write_nodes()
