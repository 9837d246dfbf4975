"""A job of RELION's pipeline: the markers and the list of results that RELION looks for.

RELION runs other programs as jobs of type External. In the job's folder it looks for
`RELION_JOB_EXIT_SUCCESS` (or `_FAILURE`, `_ABORTED`) to know how the job ended, and for
`RELION_OUTPUT_NODES.star` to know what it made; it asks a job to stop by `RELION_JOB_ABORT_NOW`.
Source: RELION's documentation, "The External job-type".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryofocus.arrays import AnyArray
from cryofocus.data.atomic import explain_write_errors
from cryofocus.data.particle_table import Column
from cryofocus.data.star.document import write_star
from cryofocus.errors import Interrupted
from cryofocus.execution.monitor import Advance
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.run.directory import RunDirectory

ABORT_MARKER = "RELION_JOB_ABORT_NOW"
SUCCESS, FAILURE, ABORTED = (
    f"RELION_JOB_EXIT_{state}" for state in ("SUCCESS", "FAILURE", "ABORTED")
)
NODES_FILE, LOGFILE = "RELION_OUTPUT_NODES.star", "logfile.pdf"
RUN_FOLDER = "run"
LOOK_INTERVAL_SECONDS = 1.0


# What a result is, for RELION to offer it as input of other jobs: number in RELION 3.1, label from
# RELION 4 on.
PARTICLES = (3, "ParticleGroupMetadata.star.relion")
MAP = (6, "DensityMap.mrc.relion.class3d")
MASK = (7, "Mask3D.mrc.relion")
HALF_MAP = (10, "DensityMap.mrc.relion.halfmap.class3d")
SHEET = (13, "LogFile.pdf.relion")


@dataclass(frozen=True)
class RelionJob:
    """A job folder of a RELION project.

    Attributes:
        folder: As RELION names it, relative to the project, such as External/job012.
    """

    folder: Path

    @property
    def run(self) -> RunDirectory:
        """The classification inside it, apart from RELION's own files."""
        return RunDirectory(self.folder / RUN_FOLDER)

    @property
    def abort_marker(self) -> Path:
        """What RELION writes to ask for an end."""
        return self.folder / ABORT_MARKER

    @property
    def logfile(self) -> Path:
        """The sheet that RELION's Display offers."""
        return self.folder / LOGFILE

    def begin(self) -> None:
        """Make the folder and forget how an earlier attempt ended.

        Raises:
            OutputError: When the folder cannot be written.
        """
        with explain_write_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in (SUCCESS, FAILURE, ABORTED, ABORT_MARKER):
                (self.folder / name).unlink(missing_ok=True)

    def end(self, marker: str) -> None:
        """Tell RELION how the job ended.

        Raises:
            OutputError: When the folder cannot be written.
        """
        with explain_write_errors(self.folder):
            self.abort_marker.unlink(missing_ok=True)
            (self.folder / marker).touch()

    def write_nodes(self) -> None:
        """List the results of the finished run for RELION, in the words of all its versions.

        Half maps are listed by their first, as RELION does; it finds the other by its name.

        Raises:
            FormatError: When the run is unfinished.
            OutputError: When the list cannot be written.
        """
        run = self.run
        nodes = [(run.particles, PARTICLES), (run.consensus, MAP), (run.focus_mask, MASK)]
        for number in range(1, run.read_job().n_classes + 1):
            nodes += [(run.class_map(number), MAP), (run.half_map(number, 1), HALF_MAP)]
        if self.logfile.is_file():
            nodes.append((self.logfile, SHEET))
        columns: dict[str, Column] = {
            "rlnPipeLineNodeName": [str(path) for path, _ in nodes],
            "rlnPipeLineNodeType": [number for _, (number, _) in nodes],
            "rlnPipeLineNodeTypeLabel": [label for _, (_, label) in nodes],
        }
        write_star(self.folder / NODES_FILE, {"output_nodes": columns})


@contextmanager
def relion_job(folder: Path) -> Iterator[RelionJob]:
    """Keep RELION informed about what the block does.

    Args:
        folder: The job's folder.

    Yields:
        On leaving, its folder holds the marker of success, of failure when an error passes, or of
            an abortion when an interruption does.

    Raises:
        OutputError: When the folder cannot be written.
    """
    job = RelionJob(folder)
    job.begin()
    try:
        yield job
    except (KeyboardInterrupt, Interrupted):
        job.end(ABORTED)
        raise
    except BaseException:
        job.end(FAILURE)
        raise
    job.end(SUCCESS)


class WatchingProgress(Progress):
    """A display that stops the work, as Ctrl-C does, once a file has appeared.

    Args:
        display: Shows the progress.
        marker: The file; looked for at most once in `LOOK_INTERVAL_SECONDS`.
        clock: Returns seconds; tests bring their own.
    """

    def __init__(
        self, display: Progress, marker: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._display = display
        self._marker = marker
        self._clock = clock
        self._next_look = clock()

    @contextmanager
    def task(self, name: str, n_steps: int, *, at_most: bool = False) -> Iterator[Advance]:
        """Show a piece of work and look for the marker at its steps."""
        self._look()
        with self._display.task(name, n_steps, at_most=at_most) as advance:

            def watch(steps: int = 1, note: str = "") -> None:
                advance(steps, note)
                self._look()

            yield watch

    def observe(self, arrays: Mapping[str, AnyArray]) -> None:
        """Let the display see the state."""
        self._display.observe(arrays)

    def _look(self) -> None:
        if self._clock() < self._next_look:
            return
        self._next_look = self._clock() + LOOK_INTERVAL_SECONDS
        if self._marker.exists():
            raise KeyboardInterrupt
