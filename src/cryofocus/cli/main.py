"""The `cryofocus` command."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cryofocus.cli import (
    align,
    benchmark,
    classify,
    convert,
    covary,
    doctor,
    evaluate,
    fsc,
    maps,
    mask,
    particles,
    relion_external,
    report,
    simulate,
    subtract,
    symmetry,
    variance,
)
from cryofocus.cli.command import register
from cryofocus.cli.console import show_log
from cryofocus.cli.failures import Commands, UnexpectedErrors
from cryofocus.version import __version__
from cryofocus.workflows.machine.crashes import explain_crashes
from cryofocus.workflows.machine.memory_refused import require_address_space

CLASSIFY, BEFORE, AFTER = "Classify", "Before", "After"
LOOK, CONVERT, CHECK = "Look", "Convert", "Check and simulate"

app = typer.Typer(
    name="cryofocus",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
register(app, classify.classify, "classify", rich_help_panel=CLASSIFY)
register(
    app,
    relion_external.relion_external,
    relion_external.NAME,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    rich_help_panel=CLASSIFY,
)
app.add_typer(align.app, name="align", rich_help_panel=BEFORE)
app.add_typer(mask.app, name="mask", rich_help_panel=BEFORE)
register(app, variance.variance, "variance", rich_help_panel=BEFORE)
register(app, symmetry.expand, "expand", rich_help_panel=BEFORE)
register(app, subtract.subtract, "subtract", rich_help_panel=BEFORE)
register(app, particles.select, "select", rich_help_panel=AFTER)
register(app, particles.reconstruct, "reconstruct", rich_help_panel=AFTER)
register(app, covary.covary, "covary", rich_help_panel=AFTER)
register(app, symmetry.collapse, "collapse", rich_help_panel=AFTER)
register(app, maps.diffmap, "diffmap", rich_help_panel=LOOK)
register(app, maps.merge, "merge", rich_help_panel=LOOK)
register(app, fsc.fsc, "fsc", rich_help_panel=LOOK)
register(app, maps.fit, "fit", rich_help_panel=LOOK)
register(app, report.report, "report", rich_help_panel=LOOK)
register(app, convert.convert, "convert", rich_help_panel=CONVERT)
register(app, convert.deposit, "deposit", rich_help_panel=CONVERT)
app.add_typer(simulate.app, name="simulate", rich_help_panel=CHECK)
register(app, evaluate.evaluate, "evaluate", rich_help_panel=CHECK)
app.add_typer(benchmark.app, name="benchmark", rich_help_panel=CHECK)
register(app, doctor.doctor, "doctor", rich_help_panel=CHECK)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"cryofocus {__version__}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Focused classification of single-particle cryo-EM images.

    Sorts particles by what happens inside a sphere or mask. Lengths are in Å and angles in
    degrees everywhere. Exit codes: 0 done; 2 bad input or usage; 130 interrupted (143 by SIGTERM,
    129 by SIGHUP).
    """
    del version
    require_address_space()
    show_log()


def main() -> None:
    """Run the command line."""
    with UnexpectedErrors():
        explain_crashes()
        app()


def main_of_relion() -> None:
    """Run `cryofocus relion-external`: one word, for RELION's field External executable."""
    sys.argv.insert(1, relion_external.NAME)  # command.txt then says a command to repeat
    main()
