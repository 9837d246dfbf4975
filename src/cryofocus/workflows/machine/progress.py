"""Progress for people: a bar with the time left on a terminal, sparse plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from cryofocus.arrays import AnyArray
from cryofocus.execution.monitor import Advance, uncounted
from cryofocus.formatting import format_seconds, visible

LOG_INTERVAL_SECONDS = 10.0
# Longest time without a line while steps take long.
QUIET_SECONDS = 15.0
# The first steps of a task tell little of the others: they load, compile and fill caches.
LEAST_STEPS, LEAST_SHARE = 4, 0.05

logger = logging.getLogger(__name__)


def say_left(seconds: float, done: float, n_steps: float | None, *, at_most: bool = False) -> str:
    """Say how long the rest takes at the pace so far; nothing while that has no basis.

    Examples:
        >>> say_left(30.0, 50, 100), say_left(30.0, 1, 3), say_left(9.0, 9, 12, at_most=True)
        ('30 s left', '', 'at most 3.0 s left')
    """
    if n_steps is None or not max(LEAST_STEPS, LEAST_SHARE * n_steps) <= done < n_steps:
        return ""
    most = "at most " if at_most else ""
    return f"{most}{format_seconds(seconds * (n_steps - done) / done)} left"


class _TimeLeft(ProgressColumn):
    """The time left of a bar, once there is a basis for it."""

    def render(self, task: Task) -> Text:
        """Show it in the bar's line."""
        at_most = bool(task.fields["at_most"])
        pace: _Pace = task.fields["pace"]
        seconds, done = pace.since(task.get_time(), round(task.completed))
        n_steps = None if task.total is None else task.total - pace.first
        return Text(say_left(seconds, done, n_steps, at_most=at_most))


class Progress(ABC):
    """How a workflow shows where it is.

    Examples:
        >>> with SilentProgress().task("cycles", 3) as advance:
        ...     for cycle in range(3):
        ...         advance(note=f"cycle {cycle + 1}")
    """

    @abstractmethod
    def task(
        self, name: str, n_steps: int, *, at_most: bool = False
    ) -> AbstractContextManager[Advance]:
        """Show a piece of work of known length while a ``with`` block does it.

        Args:
            name: What is being done, for people.
            n_steps: How many steps it has.
            at_most: Whether it usually ends before (when something has converged).

        Returns:
            Yields the function that counts on.
        """

    def observe(self, arrays: Mapping[str, AnyArray]) -> None:
        """See the state of a long computation after a cycle; most displays look at nothing.

        Args:
            arrays: As `cryofocus.execution.monitor.Monitor.save` is given them.
        """
        del arrays


class SilentProgress(Progress):
    """Shows nothing: for the Python interface and for tests."""

    @contextmanager
    def task(self, name: str, n_steps: int, *, at_most: bool = False) -> Iterator[Advance]:
        """Count without a word."""
        del name, n_steps, at_most
        yield uncounted


class _Pace:
    """What the time left is reckoned by: steps after the first, which loads and compiles."""

    def __init__(self) -> None:
        self.first = 0
        self._begun: float | None = None

    def count(self, now: float, done: int) -> None:
        """Take the time of the first step."""
        if self._begun is None and done:
            self._begun, self.first = now, done

    def since(self, now: float, done: int) -> tuple[float, int]:
        """Return the seconds since the first step, and the steps after it."""
        return now - (now if self._begun is None else self._begun), done - self.first


@contextmanager
def _spoken_meanwhile(
    say: Callable[[], None], spoken: threading.Event, quiet_seconds: float
) -> Iterator[None]:
    """Say something in a thread whenever nothing was said for so long, while a block works.

    Args:
        say: Says it.
        spoken: Set by whoever says something else.
        quiet_seconds: So long.
    """
    is_over = False

    def watch() -> None:
        # What cannot be said is said by whoever meets it at work.
        with suppress(OSError, ValueError, MemoryError):
            while True:
                is_spoken = spoken.wait(quiet_seconds)
                if is_over:
                    return
                spoken.clear()
                if not is_spoken:
                    say()

    watcher = threading.Thread(target=watch, daemon=True)
    with suppress(RuntimeError, MemoryError):  # no thread to be had: silence it is
        watcher.start()
    try:
        yield
    finally:
        is_over = True
        spoken.set()


class TerminalProgress(Progress):
    """A live bar with steps, time so far and time left."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)

    @contextmanager
    def task(self, name: str, n_steps: int, *, at_most: bool = False) -> Iterator[Advance]:
        """Draw a bar that stays on the screen when the block ends."""
        columns = (
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<22}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _TimeLeft(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with RichProgress(*columns, console=self._console) as bars:
            pace = _Pace()
            bar = bars.add_task(visible(name), total=n_steps, note="", at_most=at_most, pace=pace)

            def advance(steps: int = 1, note: str = "") -> None:
                pace.count(bars.get_time(), round(bars.tasks[0].completed) + steps)
                bars.update(bar, advance=steps, note=visible(note))

            yield advance
            bars.update(bar, total=bars.tasks[0].completed)


class LogProgress(Progress):
    """Plain log lines: at most one in ``interval_seconds``, and one at the end.

    A thread sees to it that long steps do not look as if nothing went on.

    Args:
        interval_seconds: Shortest time between two lines of one task.
        clock: Returns seconds; tests bring their own.
        quiet_seconds: Longest time without one.
    """

    def __init__(
        self,
        interval_seconds: float = LOG_INTERVAL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._quiet_seconds = quiet_seconds

    @contextmanager
    def task(self, name: str, n_steps: int, *, at_most: bool = False) -> Iterator[Advance]:
        """Log how far the block has come and how long the rest will take at this pace."""
        start = last_line = self._clock()
        done, pace, last_note, spoken = 0, _Pace(), "", threading.Event()

        def advance(steps: int = 1, note: str = "") -> None:
            nonlocal done, last_line, last_note
            done, last_note = done + steps, note or last_note
            now = self._clock()
            pace.count(now, done)
            if now - last_line >= self._interval_seconds and done < n_steps:
                last_line = now
                spoken.set()
                left = say_left(*pace.since(now, done), n_steps - pace.first, at_most=at_most)
                note = note and f"  {note}"
                logger.info("%s: %d of %d%s%s", name, done, n_steps, left and f", {left}", note)

        def say_working() -> None:
            note = last_note and f"  {last_note}"
            so_far = format_seconds(self._clock() - start)
            logger.info("%s: %d of %d, %s so far%s", name, done, n_steps, so_far, note)

        with _spoken_meanwhile(say_working, spoken, self._quiet_seconds):
            yield advance
        count = f"{done} of {n_steps}, " if done >= n_steps else ""
        logger.info("%s: %sdone in %s", name, count, format_seconds(self._clock() - start))


def choose_progress() -> Progress:
    """Bars when standard error is a terminal, log lines otherwise.

    Returns:
        A fresh display.
    """
    return TerminalProgress() if sys.stderr.isatty() else LogProgress()
