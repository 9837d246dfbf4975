"""Workers as jobs of SLURM, submitted by dask-jobqueue from this machine."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryofocus.errors import ClusterError
from cryofocus.workflows.machine.cluster_choice import SlurmSettings

if TYPE_CHECKING:
    from dask_jobqueue import JobQueueCluster


@contextmanager
def submit_jobs(
    settings: SlurmSettings, worker_configuration: Mapping[str, Any]
) -> Iterator[JobQueueCluster]:
    """Submit a job a worker; they are cancelled at the end.

    Args:
        settings: What SLURM is asked for.
        worker_configuration: Settings of Dask's for the workers.

    Raises:
        ClusterError: When dask-jobqueue is missing, the settings do not fit this machine, or SLURM
            refuses.
    """
    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise ClusterError(
            "cluster: SLURM needs dask-jobqueue, which is not installed. Install it with "
            "'pip install cryofocus[cluster]'."
        ) from error
    exports = [
        f"export DASK_{name.replace('.', '__').replace('-', '_').upper()}={value}"
        for name, value in worker_configuration.items()
    ]
    options = settings.model_dump(exclude={"workers", "wait_minutes", "job_script_prologue"})
    if settings.log_directory:
        _make_folder(Path(settings.log_directory))
    try:
        jobs = SLURMCluster(
            **{**options, "python": settings.python or sys.executable},
            processes=1,
            job_script_prologue=[*exports, *settings.job_script_prologue],
            scheduler_options={"dashboard_address": ":0"},
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:
        raise ClusterError(
            f"cluster: the scheduler of the jobs cannot start ({error}). Correct interface in the "
            "file about SLURM, or leave it out."
        ) from error
    with jobs as cluster:
        _require_acceptance(cluster.job_script())
        cluster.scale(jobs=settings.workers)
        yield cluster


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
