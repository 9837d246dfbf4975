"""What a user sees when a command cannot go on: one message and an exit code."""

from __future__ import annotations

import re
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from cryofocus.cli.options import tidy_arguments
from cryofocus.errors import CryofocusError, Interrupted, SettingError

# `n_runs: found 0 ...; seed: found ...`, and what options leave out of such names.
COMPLAINT = re.compile(
    r"(?P<before>^|; )(?P<names>[a-z_]+(?: and [a-z_]+)*)(?P<after>(?:\.\d+)?: )"
)
UNIT_OR_COUNT = re.compile(r"^(n|max)_(?!resolution)|_(angstrom|gb)$")

EXIT_UNEXPECTED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
INTERRUPTED = (
    "Interrupted. Give the same command again; a classification that has begun goes on with "
    "--resume."
)


class Commands(TyperGroup):
    """The group of all commands; turns deliberate errors into messages and exit codes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let options take several values in a row."""
        return super().parse_args(ctx, tidy_arguments(args))

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except CryofocusError as error:
            text = str(error)
            if isinstance(error, SettingError) and ctx.invoked_subcommand:
                text = name_options(text, self.commands[ctx.invoked_subcommand])
            typer.echo(f"Error: {text}", err=True)
            raise typer.Exit(EXIT_BAD_INPUT) from error
        except Interrupted as stop:
            typer.echo(f"\n{stop}", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from stop
        except KeyboardInterrupt as stop:
            typer.echo(f"\n{INTERRUPTED}", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from stop


def commands_of(program: Any) -> dict[str, Any]:
    """Give the commands of the program by name."""
    return dict(program.commands) if isinstance(program, TyperGroup) else {}


def name_options(message: str, command: Any) -> str:
    """Call settings at the start of a complaint as the command line calls them.

    Args:
        message: Complaints as `name: ...`, separated by semicolons, in the words of Python and
            YAML.
        command: Whose options are meant; of a group, those of all its commands.
    """
    if COMPLAINT.match(message) is None:
        return message  # about a file, whose own words count
    members = command.commands.values() if isinstance(command, TyperGroup) else (command,)
    options = {
        option
        for member in members
        for parameter in member.params
        for option in parameter.opts
        if option.startswith("--")
    }

    def rename(match: re.Match[str]) -> str:
        names = match["names"].split(" and ")
        said = [_option_of(name, options) for name in names]
        return match["before"] + " and ".join(said) + match["after"]

    return COMPLAINT.sub(rename, message)


def _option_of(setting: str, options: set[str]) -> str:
    """Name the option that gives a setting, and the setting where it is called otherwise."""
    plain = UNIT_OR_COUNT.sub("", setting)
    for name in (setting, plain):
        option = "--" + name.replace("_", "-")
        if option in options:
            return option if name == setting else f"{option} ({setting})"
    return setting


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
