"""A progress display in which something happens, such as Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryofocus.execution.monitor import Advance
from cryofocus.workflows.machine.progress import Progress


class Accident(Progress):
    """Something that happens in a stage, after some steps."""

    def __init__(self, stage: str, steps: int, happen: Callable[[], None]) -> None:
        self._stage, self._steps, self._happen = stage, steps, happen

    @contextmanager
    def task(self, name: str, n_steps: int, *, at_most: bool = False) -> Iterator[Advance]:
        """Count, and let it happen once."""
        del n_steps, at_most
        done = 0

        def advance(steps: int = 1, note: str = "") -> None:
            nonlocal done
            del note
            done += steps > 0
            if steps and name == self._stage and done == self._steps:
                self._happen()

        yield advance


def stopping_progress(stage: str, steps: int) -> Accident:
    """Press Ctrl-C in a stage, after some steps."""

    def press() -> None:
        raise KeyboardInterrupt

    return Accident(stage, steps, press)
