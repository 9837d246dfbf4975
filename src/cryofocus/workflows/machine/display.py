"""What Python shows while it works: as the command does, unless a display is given."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from cryofocus.calls import checked
from cryofocus.formatting import visible
from cryofocus.logs import LOGGER_NAME, LineLog
from cryofocus.workflows.machine.notebook_progress import choose_notebook_progress
from cryofocus.workflows.machine.progress import Progress, choose_progress

Taken = ParamSpec("Taken")
Made = TypeVar("Made")


def shown(function: Callable[Taken, Made]) -> Callable[Taken, Made]:
    """Let a function show how far it has come where it is given no display.

    Args:
        function: It takes one as `progress`, by that name only.
    """

    @checked
    @wraps(function)
    def call(*args: Taken.args, **given: Taken.kwargs) -> Made:
        options: dict[str, Any] = given
        with showing(cast("Progress | None", given.get("progress"))) as display:
            return function(*args, **{**options, "progress": display})

    return call


@contextmanager
def showing(progress: Progress | None) -> Iterator[Progress]:
    """Show how far the work in a block has come.

    Args:
        progress: The display that was given. If none was: bars in a notebook and on a terminal;
            elsewhere (a script under nohup, a batch job) lines on standard error, those of the
            command. Where logging is set up already, lines go there, and nothing is added.

    Yields:
        The display.
    """
    if progress is not None:
        yield progress
        return
    if (bars := choose_notebook_progress()) is not None:
        yield bars
        return
    with _log_on_standard_error():
        yield choose_progress()


@contextmanager
def _log_on_standard_error() -> Iterator[None]:
    """Show what the package logs, unless somebody else decides about that."""
    logger = logging.getLogger(LOGGER_NAME)
    if logger.hasHandlers():
        yield
        return
    handler, level = LineLog(_write), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _write(line: str) -> None:
    """Write a line on whatever standard error is at the time, so that bars are not torn apart.

    A script goes on when nobody reads it any more.
    """
    with suppress(OSError, ValueError):
        sys.stderr.write(visible(line) + "\n")
        sys.stderr.flush()
