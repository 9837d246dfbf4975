"""Clusters: the only place where workers are started or reached."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryofocus.errors import ClusterError
from cryofocus.execution.contract import Executor
from cryofocus.execution.serial import HERE
from cryofocus.kernels.select import available_threads
from cryofocus.workflows.cluster_choice import (
    ClusterChoice,
    LocalWorkers,
    SchedulerAddress,
    SlurmSettings,
    parse_cluster,
)

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

# A scheduler that is there answers at once.
CONNECT_SECONDS = 10
# What decides whether functions and what they return mean the same at both ends.
PACKAGES = ("cryofocus", "numpy", "numba", "distributed")
# Of a worker's memory, what statistics may take: images and maps need room as well, and a worker
# that comes close to its limit is killed.
STATISTICS_SHARE = 0.5
# Statistics that exceed memory are kept on disk by us (--memory); Dask, which does not know which
# of them are, must neither move them to disk again nor stop a worker that holds many. And tasks
# last seconds: looking at workers fifty times a second would take a tenth of a cycle.
WORKER_CONFIGURATION: dict[str, Any] = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.monitor-interval": "500ms",
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
}
# Particle tables travel with the tasks, so that lost ranges can be read again; and what every
# worker has been given is not to be taken away from some of them.
SCHEDULER_CONFIGURATION: dict[str, Any] = {
    "distributed.admin.large-graph-warning-threshold": "1TB",
    "distributed.scheduler.active-memory-manager.start": False,
}


@dataclass(frozen=True)
class Resources:
    """What computes.

    Attributes
    ----------
    executor : where passes over the images are made and statistics stay.
    threads : of each process.
    memory_gb : bound on each process's memory; None takes most of the machine's.
    place : where that is, for people.
    """

    executor: Executor
    threads: int
    memory_gb: float | None
    place: str = "this process"


@contextmanager
def open_resources(
    cluster: str | None, threads: int | None = None, memory_gb: float | None = None
) -> Iterator[Resources]:
    """Start or reach what computes, and end what was started.

    Parameters
    ----------
    cluster : None for this process; "local" or "local:N" for worker processes on this machine;
        the address of a Dask scheduler; or a YAML file with `SlurmSettings`.
    threads : of each process; None takes what it has.
    memory_gb : bound on each process's memory; None takes what suits it.

    Raises
    ------
    InputError
        When `cluster` is none of these.
    ClusterError
        When Dask is missing, nothing answers or starts, or workers run other versions.
    """
    if cluster is None:
        yield Resources(HERE, threads or available_threads(), memory_gb)
        return
    choice = parse_cluster(cluster)
    try:
        import dask
        from distributed import Client

        from cryofocus.execution.dask import WAIT_SECONDS, Dask
    except ImportError as error:
        raise ClusterError(
            f"cluster: needs Dask, which is not installed ({error.name}). Install it with "
            "'pip install cryofocus[cluster]', or leave --cluster out."
        ) from error
    with (
        dask.config.set({**WORKER_CONFIGURATION, **SCHEDULER_CONFIGURATION}),
        _open_cluster(choice, threads) as cluster_or_address,
        _connect(Client, cluster_or_address) as client,
    ):
        _require_workers(client, choice)
        if faults := find_version_faults(client.get_versions(packages=list(PACKAGES))):
            raise ClusterError(
                f"{cluster}: {'; '.join(faults)}. Workers must run the same versions: start them "
                "from the environment of this program."
            )
        # Some versions tell of five workers unless asked for all.
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        smallest = min(worker["nthreads"] for worker in workers)
        limits = [worker["memory_limit"] for worker in workers if worker["memory_limit"]]
        if memory_gb is None and limits:
            memory_gb = STATISTICS_SHARE * min(limits) / 1e9
        threads = threads or smallest
        place = f"{len(workers)} workers of {client.scheduler.address}, {threads} threads each"
        if isinstance(choice, LocalWorkers):
            client.run(_leave_interrupts)
        patience = 60 * choice.wait_minutes if isinstance(choice, SlurmSettings) else WAIT_SECONDS
        yield Resources(Dask(client, patience), threads, memory_gb, place)


def _leave_interrupts() -> None:
    """Leave Ctrl-C, which a terminal sends to all processes, to the one that was started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def find_version_faults(versions: Mapping[str, Any]) -> list[str]:
    """Return where scheduler or workers run other versions than this process.

    Parameters
    ----------
    versions : as `distributed.Client.get_versions` returns them.
    """
    here = _versions(versions["client"])
    there = {"the scheduler": versions["scheduler"], **versions["workers"]}
    faults = []
    for place, answer in there.items():
        found = _versions(answer)
        different = [
            f"{name} {found[name] or 'missing'} instead of {here[name]}"
            for name in here
            if found[name] != here[name]
        ]
        if different:
            faults.append(f"{place} has {', '.join(different)}")
    return faults


def _versions(answer: Mapping[str, Any]) -> dict[str, str | None]:
    packages = answer["packages"]
    python = ".".join(str(packages["python"]).split(".")[:2])
    return {"Python": python, **{name: packages.get(name) for name in PACKAGES}}


@contextmanager
def _open_cluster(choice: ClusterChoice, threads: int | None) -> Iterator[Any]:
    """Start what is to be started; yield a cluster of Dask's, or an address."""
    if isinstance(choice, SchedulerAddress):
        yield choice.address
    elif isinstance(choice, LocalWorkers):
        from distributed import LocalCluster

        n = choice.n_workers
        if threads is None and n is not None:
            threads = max(1, available_threads() // n)
        with LocalCluster(
            n_workers=n,
            threads_per_worker=threads,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster:
            yield cluster
    else:
        with _submit_jobs(choice) as cluster:
            yield cluster


@contextmanager
def _submit_jobs(settings: SlurmSettings) -> Iterator[Any]:
    """Submit a job a worker; they are cancelled at the end."""
    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise ClusterError(
            "cluster: SLURM needs dask-jobqueue, which is not installed. Install it with "
            "'pip install cryofocus[cluster]'."
        ) from error
    exports = [
        f"export DASK_{name.replace('.', '__').replace('-', '_').upper()}={value}"
        for name, value in WORKER_CONFIGURATION.items()
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


@contextmanager
def _connect(make: type[Client], target: Any) -> Iterator[Client]:
    with warnings.catch_warnings():
        # Versions are compared below, to one message.
        warnings.simplefilter("ignore")
        try:
            client = make(target, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"{target}: no Dask scheduler answers ({error}). Start one with 'dask scheduler' "
                "and workers with 'dask worker ADDRESS', or correct the address."
            ) from error
    with client:
        yield client


def _require_workers(client: Client, choice: ClusterChoice) -> None:
    """Wait until there are workers."""
    if isinstance(choice, SlurmSettings):
        n, seconds = choice.workers, 60 * choice.wait_minutes
    else:
        n, seconds = 1, CONNECT_SECONDS
    try:
        client.wait_for_workers(n, timeout=seconds)
    except TimeoutError as error:
        found = len(client.nthreads())
        if found:
            logger.warning("only %d of %d workers started; going on with these", found, n)
            return
        raise ClusterError(
            f"{client.scheduler.address}: no worker within {seconds:g} seconds. "
            + (
                "See squeue, and what the jobs wrote to log_directory; or raise wait_minutes."
                if isinstance(choice, SlurmSettings)
                else "Start some with 'dask worker ADDRESS'."
            )
        ) from error
