"""The inference's `Monitor` for a run directory: progress, stage times and checkpoints."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cryofocus.errors import CryofocusError, Interrupted
from cryofocus.execution.monitor import Advance, Arrays
from cryofocus.formatting import format_seconds
from cryofocus.inference.driver import count_cycles
from cryofocus.workflows.machine.hardware import StageClock
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.run.checkpoint import Checkpoint

logger = logging.getLogger(__name__)

# Checkpoints may take at most this part of the time; a cycle of a small set is done sooner than
# its state is on disk.
CHECKPOINT_SHARE = 0.05
# Name of what a run has taken so far, in its checkpoint.
TIMES = "times"


class RunMonitor:
    """`cryofocus.execution.monitor.Monitor` that shows progress and keeps checkpoints.

    Every cycle is saved, unless saving would take more than a twentieth of the time: a killed run
    then repeats a few cycles when it is resumed, to the same result.

    Args:
        checkpoint: Where the state is kept.
        progress: Display.
        timer: Takes time and memory of the stages.
        clock: Returns seconds; tests bring their own.

    Attributes:
        cycles_before: What an unfinished run had done before it was resumed.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        progress: Progress,
        timer: StageClock,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checkpoint = checkpoint
        self._progress = progress
        self._timer = timer
        self._clock = clock
        self._unsaved: Arrays | None = None
        self._next_save = 0.0
        self.cycles_before = 0

    @contextmanager
    def stage(self, name: str, n_steps: int, *, at_most: bool = False) -> Iterator[Advance]:
        """Show and time a stage."""
        task = self._progress.task(name, n_steps, at_most=at_most)
        with self._timer.stage(name), task as advance:
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

    @contextmanager
    def keeping(self, run: Path) -> Iterator[None]:
        """Bring the last state to disk when the block is stopped or fails, for `--resume`.

        Raises:
            Interrupted: For Ctrl-C.
        """
        try:
            yield
        except KeyboardInterrupt as interruption:
            self.flush()
            raise Interrupted(
                f"{run}: stopped; run the same command with --resume to finish it."
            ) from interruption
        except (CryofocusError, MemoryError):
            self.flush()
            raise

    def flush(self) -> None:
        """Bring the last state to disk.

        Raises:
            OutputError: Disk full, no permission.
        """
        if self._unsaved is None:
            return
        start = self._clock()
        self._checkpoint.save({**self._unsaved, **_pack_times(self._timer)})
        end = self._clock()
        self._next_save = end + (end - start) / CHECKPOINT_SHARE
        self._unsaved = None

    def begin(self) -> None:
        """Look at the state of an unfinished run, and count in what it has done and taken so far.

        Raises:
            SettingError: When settings or input files have changed.
            FormatError: When the checkpoint is damaged.
        """
        kept = self._checkpoint.load()
        if kept is not None and TIMES in kept:
            seconds, n_processes = json.loads(np.asarray(kept[TIMES]).tobytes())
            self._timer.follow(seconds, n_processes)
            self.cycles_before = count_cycles(kept)
            logger.info(
                "resumed: %d cycles are done; the run has taken %s so far",
                *(self.cycles_before, format_seconds(sum(seconds.values()))),
            )

    def load(self) -> Arrays | None:
        """Return the state of an unfinished run, None for a new one.

        Raises:
            SettingError: When settings or input files have changed.
            FormatError: When the checkpoint is damaged.
        """
        return self._checkpoint.load()


def _pack_times(timer: StageClock) -> dict[str, np.ndarray]:
    times = timer.whole()
    text = json.dumps([times.seconds, times.n_processes])
    return {TIMES: np.frombuffer(text.encode(), np.uint8)}
