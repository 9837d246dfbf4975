"""Progress in a notebook: one line for each piece of work, which is replaced as it goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from cryofocus.execution.monitor import Advance
from cryofocus.formatting import format_seconds
from cryofocus.workflows.machine.progress import Progress

UPDATE_SECONDS = 0.5


class NotebookProgress(Progress):
    """A bar with steps and time so far, drawn where the cell has its output.

    Args:
        display: Shows HTML and returns a handle whose `update` replaces it.
        clock: Returns seconds; tests bring their own.
    """

    def __init__(
        self, display: Callable[[str], Any], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._display, self._clock = display, clock

    @contextmanager
    def task(self, name: str, n_steps: int, *, at_most: bool = False) -> Iterator[Advance]:
        """Draw a bar that stays under the cell when the block ends."""
        del at_most  # no time left is said
        start = shown_at = self._clock()
        done = 0
        handle = self._display(_bar(name, 0, n_steps, 0.0, ""))

        def advance(steps: int = 1, note: str = "") -> None:
            nonlocal done, shown_at
            done += steps
            now = self._clock()
            if now - shown_at >= UPDATE_SECONDS or done >= n_steps:
                shown_at = now
                handle.update(_bar(name, done, n_steps, now - start, note))

        yield advance
        handle.update(_bar(name, done, done, self._clock() - start, ""))


def choose_notebook_progress() -> Progress | None:
    """Bars where a notebook runs this, None elsewhere."""
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    if running is None or not hasattr(running, "kernel"):
        return None
    from IPython.display import HTML, display  # there, since a notebook runs

    class _Handle:
        def __init__(self, text: str) -> None:
            self._handle = display(HTML(text), display_id=True)

        def update(self, text: str) -> None:
            self._handle.update(HTML(text))

    return NotebookProgress(_Handle)


def _bar(name: str, done: int, n_steps: int, seconds: float, note: str) -> str:
    """Compose a line."""
    text = f"{done:,} of {n_steps:,}, {format_seconds(seconds)} {note}".rstrip()
    return (
        f"<div>{escape(name)} <progress value='{done}' max='{max(n_steps, 1)}'></progress> "
        f"{escape(text)}</div>"
    )
