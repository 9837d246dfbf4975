"""Write docs/reference/cli.md, the help of every command, from the commands themselves.

Usage: ``python scripts/document_commands.py``. A test fails while the page is out of date.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer
from typer.testing import CliRunner

from cryofocus.cli.main import app

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
HEAD = """# Commands

The help of every command, written by `scripts/document_commands.py`. Exit codes: 0 done; 2 bad
input or usage, with one message on standard error; 130 interrupted (143 by
SIGTERM, 129 by SIGHUP), to be resumed.
"""
PLAIN_TERMINAL = {"COLUMNS": "98", "TERM": "dumb", "NO_COLOR": "1"}


def command_names() -> Iterator[tuple[str, ...]]:
    """Yield the words of every command that does something, in the order of the help."""
    for name, command in typer.main.get_command(app).commands.items():
        members = getattr(command, "commands", None)
        yield from ((name, member) for member in members) if members else [(name,)]


def describe(words: tuple[str, ...]) -> str:
    """Return the section of one command."""
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="cryofocus", env=PLAIN_TERMINAL)
    if result.exit_code != 0:
        raise RuntimeError(f"{' '.join(words)} --help failed: {result.output}")
    text = "\n".join(line.rstrip() for line in result.output.strip("\n").splitlines())
    return f"## cryofocus {' '.join(words)}\n\n```\n{text}\n```\n"


def render() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(describe(words) for words in command_names())])


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)
