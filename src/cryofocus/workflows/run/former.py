"""A run that is being replaced, kept until the one that replaces it is finished."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryofocus.data.atomic import explain_write_errors
from cryofocus.errors import Interrupted
from cryofocus.workflows.run.files import FORMER_NAME, LOCK_NAME, RunFiles, is_run_file

# Either of them makes a directory a run that can be used or resumed.
_PROOFS = (RunFiles.checkpoint.name, RunFiles.job.name)
_STAY = (LOCK_NAME, RunFiles.readme.name)
# Folders that the search for a region makes.
OF_SEARCH = (RunFiles.variance.name, RunFiles.regions.name)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FormerRun:
    """The files of a former run, in a hidden folder of the run directory.

    Whoever calls a method holds the directory's lock, so that a folder that is found was left by
    a process that was killed. Files are moved one by one, in such an order that a process killed
    between any two of them leaves what `settle` brings to an end: all of the former run is back in
    its place, or a run that replaces it is there. While that one is unfinished, both are there.

    Attributes:
        run: The run directory.
    """

    run: Path

    @property
    def folder(self) -> Path:
        """Where the files are kept."""
        return self.run / FORMER_NAME

    @contextmanager
    def replaced(self, *, by_search: bool = False) -> Iterator[None]:
        """Move the files of a run aside, and back if the block fails before it can be resumed.

        Files that cryofocus did not write stay. Of an unfinished run that was replacing another,
        it is the other that is kept.

        Args:
            by_search: Whether the new run has searched for its region: its folders lie there.

        Raises:
            Interrupted: As the block, saying that the former run is as it was where it is.
            OutputError: When files cannot be moved.
        """
        with explain_write_errors(self.run):
            self.bring_back()
            self._move_aside(() if by_search else OF_SEARCH)
        try:
            yield
        except Interrupted as interruption:
            if self._is_wanted() and any(self.folder.iterdir()):
                raise Interrupted(
                    f"{self.run}: stopped before anything of the new run could be kept; the "
                    "former run is as it was. Start again with --overwrite to replace it."
                ) from interruption
            raise
        finally:
            self.settle()
            self._tell()

    @contextmanager
    def finished(self) -> Iterator[None]:
        """Delete the former run if the block finishes the one that replaces it.

        Raises:
            OutputError: When files cannot be deleted.
        """
        try:
            yield
        finally:
            self.settle()
            self._tell()

    def settle(self) -> None:
        """Put a former run back, or delete it if the run that replaces it is finished.

        While that can be resumed, both stay.

        Raises:
            OutputError: When files cannot be moved or deleted.
        """
        if not self.folder.is_dir():
            return
        with explain_write_errors(self.run):
            if self._is_wanted():
                # Of a run that is finished nobody needs the checkpoint: it comes last.
                rank = [RunFiles.job.name, RunFiles.checkpoint.name]
                files = sorted(
                    self.folder.iterdir(),
                    key=lambda file: rank.index(file.name) if file.name in rank else -1,
                )
                for file in files:
                    file.rename(self.run / file.name)
            elif not (self.run / RunFiles.job.name).is_file():
                return
            shutil.rmtree(self.folder)

    def bring_back(self) -> None:
        """Give up an unfinished run for the one that it was to replace, if there is one."""
        if self.folder.is_dir():
            (self.run / RunFiles.checkpoint.name).unlink(missing_ok=True)
            self.settle()

    def say_kept(self) -> str:
        """Say where the former run is while both are there; nothing if it is not."""
        if not self.folder.is_dir():
            return ""
        return (
            f"The run that it replaces is kept in {self.folder} until then; to have that back "
            f"instead, delete {self.run / RunFiles.checkpoint.name}."
        )

    def _tell(self) -> None:
        if said := self.say_kept():
            logger.info("%s: this run is unfinished. %s", self.run, said)

    def _is_wanted(self) -> bool:
        return not any((self.run / name).is_file() for name in _PROOFS)

    def _move_aside(self, folders: Sequence[str] = ()) -> None:
        self.folder.mkdir()
        files = [
            file
            for file in sorted(self.run.iterdir())
            if is_run_file(file.name) and file.name not in _STAY
            if not file.is_dir() or file.name in folders
        ]
        for file in sorted(files, key=lambda file: file.name not in _PROOFS):
            file.rename(self.folder / file.name)
