"""One file at a time: a reader gives an answer or our own error, soon, and in little memory."""

from __future__ import annotations

import faulthandler
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SECONDS = 2.0
"""Processor time that a reader may take."""
STANDSTILL_SECONDS = 100
"""Time after which nothing is waited for."""
MEMORY_OF_FILE, MEMORY_BYTES = 50, 200_000_000
"""What a reader may take: so many times the file, and so much besides."""
OPENED_ONCE = 10_000_000
"""Kept aside for what Python itself asks for in between."""


class Hang(BaseException):
    """A reader took too long; not an error, so that nothing on the way takes it for one."""


@dataclass(frozen=True)
class Fault:
    """What a reader did wrong, and where."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def judge(read: Callable[[Path], None], path: Path) -> Fault | None:
    """Read a file; return what was wrong, or None."""
    n_bytes = path.stat().st_size
    try:
        with (
            _bounded_time(),
            _bounded_memory(MEMORY_OF_FILE * n_bytes + MEMORY_BYTES),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error")
            read(path)
    except Hang:
        return Fault("hang", f"more than {SECONDS:g} s for {n_bytes} bytes\n{_where()}")
    except MemoryError:
        return Fault("memory", f"more than its bound for {n_bytes} bytes\n{_where()}")
    except Exception:  # noqa: BLE001 whatever comes out is what is looked for
        return Fault("foreign", _where())
    return None


def _where() -> str:
    """Give the end of the traceback of the error that is being handled."""
    return "".join(traceback.format_exception(*sys.exc_info())[-4:])


@contextmanager
def _bounded_time() -> Iterator[None]:
    """Raise `Hang` once the block has taken too much processor time."""

    def end(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    # What never comes back from compiled code ends the process, with a word on where.
    faulthandler.dump_traceback_later(STANDSTILL_SECONDS, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def _bounded_memory(n_bytes: int) -> Iterator[None]:
    """Refuse the block more memory than so much above what the process has, where Linux can."""
    statistics = Path("/proc/self/statm")
    if not statistics.exists():
        yield
        return
    used = int(statistics.read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + n_bytes + OPENED_ONCE, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
