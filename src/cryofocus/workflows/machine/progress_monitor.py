"""The inference's `Monitor` for commands that are repeated rather than resumed."""

from __future__ import annotations

from contextlib import AbstractContextManager

from cryofocus.execution.monitor import Advance, Arrays
from cryofocus.workflows.machine.progress import Progress


class ProgressMonitor:
    """`cryofocus.execution.monitor.Monitor` that shows progress and keeps nothing."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def stage(
        self, name: str, n_steps: int, *, at_most: bool = False
    ) -> AbstractContextManager[Advance]:
        """Show a stage."""
        return self._progress.task(name, n_steps, at_most=at_most)

    def save(self, arrays: Arrays) -> None:
        """Forget."""
        del arrays

    def load(self) -> None:
        """Return nothing: every run is new."""
