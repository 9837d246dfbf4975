"""How commands talk: results on standard output, everything else on standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import typer

from cryofocus.formatting import format_table, visible
from cryofocus.logs import LOGGER_NAME, LineLog

if TYPE_CHECKING:
    from cryofocus.workflows.machine.progress import Progress

REPORT = "report.html"  # of every directory that has a page


def show_log() -> None:
    """Show what the package logs; asking twice is harmless."""
    logger = logging.getLogger(LOGGER_NAME)
    if not any(isinstance(handler, LineLog) for handler in logger.handlers):
        logger.addHandler(LineLog(complain))
        logger.setLevel(logging.INFO)


def show_progress() -> Progress:
    """Return a display of progress that suits the terminal."""
    from cryofocus.workflows.machine.progress import choose_progress

    return choose_progress()


def say(text: str = "") -> None:
    """Write a line of the result."""
    typer.echo(visible(text))


def complain(text: str) -> None:
    """Write a line that is no result."""
    typer.echo(visible(text), err=True)


def say_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a small table, columns aligned to the right except the first."""
    say(format_table(header, rows))
