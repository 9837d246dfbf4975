"""Signals that ask a program to end, such as a batch system's, end a command as Ctrl-C does.

They raise an exception wherever the program happens to be, and not every place passes it on: what
is raised while Python names the members of a class comes out as another error, what is raised in a
finalizer or in a callback of weak references is printed and forgotten, and importing a library
does all of these. So a signal that comes in code of a library waits for code of ours, if not for
long, and is raised again if something has swallowed it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Batch systems send the same signal to a job and to each of its processes; one is enough.
ONCE_SECONDS = 10.0
# How often a signal that waits is looked after, and how long it waits at most; where a library is
# being imported, longer.
LOOK_SECONDS, PATIENCE_SECONDS, IMPORT_SECONDS = 0.05, 1.0, 10.0
# Packages in which it is raised at once: our own, and those in which the program only waits.
PASSING = {__name__.partition(".")[0], "threading", "selectors"}
IMPORTING = "importlib"
INTERRUPTED_STATUS = 128 + signal.SIGINT


class Stopped(KeyboardInterrupt):
    """A signal asked the program to end.

    Attributes:
        status: What the shell is told: 128 and the number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


@contextmanager
def signals_stop() -> Iterator[Stop]:
    """Raise `Stopped` in this block when a signal asks for its end, unless it is being ignored.

    Yields:
        What was asked, for where libraries hide it.
    """
    stop, is_main = Stop(), threading.current_thread() is threading.main_thread()
    # Only the main thread can be told of signals.
    before = {number: signal.getsignal(number) for number in ENDING if is_main}
    taken = {number: old for number, old in before.items() if old is not signal.SIG_IGN}
    if taken:
        taken[signal.SIGALRM] = signal.getsignal(signal.SIGALRM)
    for number in taken:
        signal.signal(number, stop)
    try:
        yield stop
    finally:
        if taken:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, old in taken.items():
            signal.signal(number, old)


class Stop:
    """Raises for the first of several signals that come together, and for every Ctrl-C."""

    def __init__(self) -> None:
        self._quiet_until = self._since = -float("inf")
        self._asked: Stopped | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise for a signal, as its handler, here or at a better place."""
        now = time.monotonic()
        if number == signal.SIGALRM:
            self._look_after(frame, now)
            return
        if now < self._quiet_until and number != signal.SIGINT:
            return
        self._quiet_until = now + ONCE_SECONDS
        if number == signal.SIGHUP:
            _leave_terminal()
        is_repeated = number == signal.SIGINT and self._asked is not None
        self._asked, self._since = Stopped(number), now
        signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS, LOOK_SECONDS)
        if is_repeated or _passes_on(frame):
            raise self._asked

    def _look_after(self, frame: FrameType | None, now: float) -> None:
        """Raise what has been asked if that was not possible so far, or came to nothing."""
        if self._asked is None or self._asked in _causes(sys.exc_info()[1]):
            return
        patience = IMPORT_SECONDS if _is_importing(frame) else PATIENCE_SECONDS
        if _passes_on(frame) or now > self._since + patience:
            self._since = now
            raise self._asked

    @contextmanager
    def insisted(self, *but: type[Exception]) -> Iterator[None]:
        """Raise it once more if a library has made an error of its own of it in this block.

        Args:
            *but: What may come after it.
        """
        try:
            yield
        except Exception as error:
            if self._asked is None or isinstance(error, but):
                raise
            raise self._asked from error


def _passes_on(frame: FrameType | None) -> bool:
    """Whether what is raised in a frame is known to come out of it."""
    return frame is None or _package(frame) in PASSING


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None and _package(frame) != IMPORTING:
        frame = frame.f_back
    return frame is not None


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and those it was raised because of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _leave_terminal() -> None:
    """Write to nowhere instead of to a terminal that has gone, which would be an error."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:
            with suppress(OSError), open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), descriptor)


def exit_status(stop: BaseException) -> int:
    """Return the exit status of a command that was stopped, which names the signal.

    Args:
        stop: What ended the command; the signal may stand behind it.
    """
    found = (one.status for one in _causes(stop) if isinstance(one, Stopped))
    return next(found, INTERRUPTED_STATUS)
