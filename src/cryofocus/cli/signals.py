"""Signals that ask a program to end, such as a batch system's, end a command as Ctrl-C does."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)
# Batch systems send the same signal to a job and to each of its processes; one is enough.
ONCE_SECONDS = 10.0
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
    for number in taken:
        signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number, old in taken.items():
            signal.signal(number, old)


class Stop:
    """Raises for the first of several signals that come together."""

    def __init__(self) -> None:
        self._quiet_until = -float("inf")
        self._asked: Stopped | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise for a signal, as its handler."""
        now = time.monotonic()
        if now < self._quiet_until:
            return
        self._quiet_until = now + ONCE_SECONDS
        if number == signal.SIGHUP:
            _leave_terminal()
        self._asked = Stopped(number)
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
    behind: BaseException | None = stop
    while behind is not None:
        if isinstance(behind, Stopped):
            return behind.status
        behind = behind.__cause__ or behind.__context__
    return INTERRUPTED_STATUS
