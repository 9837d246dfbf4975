"""Clusters: the only place where workers are started or reached (for SLURM, with its jobs)."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cryofocus.errors import ClusterError
from cryofocus.execution.contract import Executor
from cryofocus.extras import install_command
from cryofocus.workflows.machine.cluster_choice import ClusterChoice
from cryofocus.workflows.run.job import Cluster, Worker

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

# A scheduler that is there answers at once.
CONNECT_SECONDS = 10
# What decides whether functions and what they return mean the same at both ends.
PACKAGES = ("cryofocus", "numpy", "numba", "distributed")
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


@contextmanager
def open_workers(
    choice: ClusterChoice, threads: int | None
) -> Iterator[tuple[Executor, Cluster, str]]:
    """Start or reach workers, require that they can do the work, and end what was started.

    Args:
        choice: Where they are.
        threads: Of each worker; None takes what it has.

    Yields:
        What spreads work over them, a record of them, and where they are, for people.

    Raises:
        ClusterError: When Dask is missing, nothing answers or starts, or workers run other
            versions.
    """
    try:
        import dask
        from distributed import Client

        from cryofocus.execution.dask import WAIT_SECONDS, Dask
    except ImportError as error:
        raise ClusterError(
            f"cluster: needs Dask, which is not installed ({error.name}). Leave "
            f"--cluster out, or install it with: {install_command('cluster')}"
        ) from error
    with (
        dask.config.set({**WORKER_CONFIGURATION, **SCHEDULER_CONFIGURATION}),
        choice.open(threads, WORKER_CONFIGURATION) as cluster_or_address,
        _connect(Client, cluster_or_address) as client,
    ):
        _require_workers(client, choice)
        if faults := find_version_faults(client.get_versions(packages=list(PACKAGES))):
            raise ClusterError(
                f"{client.scheduler.address}: {'; '.join(faults)}. Workers must run the same "
                "versions: start them from the environment of this program."
            )
        if choice.kind == "local":
            client.run(_leave_interrupts)
        # Some versions tell of five workers unless asked for all.
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        found = describe_cluster(choice, workers, threads)
        place = f"{found.n_workers} workers of {client.scheduler.address}"
        # One that has gone since it was started here comes back, and its part is kept for it.
        n_ranges = found.n_workers
        if choice.kind == "local":
            n_ranges = max(n_ranges, choice.workers or 0)
        yield Dask(client, n_ranges, choice.wait_seconds or WAIT_SECONDS), found, place


def describe_cluster(
    choice: ClusterChoice, workers: Iterable[Mapping[str, Any]], threads: int | None = None
) -> Cluster:
    """Record which workers there are; names, folders and addresses stay out of it.

    Args:
        choice: What was asked for.
        workers: As `distributed.Client.scheduler_info` describes them.
        threads: Of each worker; None takes as many as the one with the fewest has.

    Raises:
        ClusterError: When there are none.
    """
    found = [
        Worker(
            host=one["host"],
            threads=one["nthreads"],
            memory_limit_gb=one["memory_limit"] / 1e9 if one["memory_limit"] else None,
        )
        for one in workers
    ]
    if not found:
        raise ClusterError(
            "cluster: all workers ended as soon as they had started. Mostly the system refuses "
            "them memory or processes (ulimit -v, ulimit -u, --mem of a batch system): raise the "
            "limit, use fewer workers (--cluster local:1), or leave --cluster out."
        )
    return Cluster(
        kind=choice.kind,
        n_workers=len(found),
        threads=threads or min(one.threads for one in found),
        workers=tuple(sorted(found, key=lambda one: one.host)),
    )


def _leave_interrupts() -> None:
    """Leave Ctrl-C, which a terminal sends to all processes, to the one that was started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def find_version_faults(versions: Mapping[str, Any]) -> list[str]:
    """Return where scheduler or workers run other versions than this process.

    Args:
        versions: As `distributed.Client.get_versions` returns them.
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
    n, seconds = choice.workers or 1, choice.wait_seconds or CONNECT_SECONDS
    try:
        client.wait_for_workers(n, timeout=seconds)
    except TimeoutError as error:
        found = len(client.nthreads())
        if found:
            logger.warning("only %d of %d workers started; going on with these", found, n)
            return
        raise ClusterError(
            f"{client.scheduler.address}: no worker within {seconds:g} seconds. {choice.advice}"
        ) from error
