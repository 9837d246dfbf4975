"""What a user sees when a command cannot go on: one message and an exit code."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from cryofocus.cli.signals import exit_status, signals_stop
from cryofocus.errors import CryofocusError, Interrupted

EXIT_UNEXPECTED = 1
EXIT_BAD_INPUT = 2
INTERRUPTED = (
    "Interrupted. Give the same command again; a classification that has begun continues with "
    "--resume."
)


class Commands(TyperGroup):
    """The group of all commands; turns deliberate errors into messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command, which signals end in good order."""
        with signals_stop():
            try:
                return super().invoke(ctx)
            except CryofocusError as error:
                typer.echo(f"Error: {error}", err=True)
                raise typer.Exit(EXIT_BAD_INPUT) from error
            except Interrupted as stop:
                typer.echo(f"\n{stop}", err=True)
                raise typer.Exit(exit_status(stop)) from stop
            except KeyboardInterrupt as stop:
                typer.echo(f"\n{INTERRUPTED}", err=True)
                raise typer.Exit(exit_status(stop)) from stop


class UnexpectedErrors:
    """Keeps the traceback of an error nobody foresaw in a file, says which, and exits.

    Used around the whole program; deliberate errors have been dealt with before they get here.
    """

    def __enter__(self) -> None:
        """Watch the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        """Record an error and leave with `EXIT_UNEXPECTED`; let exits pass."""
        if not isinstance(error, Exception):
            return
        name = time.strftime("cryofocus-error-%Y%m%d-%H%M%S.txt")
        path = Path(tempfile.gettempdir()) / name
        command = " ".join(sys.argv)
        path.write_text(f"{command}\n\n{''.join(traceback.format_exception(error))}", "utf-8")
        typer.echo(
            f"Error: cryofocus failed unexpectedly ({type(error).__name__}: {error}). This is a "
            f"fault of the program, not yours. Please report it with the file {path}.",
            err=True,
        )
        sys.exit(EXIT_UNEXPECTED)
