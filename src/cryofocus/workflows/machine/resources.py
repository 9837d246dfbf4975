"""What computes, chosen and ready."""

from __future__ import annotations

from dataclasses import dataclass

from cryofocus.errors import SettingError
from cryofocus.execution.contract import Executor
from cryofocus.execution.serial import HERE
from cryofocus.kernels.contract import SliceKernels
from cryofocus.kernels.select import available_threads, select_kernels
from cryofocus.workflows.machine.hardware import memory_bound_gb
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.run.job import Cluster


@dataclass(frozen=True, eq=False)
class Resources:
    """What computes.

    Attributes:
        kernels: Slice kernels of the device.
        threads: Of each process.
        memory_gb: Bound on each process's memory; None takes most of the machine's.
        executor: Where passes over the images are made and statistics stay.
        place: Where that is, for people.
        cluster: The workers, for the record; None in this process.
    """

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
    return Resources(
        choose_kernels(machine, threads, machine.memory_gb), threads, machine.memory_gb
    )


def choose_kernels(machine: Machine, threads: int, memory_gb: float | None) -> SliceKernels:
    """Return the slice kernels of the device, whose grids stay within the memory.

    Raises:
        SettingError: For too many threads, or memory of a GPU that is not used.
        DeviceError: When this machine cannot compute on a GPU.
    """
    bound_gb = memory_bound_gb(memory_gb)
    return select_kernels(machine.device, threads, machine.memory_gpu_gb, memory_gb=bound_gb)
