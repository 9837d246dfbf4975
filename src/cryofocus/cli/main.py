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
from cryofocus.cli.console import show_log
from cryofocus.cli.failures import Commands, UnexpectedErrors
from cryofocus.version import __version__

app = typer.Typer(
    name="cryofocus",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("classify")(classify.classify)
app.add_typer(simulate.app, name="simulate")
app.command("evaluate")(evaluate.evaluate)
app.add_typer(benchmark.app, name="benchmark")
app.add_typer(align.app, name="align")
app.command("select")(particles.select)
app.command("reconstruct")(particles.reconstruct)
app.add_typer(mask.app, name="mask")
app.command("covary")(covary.covary)
app.command("diffmap")(maps.diffmap)
app.command("merge")(maps.merge)
app.command("variance")(variance.variance)
app.command("fsc")(fsc.fsc)
app.command("fit")(fit.fit)
app.command("expand")(symmetry.expand)
app.command("collapse")(symmetry.collapse)
app.command("subtract")(subtract.subtract)
app.command("convert")(convert.convert)
app.command(
    relion_external.NAME,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(relion_external.relion_external)
app.command("report")(report.report)
app.command("doctor")(doctor.doctor)


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
    degrees everywhere. Exit codes: 0 done; 2 bad input or usage; 130 interrupted.
    """
    del version
    show_log()


def main() -> None:
    """Run the command line."""
    with UnexpectedErrors():
        app()


def main_of_relion() -> None:
    """Run `cryofocus relion-external`: one word, for RELION's field External executable."""
    sys.argv.insert(1, relion_external.NAME)  # command.txt then says a command to repeat
    main()
