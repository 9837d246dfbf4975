"""The directory a run writes: safe to create, to fill, to kill and to resume.

A workflow uses it like this, after all input has been validated::

    directory = RunDirectory.create(path, overwrite=overwrite, resume=resume)
    with (
        directory.locked(),
        directory.replacing(overwrite=overwrite),
        record_log(directory.log) as warnings,
    ):
        checkpoint = Checkpoint(directory.checkpoint, fingerprint_run(settings, inputs))
        state = checkpoint.load()                           # None for a new run
        ...
        checkpoint.save(arrays)                             # every cycle
        ...
        write_array(directory.posteriors, posteriors)
        directory.write_job(record)                         # last: marks the run as finished
        directory.remove_states()
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from cryofocus.calls import checked
from cryofocus.complaints import say_neighbour
from cryofocus.data.atomic import explain_write_errors, is_temporary, sweep
from cryofocus.data.formats import table_suffixes
from cryofocus.errors import FormatError, InputError, OutputError, RegionError, SettingError
from cryofocus.workflows.run import files as run_files
from cryofocus.workflows.run.claims import is_claim
from cryofocus.workflows.run.former import FormerRun
from cryofocus.workflows.run.job import JobRecord
from cryofocus.workflows.run.lock import hold_lock
from cryofocus.workflows.run.reading import read_numbers
from cryofocus.workflows.run.writing import write_text

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunDirectory(run_files.RunFiles):
    """Paths and writers of one run directory.

    Build it with `create` (to fill it) or `open` (to read it). Every writer replaces its file in
    one step, so that a reader never sees half a file, and raises ``OutputError`` when the disk is
    full or the place is not writable.
    """

    path: Path

    @classmethod
    @checked
    def create(
        cls, path: Path | str, *, overwrite: bool = False, resume: bool = False
    ) -> RunDirectory:
        """Make a new run directory, or take an existing one for resuming or replacing.

        Call it after all input has been validated. The files of a run that is there stay until
        `replacing`.

        Args:
            path: Where; parents are made as needed. A missing or empty directory is always fine.
            overwrite: Replace an existing run.
            resume: Continue the run that is there.

        Returns:
            With README.txt written, which marks it as ours from its first moment.

        Raises:
            OutputError: When the path is taken and neither option was given, when what is there is
                not a run of cryofocus, when another process is writing there, or when it cannot be
                made.
            SettingError: When both options were given.
        """
        path = Path(path)
        cls.require_usable(path, overwrite=overwrite, resume=resume)
        if resume and not path.exists():
            # Scripts may always say it; but whoever misspelt a name should know at once.
            logger.warning(
                "%s: nothing to resume, there is no such directory; a new run starts. %s",
                *(path, say_neighbour(path)),
            )
        directory = cls(path)
        with explain_write_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        with hold_lock(directory.lock_file), explain_write_errors(path):
            sweep(path)
        write_text(directory.readme, run_files.readme_text())
        return directory

    @classmethod
    @checked
    def require_usable(
        cls, path: Path | str, *, overwrite: bool = False, resume: bool = False
    ) -> None:
        """Raise what `create` would, before input is read.

        A former run that a killed process had moved aside is put back; nothing else is touched.
        """
        path = Path(path)
        if overwrite and resume:
            raise SettingError(
                f"{path}: --overwrite and --resume exclude each other. Use --resume to finish the "
                "run that is there, --overwrite to replace it."
            )
        if path.exists():
            cls(path)._settle_former()
            cls(path)._refuse_unusable(overwrite=overwrite, resume=resume)

    @classmethod
    @checked
    def open(cls, path: Path | str) -> RunDirectory:
        """Take an existing run directory for reading.

        Nothing on disk is changed, but that a run which a killed process was replacing is put
        back.

        Raises:
            FormatError: When there is no such directory or it is not a run of cryofocus.
        """
        path = Path(path)
        directory = cls(path)
        if path.is_file():
            where = path.parent
            meant = f": {where}" if cls(where).is_ours() else " that was named with -o"
            raise FormatError(f"{path}: a file, no directory. Give the run directory{meant}.")
        if not path.is_dir():
            raise FormatError(
                f"{path}: no such directory. Give the run directory that was named with -o. "
                f"{say_neighbour(path)}".rstrip()
            )
        with suppress(OutputError):  # another process writes here, or nobody may
            directory._settle_former()
        if not directory.is_ours():
            page = directory.report
            known = f"The result in it has its page, {page}. " if page.is_file() else ""
            raise FormatError(
                f"{path}: not a run of cryofocus (it holds neither {directory.job.name} nor "
                f"{directory.checkpoint.name}). {known}Give the directory that classify wrote; "
                "to make one: cryofocus classify TABLE --focus X,Y,Z,R --classes 2 -o RUN"
            )
        return directory

    def _refuse_unusable(self, *, overwrite: bool, resume: bool) -> None:
        """Stop when what is at the path must not be written to."""
        if not self.path.is_dir():
            raise OutputError(f"{self.path}: exists and is a file. Choose another place with -o.")
        # A process that was killed as it began leaves no more than these.
        names = [file.name for file in self.path.iterdir()]
        if all(is_claim(name) or is_temporary(name) for name in names):
            return
        if not self.is_ours():
            raise OutputError(
                f"{self.path}: exists and was not written by cryofocus, so nothing in it is "
                "touched. Choose another place with -o."
            )
        if not (overwrite or resume):
            if self.job.exists():
                state, ways = "a finished run", "Use --overwrite to replace it"
            else:
                if self.lock_file.exists():
                    with hold_lock(self.lock_file):
                        pass  # no process that is at it, or that would have been said
                state = "an unfinished run"
                ways = "Use --resume to finish it, --overwrite to replace it"
            kept = FormerRun(self.path).say_kept()
            raise OutputError(
                f"{self.path}: exists and holds {state}. {ways}, or choose another place with -o. "
                f"{kept}".rstrip()
            )

    def is_ours(self) -> bool:
        """Whether cryofocus made this directory: its job, checkpoint or README is there."""
        if self.job.is_file() or self.checkpoint.is_file():
            return True
        if not self.readme.is_file():
            return False
        return self.readme.read_text(errors="replace").startswith(run_files.README_TITLE)

    def _settle_former(self) -> None:
        """Put back what a process that was killed had moved aside for a new run."""
        former = FormerRun(self.path)
        if former.folder.is_dir():
            with hold_lock(self.lock_file):
                former.settle()

    def replacing(
        self, *, overwrite: bool, by_search: bool = False
    ) -> AbstractContextManager[None]:
        """Keep the run that is replaced, if any, until the one that replaces it is finished.

        Whatever ends the block before it has a state to resume from, the former run is there as
        it was; after that it stays beside the unfinished one.

        Args:
            overwrite: Whether one is replaced.
            by_search: Whether the new run has searched for its region: its folders lie there.

        Raises:
            OutputError: When files cannot be moved.
        """
        former = FormerRun(self.path)
        return former.replaced(by_search=by_search) if overwrite else former.finished()

    @contextmanager
    def forgotten_when_refused(
        self, *, is_new: bool, refusals: tuple[type[InputError], ...] = (RegionError, SettingError)
    ) -> Iterator[None]:
        """Remove a new directory again when what was asked is refused before anything is kept.

        There is nothing to resume then, and the corrected command is free to use the name.

        Args:
            is_new: Whether the directory is new.
            refusals: Of what: by default of region and settings.
        """
        try:
            yield
        except refusals:
            if is_new and not (self.checkpoint.is_file() or self.search.is_file()):
                for file in self.path.iterdir():
                    if run_files.is_run_file(file.name) and not file.is_dir():
                        file.unlink()
                with suppress(OSError):  # something else lies there
                    self.path.rmdir()
            raise

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes out while a ``with`` block writes here.

        Raises:
            OutputError: On entering, when another living process is writing here. The lock of a
                process that was killed is taken over.
        """
        return hold_lock(self.lock_file)

    # ------------------------------------------------------------ writing

    def write_job(self, record: JobRecord) -> None:
        """Write job.json; its presence says that the run is finished, so write it last."""
        record.write(self.job)

    def remove_states(self) -> None:
        """Delete what an unfinished run is resumed from, once it has finished.

        Raises:
            OutputError: No permission.
        """
        with explain_write_errors(self.path):
            self.checkpoint.unlink(missing_ok=True)
            self.search.unlink(missing_ok=True)

    def read_job(self) -> JobRecord:
        """Read job.json back, checked against the schema.

        Raises:
            FormatError: When the run is unfinished, or the file is damaged or lacks something,
                saying what.
        """
        if not self.job.is_file():
            raise FormatError(
                f"{self.path}: this run is unfinished ({self.job.name} is missing). Finish it "
                f"with cryofocus classify --resume. {FormerRun(self.path).say_kept()}".rstrip()
            )
        return JobRecord.read(self.job)

    def read_posteriors(self, n_particles: int) -> Float32[np.ndarray, "particle n_classes"]:
        """Read the class posteriors of a finished run, of so many particles.

        Raises:
            FormatError: When the run is unfinished, or the file is missing, damaged or contradicts
                job.json or this number.
        """
        return read_numbers(self.posteriors, (n_particles, self.read_job().n_classes))

    def read_outliers(self, n_particles: int) -> Float32[np.ndarray, " particle"]:
        """Read how far the image of each of so many particles is from showing the consensus.

        Raises:
            FormatError: When the run did not measure it, or the file is damaged or contradicts
                this number.
        """
        if not self.outliers.is_file():
            raise FormatError(
                f"{self.path}: holds no {self.outliers.name}, so this run did not look for "
                "outliers; older versions of cryofocus did not. Run the classification again with "
                "--overwrite, or leave --max-outlier out."
            )
        return read_numbers(self.outliers, (n_particles,))

    # ------------------------------------------------------------ paths

    def class_map(self, class_number: int) -> Path:
        """Map of a class, counted from 1."""
        return self.path / run_files.class_map_name(class_number)

    def half_map(self, class_number: int, half_set: int) -> Path:
        """Half map of a class; both counted from 1."""
        return self.path / run_files.half_map_name(class_number, half_set)

    def control_map(self, class_number: int) -> Path:
        """Map from equally many particles drawn at random; classes count from 1."""
        return self.path / run_files.control_map_name(class_number)

    @property
    def particles(self) -> Path:
        """Particle table with the classes added, in the format of the table that was read."""
        paths = [self.particles_as(suffix) for suffix in table_suffixes()]
        return next((path for path in paths if path.is_file()), paths[0])

    def particles_as(self, suffix: str) -> Path:
        """Particle table of the format whose files end so."""
        return self.path / run_files.table_name(suffix)

    @property
    def lock_file(self) -> Path:
        """Held by the process that writes here."""
        return self.path / run_files.LOCK_NAME
