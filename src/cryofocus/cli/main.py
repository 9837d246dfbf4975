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
    fit,
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
from cryofocus.workflows.machine.memory_refused import require_address_space

app = typer.Typer(
    name="cryofocus",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
register(app, classify.classify, "classify")
app.add_typer(simulate.app, name="simulate")
register(app, evaluate.evaluate, "evaluate")
app.add_typer(benchmark.app, name="benchmark")
app.add_typer(align.app, name="align")
register(app, particles.select, "select")
register(app, particles.reconstruct, "reconstruct")
app.add_typer(mask.app, name="mask")
register(app, covary.covary, "covary")
register(app, maps.diffmap, "diffmap")
register(app, maps.merge, "merge")
register(app, variance.variance, "variance")
register(app, fsc.fsc, "fsc")
register(app, fit.fit, "fit")
register(app, symmetry.expand, "expand")
register(app, symmetry.collapse, "collapse")
register(app, subtract.subtract, "subtract")
register(app, convert.convert, "convert")
register(
    app,
    relion_external.relion_external,
    relion_external.NAME,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
register(app, report.report, "report")
register(app, doctor.doctor, "doctor")


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
        app()


def main_of_relion() -> None:
    """Run `cryofocus relion-external`: one word, for RELION's field External executable."""
    sys.argv.insert(1, relion_external.NAME)  # command.txt then says a command to repeat
    main()
