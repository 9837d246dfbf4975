"""How commands talk: results on standard output, everything else on standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import typer

from cryofocus.formatting import format_table, visible

if TYPE_CHECKING:
    from cryofocus.workflows.machine.progress import Progress

REPORT = "report.html"  # of every directory that has a page


class _StandardError(logging.Handler):
    """Log lines on whatever standard error is at the time, so that bars are not torn apart."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; only warnings and errors say their level."""
        if getattr(record, "log_only", False):
            return  # said on standard output
        level = f"{record.levelname.capitalize()}: " if record.levelno > logging.INFO else ""
        complain(f"{level}{record.getMessage()}")


def show_log() -> None:
    """Show what the package logs; asking twice is harmless."""
    logger = logging.getLogger("cryofocus")
    if not any(isinstance(handler, _StandardError) for handler in logger.handlers):
        logger.addHandler(_StandardError())
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
