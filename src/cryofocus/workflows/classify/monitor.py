"""The inference's `Monitor` for a run directory: progress, stage times and checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryofocus.execution.monitor import Advance, Arrays
from cryofocus.workflows.machine.hardware import StageClock
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.run.checkpoint import Fingerprint
from cryofocus.workflows.run.directory import RunDirectory

# Checkpoints may take at most this part of the time; a cycle of a small set is done sooner than
# its state is on disk.
CHECKPOINT_SHARE = 0.05


class RunMonitor:
    """`cryofocus.execution.monitor.Monitor` that shows progress and keeps checkpoints.

    Every cycle is saved, unless saving would take more than a twentieth of the time: a killed run
    then repeats a few cycles when it is resumed, to the same result.

    Args:
        directory: Where the checkpoint lies.
        fingerprint: Proof that a checkpoint belongs to the same job.
        progress: Display.
        timer: Takes time and memory of the stages.
        clock: Returns seconds; tests bring their own.
    """

    def __init__(
        self,
        directory: RunDirectory,
        fingerprint: Fingerprint,
        progress: Progress,
        timer: StageClock,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._fingerprint = fingerprint
        self._progress = progress
        self._timer = timer
        self._clock = clock
        self._unsaved: Arrays | None = None
        self._next_save = 0.0

    @contextmanager
    def stage(self, name: str, n_steps: int) -> Iterator[Advance]:
        """Show and time a stage."""
        with self._timer.stage(name), self._progress.task(name, n_steps) as advance:
            yield advance

    def save(self, arrays: Arrays) -> None:
        """Show the state to the display and keep it, on disk if it is time to.

        Raises:
            OutputError: Disk full, no permission.
        """
        self._progress.observe(arrays)
        self._unsaved = arrays
        if self._clock() >= self._next_save:
            self.flush()

    def flush(self) -> None:
        """Bring the last state to disk.

        Raises:
            OutputError: Disk full, no permission.
        """
        if self._unsaved is None:
            return
        start = self._clock()
        self._directory.save_checkpoint(self._unsaved, self._fingerprint)
        end = self._clock()
        self._next_save = end + (end - start) / CHECKPOINT_SHARE
        self._unsaved = None

    def load(self) -> Arrays | None:
        """Return the state of an unfinished run, None for a new one.

        Raises:
            SettingError: When settings or input files have changed.
            FormatError: When the checkpoint is damaged.
        """
        return self._directory.load_checkpoint(self._fingerprint)
