"""A progress display that presses Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cryofocus.workflows.progress import Advance, Progress


class StoppingProgress(Progress):
    """Ctrl-C in a stage, after some steps."""

    def __init__(self, stage: str, steps: int) -> None:
        self._stage = stage
        self._steps = steps

    @contextmanager
    def task(self, name: str, n_steps: int) -> Iterator[Advance]:
        """Count, and interrupt where asked to."""
        del n_steps
        done = 0

        def advance(steps: int = 1, note: str = "") -> None:
            nonlocal done
            del steps, note
            done += 1
            if name == self._stage and done == self._steps:
                raise KeyboardInterrupt

        yield advance
