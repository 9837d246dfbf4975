"""What computes, chosen and ready."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cryofocus.errors import SettingError
from cryofocus.execution.contract import Executor
from cryofocus.execution.serial import HERE
from cryofocus.kernels.contract import SliceKernels
from cryofocus.kernels.select import available_threads, select_kernels
from cryofocus.workflows.machine.cluster import open_workers
from cryofocus.workflows.machine.hardware import memory_bound_gb
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.run.job import Cluster

# Of a worker's memory, what statistics may take: images and maps need room as well, and a worker
# that comes close to its limit is killed.
STATISTICS_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Resources:
    """What computes.

    Attributes:
        machine: What was asked for.
        kernels: Slice kernels of the device.
        threads: Of each process.
        memory_gb: Bound on each process's memory; None takes most of the machine's.
        executor: Where passes over the images are made and statistics stay.
        place: Where that is, for people.
        cluster: The workers, for the record; None in this process.
    """

    machine: Machine
    kernels: SliceKernels
    threads: int
    memory_gb: float | None
    executor: Executor = HERE
    place: str = "this process"
    cluster: Cluster | None = None


def use_process(machine: Machine | None = None) -> Resources:
    """Compute in this process: choose the device, and refuse one that is missing.

    Args:
        machine: What the user asks for; the processors of this process if left out.

    Raises:
        SettingError: When the device cannot be used as asked, or a cluster is asked for, which
            only a classification can spread its work over.
        DeviceError: When this machine cannot compute on a GPU.
    """
    machine = machine or Machine()
    if machine.cluster is not None:
        raise SettingError(
            f"cluster: found {machine.cluster}, but only a classification spreads its work over "
            "workers. Leave it out."
        )
    threads = machine.threads or available_threads()
    kernels = choose_kernels(machine, threads, machine.memory_gb)
    return Resources(machine, kernels, threads, machine.memory_gb)


@contextmanager
def open_machine(machine: Machine | None = None) -> Iterator[Resources]:
    """Choose the device, start or reach what computes, and end what was started.

    Args:
        machine: What the user asks for; the processors of this process if left out.

    Raises:
        SettingError: When the device cannot be used as asked.
        DeviceError: When the device is missing.
        ClusterError: When Dask is missing, nothing answers or starts, or workers run other
            versions.
    """
    if machine is None or machine.workers is None:
        yield use_process(machine)
        return
    with open_workers(machine.workers, machine.threads) as (executor, cluster, place):
        memory_gb, threads = machine.memory_gb, cluster.threads
        limits = [
            one.memory_limit_gb for one in cluster.workers if one.memory_limit_gb is not None
        ]
        if memory_gb is None and limits:
            memory_gb = STATISTICS_SHARE * min(limits)
        kernels = choose_kernels(machine, threads, memory_gb)
        place = f"{place}, {threads} thread{'' if threads == 1 else 's'} each"
        yield Resources(machine, kernels, threads, memory_gb, executor, place, cluster)


def choose_kernels(machine: Machine, threads: int, memory_gb: float | None) -> SliceKernels:
    """Return the slice kernels of the device, whose grids stay within the memory.

    Raises:
        SettingError: For too many threads, or memory of a GPU that is not used.
        DeviceError: When this machine cannot compute on a GPU.
    """
    bound_gb = memory_bound_gb(memory_gb)
    return select_kernels(machine.device, threads, machine.memory_gpu_gb, memory_gb=bound_gb)
