"""Write docs/reference/cli.md from the commands themselves.

Usage: ``python scripts/document_commands.py``. A test fails while the page is out of date.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click
import typer
from cryofocus.cli.main import app

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
HEAD = """# Commands

Written from the program by `scripts/document_commands.py`; `cryofocus COMMAND --help` shows the
same. Exit codes: 0 done; 2 bad input or usage, with one message on standard error;
130 interrupted, to be resumed.
"""


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, with its full name, in the order of the help."""
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from walk(child, f"{path} {name}")
    elif not command.hidden:
        yield path, command


def describe(path: str, command: click.Command) -> str:
    """Return the section of one command."""
    context = click.Context(command, info_name=path)
    usage = command.get_usage(context).removeprefix("Usage: ")
    text = inspect.cleandoc(command.help or "").replace("\f", "")
    rows = [row(parameter, context) for parameter in command.params]
    table = ["| argument or option | meaning |", "| --- | --- |", *rows]
    return "\n".join([f"## {path}", "", f"`{' '.join(usage.split())}`", "", text, "", *table, ""])


def row(parameter: click.Parameter, context: click.Context) -> str:
    """Return the table row of one argument or option."""
    names = parameter.opts + parameter.secondary_opts
    name = ", ".join(f"`{n}`" for n in names)
    if isinstance(parameter, click.Argument):
        name = f"`{parameter.make_metavar(context)}`"
    words = [" ".join((getattr(parameter, "help", None) or "").split())]
    choices = [f"`{spell(choice)}`" for choice in getattr(parameter.type, "choices", ())]
    if choices:
        words.append(f"One of {', '.join(choices)}.")
    default = parameter.default
    if default is not None and not callable(default) and default not in (False, (), []):
        words.append(f"Default `{spell(default)}`.")
    meaning = " ".join(words).replace("|", "\\|")
    return f"| {name} | {meaning} |"


def spell(value: object) -> str:
    """Return a value as it is typed on the command line."""
    return str(getattr(value, "value", value))


def render() -> str:
    """Return the whole page."""
    sections = [describe(path, command) for path, command in walk(command_tree(), "cryofocus")]
    return "\n".join([HEAD, *sections])


def command_tree() -> click.Command:
    """Return the application as click sees it."""
    return typer.main.get_command(app)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)
