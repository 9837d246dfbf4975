"""The machine a command computes on, as the user asks for it: it decides when, not what."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cryofocus.errors import SettingError
from cryofocus.kernels.select import select_kernels
from cryofocus.workflows.machine.cluster_choice import THIS_PROCESS, parse_cluster


class Machine(BaseModel):
    """What computes, and how much of it.

    Attributes:
        device: "cpu", "cuda" (an NVIDIA GPU), or "reference" for the slow NumPy kernels.
        threads: None takes every processor this process may use.
        memory_gb: Bound on memory; statistics beyond it are kept on disk, while images and
            whole-box maps take what they need. None takes most of the machine's memory.
        memory_gpu_gb: Bound on memory of the GPU; None takes most of what is free there.
        cluster: Workers that do the work, see `parse_cluster`; threads and memory are then those
            of each worker. None computes in this process, and so does "none", which overrides the
            cluster of a configuration file.

    Raises:
        SettingError: When the cluster is none that can be asked for, or its processes would share
            a GPU without being told how.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Literal["cpu", "cuda", "reference"] = Field(
        default="cpu", description="What computes: the processor, or an NVIDIA GPU."
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        description="Processor threads; all this process may use if left out.",
    )
    memory_gb: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Memory to use at most, in GB; what exceeds it is kept on disk. Default: most "
        "of the machine's. With --cluster, of each worker.",
    )
    memory_gpu_gb: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Memory of the GPU to use at most, in GB. Default: most of what is free "
        "there.",
    )
    cluster: str | None = Field(
        default=None,
        description="Spread the work over N processes of this machine (local:N), over the workers "
        "of a Dask scheduler (tcp://host:8786), or over SLURM jobs that a file describes "
        "(FILE.yaml). Default: none, which is this process.",
    )

    @field_validator("cluster")
    @classmethod
    def _one_that_exists(cls, value: str | None) -> str | None:
        """Refuse a cluster that nobody knows; the word for this process stands for None."""
        if value is not None:
            parse_cluster(value)
        return None if value == THIS_PROCESS else value

    @model_validator(mode="after")
    def _parts_of_a_shared_gpu(self) -> Machine:
        """Require that processes of one machine say how they share its GPU."""
        is_local = self.cluster is not None and self.cluster.split(":")[0] == "local"
        if is_local and self.device == "cuda" and self.memory_gpu_gb is None:
            raise SettingError(
                f"memory_gpu: found none, but the workers of cluster {self.cluster} and this "
                "program share the GPU. Give what each of them may take with --memory-gpu."
            )
        return self

    @property
    def here(self) -> Machine:
        """The same without other processes."""
        return self.model_copy(update={"cluster": None})

    def require_device(self) -> None:
        """Refuse a device that is missing, before anything is read.

        Raises:
            DeviceError: When this machine cannot compute on a GPU.
            SettingError: For too many threads, or memory of a GPU that is not used.
        """
        select_kernels(self.device, self.threads, self.memory_gpu_gb)
