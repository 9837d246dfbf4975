"""What a user sees when a command cannot go on: one message and an exit code."""

from __future__ import annotations

import errno
import shlex
import sys
import tempfile
import time
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from cryofocus.cli.console import complain
from cryofocus.cli.hints import hide_types_of_switches
from cryofocus.cli.signals import exit_status, signals_stop
from cryofocus.errors import CryofocusError, Interrupted, on_the_command_line
from cryofocus.workflows.machine.memory_refused import OUT_OF_MEMORY, is_want_of_memory
from cryofocus.workflows.run.claims import names_claimed

EXIT_UNEXPECTED = 1
EXIT_BAD_INPUT = 2
# What the system says of names and folders before anything is opened: none of them can be used.
REFUSALS = {errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR}
INTERRUPTED = (
    "Interrupted. Give the same command again; a classification that has begun continues with "
    "--resume."
)


class Commands(TyperGroup):
    """The group of all commands; turns deliberate errors into messages and exit codes."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options of the program itself."""
        params: list[Any] = super().get_params(ctx)
        hide_types_of_switches(params)
        return params

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command, which signals end in good order."""
        with signals_stop() as asked, on_the_command_line():
            try:
                with names_claimed(), asked.insisted(Interrupted, typer.Exit):
                    return super().invoke(ctx)
            except CryofocusError as error:
                complain(f"Error: {error}")
                raise typer.Exit(EXIT_BAD_INPUT) from error
            except (MemoryError, OSError, RuntimeError, ImportError, SystemError) as error:
                if is_want_of_memory(error):
                    complain(f"Error: {OUT_OF_MEMORY}")
                elif isinstance(error, OSError) and error.errno in REFUSALS and error.filename:
                    advice = "Check the name, and who may read or write there."
                    complain(f"Error: {error.filename}: {error.strerror}. {advice}")
                else:
                    raise
                raise typer.Exit(EXIT_BAD_INPUT) from error
            except Interrupted as stop:
                complain(f"\n{stop}")
                raise typer.Exit(exit_status(stop)) from stop
            except KeyboardInterrupt as stop:
                complain(f"\n{INTERRUPTED}")
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
        trace_text = "".join(traceback.format_exception(error))
        complain(
            f"Error: cryofocus failed unexpectedly ({type(error).__name__}: {error}). This is a "
            f"fault of the program, not yours. {_keep(trace_text)}"
        )
        sys.exit(EXIT_UNEXPECTED)


def _keep(trace: str) -> str:
    """Write a traceback where only its user can read it; say what to report.

    The name cannot be guessed, nothing that is there is opened, and no link is followed.
    """
    start = time.strftime("cryofocus-error-%Y%m%d-%H%M%S-")
    try:
        descriptor, path = tempfile.mkstemp(".txt", start)
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{shlex.join(sys.argv)}\n\n{trace}")
    except OSError as error:
        return f"Please report it with this ({error.strerror} while writing it down):\n{trace}"
    return f"Please report it with the file {path}, after a look at what names it holds."
