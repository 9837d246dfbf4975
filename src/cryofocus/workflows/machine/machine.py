"""The machine a command computes on, as the user asks for it: it decides when, not what."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from cryofocus.errors import SettingError
from cryofocus.option import Option
from cryofocus.settings import Settings
from cryofocus.workflows.machine.cluster_choice import THIS_PROCESS, ClusterChoice, parse_cluster

SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+) *(?:([mgt])(i?)b?)?", re.IGNORECASE)
POWERS = {"m": 2, "g": 3, "t": 4}


def read_gigabytes(text: str) -> float:
    """Read a size in GB (10^9 bytes) or, where it says so, in MB, TB, GiB (2^30 bytes), ...

    Raises:
        ValueError: When it is none, or not above 0.
    """
    match = SIZE.fullmatch(text.strip())
    if match is None or float(match[1]) == 0:
        raise ValueError(text)
    power = POWERS[(match[2] or "g").lower()]
    return float(match[1]) * float(1024**power if match[3] else 1000**power) / 1e9


class Machine(Settings):
    """What computes, and how much of it. The device `reference` is the slow NumPy kernels.

    Attributes:
        device: Where to compute: `cpu`, or `cuda` for an NVIDIA GPU.
        threads: Processor threads. Default: all that this process may use.
        memory_gb: Memory limit in GB, such as 8 or 8GB. Maps are made a few at a time, and half
            sets in turns, to keep it; statistics beyond it are kept on disk. Default: three
            quarters of what the machine, a batch system or a container offers. With a cluster,
            memory and threads are those of each worker.
        memory_gpu_gb: Limit of GPU memory in GB. Default: most of what is free.
        cluster: Distribute the work over N processes of this machine (local:N), the workers of a
            Dask scheduler (tcp://host:8786), or SLURM jobs described in a file (FILE.yaml).
            Default: this process only; `none` overrides the cluster of a configuration file.

    Raises:
        SettingError: When the cluster is none that can be asked for, or its processes would share
            a GPU without being told how.
    """

    device: Annotated[Literal["cpu", "cuda", "reference"], Option(choices=("cpu", "cuda"))] = "cpu"
    threads: int | None = Field(default=None, ge=1)
    memory_gb: Annotated[
        float | None,
        Option(metavar="GB", read=read_gigabytes, expected="a size such as 8, 8GB or 500MB"),
    ] = Field(default=None, gt=0, allow_inf_nan=False)
    memory_gpu_gb: Annotated[float | None, Option(metavar="GB")] = Field(
        default=None, gt=0, allow_inf_nan=False
    )
    cluster: Annotated[str | None, Option(metavar="WHERE")] = None

    @field_validator("cluster")
    @classmethod
    def _other_processes(cls, value: str | None) -> str | None:
        """Take the word for this process for None."""
        return None if value == THIS_PROCESS else value

    @model_validator(mode="after")
    def _parts_of_a_shared_gpu(self) -> Machine:
        """Require that processes of one machine say how they share its GPU."""
        is_local = self.workers is not None and self.workers.kind == "local"
        if is_local and self.device == "cuda" and self.memory_gpu_gb is None:
            raise SettingError(
                f"memory_gpu: found none, but the workers of cluster {self.cluster} and this "
                "program share the GPU. Give what each of them may take with --memory-gpu."
            )
        return self

    @cached_property
    def workers(self) -> ClusterChoice | None:
        """The cluster, read and checked; None for this process."""
        return None if self.cluster is None else parse_cluster(self.cluster)

    @property
    def here(self) -> Machine:
        """The same without other processes."""
        return self.model_copy(update={"cluster": None})
