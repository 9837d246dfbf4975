"""Workers as jobs of SLURM: what it is asked for, and how dask-jobqueue submits them from here."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from cryofocus.calls import checked
from cryofocus.errors import ClusterError, FormatError, SettingError
from cryofocus.extras import install_command
from cryofocus.settings import Settings
from cryofocus.workflows.run.yaml_file import read_yaml

if TYPE_CHECKING:
    from dask_jobqueue import JobQueueCluster

# Times as sbatch takes them: minutes, minutes:seconds, hours:minutes:seconds, days-hours ...
WALLTIME = re.compile(r"(\d+-)?\d+(:\d+){0,2}|unlimited|infinite", re.IGNORECASE)
# Sizes as dask-jobqueue takes them, but not in bytes, which nobody means.
MEMORY = re.compile(r"(\d+(\.\d*)?) *[kmgtp]i?b?", re.IGNORECASE)
# Start of the name of the folder with the certificates of a run.
CERTIFICATES = ".cryofocus-certificates-"
WORKER_CLASS = "cryofocus.execution.private.QuietWorker"


class SlurmSettings(Settings):
    """What SLURM is asked for; names and meaning are those of dask-jobqueue's `SLURMCluster`.

    Attributes:
        workers: Jobs to submit, one worker each.
        cores: Processors of a job.
        memory: Of a job, such as 64GB or 64G (10^9 bytes each) or 64GiB (2^30).
        walltime: As sbatch takes it, such as 12:00:00 or 2-12; in quotes.
        queue: Partition; the site's default if left out.
        account: Account; the site's default if left out.
        interface: Network interface by which jobs reach this machine, such as ib0.
        job_extra_directives: Further lines of the job's header, such as --gres=gpu:1.
        job_script_prologue: Commands before the worker starts.
        python: Interpreter of the jobs; the one that runs now if left out.
        local_directory: Scratch folder of the jobs.
        log_directory: Where jobs write what they say.
        certificate_directory: Folder that jobs can read, in which certificates of the run are put
            into a folder of its user's alone while it lasts; the home folder if left out.
        wait_minutes: How long jobs may wait for their start, and the run for a worker when all are
            lost.
    """

    workers: int = Field(ge=1, strict=True)
    cores: int = Field(ge=1, strict=True)
    memory: str
    walltime: str = "24:00:00"
    queue: str | None = None
    account: str | None = None
    interface: str | None = None
    job_extra_directives: list[str] = Field(default_factory=list)
    job_script_prologue: list[str] = Field(default_factory=list)
    python: str | None = None
    local_directory: str | None = None
    log_directory: str | None = None
    certificate_directory: str | None = None
    wait_minutes: float = Field(default=60.0, gt=0, allow_inf_nan=False)

    @field_validator("walltime", mode="before")
    @classmethod
    def _is_a_time(cls, value: object) -> object:
        """Refuse what sbatch would, and numbers: YAML reads times without quotes as such."""
        if isinstance(value, str) and WALLTIME.fullmatch(value):
            return value
        raise ValueError(
            'hours:minutes:seconds or another time of sbatch in quotes, such as "12:00:00" '
            "(without quotes YAML reads 1:00:00 as the number 3600)"
        )

    @field_validator("memory", mode="before")
    @classmethod
    def _is_a_size(cls, value: object) -> object:
        """Refuse what dask-jobqueue would, nothing, and sizes without a unit."""
        match = MEMORY.fullmatch(value) if isinstance(value, str) else None
        if match and float(match[1]) > 0:
            return value
        raise ValueError("a size with its unit, such as 64GB, 64G or 64GiB")

    kind: ClassVar[Literal["slurm"]] = "slurm"
    advice: ClassVar[str] = (
        "See squeue, and what the jobs wrote to log_directory; or raise wait_minutes."
    )

    @property
    def wait_seconds(self) -> float:
        """How long workers may take to come, or to come back."""
        return 60 * self.wait_minutes

    @contextmanager
    def open(
        self, threads: int | None, configuration: Mapping[str, Any]
    ) -> Iterator[JobQueueCluster]:
        """Submit one job per worker; they are cancelled at the end.

        Args:
            threads: Not asked: jobs have `cores`.
            configuration: Dask's settings for the workers.

        Raises:
            ClusterError: When dask-jobqueue is missing, the settings do not fit this machine, or
                SLURM refuses.
        """
        del threads
        try:
            from dask_jobqueue.slurm import SLURMCluster
        except ImportError as error:
            raise ClusterError(
                "cluster: SLURM needs dask-jobqueue, which is not installed. Install it with: "
                f"{install_command('cluster')}"
            ) from error
        from cryofocus.execution.private import (
            PROTOCOL,
            QuietScheduler,
            make_certificates,
            store_certificates,
        )

        exports = [
            f"export DASK_{name.replace('.', '__').replace('-', '_').upper()}={value}"
            for name, value in configuration.items()
        ]
        own = {"workers", "wait_minutes", "job_script_prologue", "certificate_directory"}
        options = self.model_dump(exclude=own)
        if self.log_directory:
            _make_folder(Path(self.log_directory))
        security = make_certificates()
        with self._folder_of_certificates() as folder:
            store_certificates(security, folder)
            try:
                jobs = SLURMCluster(
                    **{**options, "python": self.python or sys.executable},
                    processes=1,
                    job_script_prologue=[*exports, *self.job_script_prologue],
                    worker_extra_args=["--worker-class", WORKER_CLASS, "--no-dashboard"],
                    scheduler_cls=QuietScheduler,
                    scheduler_options={"dashboard": False},
                    protocol=PROTOCOL,
                    security=security,
                    silence_logs=logging.CRITICAL,
                )
            except RuntimeError as error:
                raise ClusterError(
                    f"cluster: the scheduler of the jobs cannot start ({error}). Correct "
                    "interface in the file about SLURM, or leave it out."
                ) from error
            with jobs as cluster:
                _require_acceptance(cluster.job_script())
                cluster.scale(jobs=self.workers)
                yield cluster

    @contextmanager
    def _folder_of_certificates(self) -> Iterator[Path]:
        """Make a folder that only this user can read, for what jobs identify themselves by.

        Raises:
            ClusterError: When it cannot be made.
        """
        parent = Path(self.certificate_directory or "~")
        try:
            parent = parent.expanduser()
            folder = tempfile.TemporaryDirectory(prefix=CERTIFICATES, dir=parent.resolve())
        except (OSError, RuntimeError) as error:  # or there is no home folder
            reason = error.strerror if isinstance(error, OSError) else error
            raise ClusterError(
                f"{parent}: no folder for the certificates of the jobs can be made there "
                f"({reason}). Name a folder that jobs can read with certificate_directory "
                "in the file about SLURM."
            ) from error
        with folder as name:
            yield Path(name)


@checked
def read_slurm_settings(path: Path | str) -> SlurmSettings:
    """Read and check a SLURM file.

    Raises:
        FormatError: When it cannot be read, is no YAML, or names or values are not those of
            `SlurmSettings`.
    """
    path = Path(path)
    values = read_yaml(path, "Correct it.")
    known = ", ".join(SlurmSettings.model_fields)
    if not isinstance(values, dict):
        raise FormatError(f"{path}: holds no names and values; expected some of {known}.")
    try:
        return SlurmSettings(**{str(name): value for name, value in values.items()})
    except SettingError as error:
        end = "" if str(error).endswith("?") else "."
        raise FormatError(
            f"{path}: {error}{end} Correct the file; it may hold {known}."
        ) from error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClusterError(
            f"{path}: cannot be made ({error.strerror}). Correct log_directory in the file about "
            "SLURM."
        ) from error


def _require_acceptance(script: str) -> None:
    """Ask SLURM whether it would take a job, since a refusal later would go unnoticed."""
    try:
        answer = subprocess.run(
            ["sbatch", "--test-only"], input=script, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise ClusterError(
            "cluster: sbatch was not found. Start this on a machine from which jobs are submitted "
            "to SLURM."
        ) from error
    if answer.returncode:
        raise ClusterError(
            f"cluster: SLURM refuses the job ({answer.stderr.strip()}). See whether sinfo "
            "answers here, and correct the file."
        )
