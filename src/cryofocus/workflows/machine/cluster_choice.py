"""Which cluster a user asks for: one word, an address, or a file about SLURM."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from cryofocus.errors import SettingError
from cryofocus.kernels.select import available_threads
from cryofocus.workflows.machine.slurm_jobs import read_slurm_settings

logger = logging.getLogger(__name__)

THIS_PROCESS = "none"
LOCAL = re.compile(r"local(?::([1-9][0-9]*))?")
ADDRESS = re.compile(r"(tcp|tls|ucx)://.+:[0-9]+")


@runtime_checkable
class ClusterChoice(Protocol):
    """One kind of cluster: how its workers are started or reached."""

    @property
    def kind(self) -> Literal["local", "scheduler", "slurm"]:
        """What job.json calls it."""

    @property
    def workers(self) -> int | None:
        """How many workers are waited for; None goes on with the first."""

    @property
    def wait_seconds(self) -> float | None:
        """How long workers may take to come; None: they are there."""

    @property
    def advice(self) -> str:
        """What to do when none comes."""

    def open(self, threads: int | None, configuration: Mapping[str, Any]) -> Any:
        """Start what is to be started; give a context with a cluster of Dask's, or an address."""


@dataclass(frozen=True)
class SchedulerAddress:
    """A Dask scheduler that the user runs."""

    address: str

    kind: ClassVar[Literal["scheduler"]] = "scheduler"
    workers: ClassVar[None] = None
    wait_seconds: ClassVar[None] = None
    advice: ClassVar[str] = "Start some with 'dask worker ADDRESS'."

    @contextmanager
    def open(self, threads: int | None, configuration: Mapping[str, Any]) -> Iterator[str]:
        """Start nothing."""
        del threads, configuration
        encrypted = "" if self.address.startswith("tls:") else ", as can whoever reaches its port"
        logger.info(
            "%s: whoever runs this scheduler can run code as you in this program and in the "
            "workers%s",
            *(self.address, encrypted),
        )
        yield self.address


@dataclass(frozen=True)
class LocalWorkers:
    """Worker processes on this machine; None lets their number follow from its processors."""

    n_workers: int | None

    kind: ClassVar[Literal["local"]] = "local"
    wait_seconds: ClassVar[None] = None
    advice: ClassVar[str] = SchedulerAddress.advice

    @property
    def workers(self) -> int | None:
        """How many were asked for."""
        return self.n_workers

    @contextmanager
    def open(self, threads: int | None, configuration: Mapping[str, Any]) -> Iterator[Any]:
        """Start processes; the configuration is that of this one."""
        del configuration
        from cryofocus.execution.private import private_cluster

        if threads is None and self.n_workers is not None:
            threads = max(1, available_threads() // self.n_workers)
        with private_cluster(self.n_workers, threads) as cluster:
            yield cluster


def parse_cluster(text: str) -> ClusterChoice:
    """Read what `--cluster` says; a SLURM file is read and checked.

    Raises:
        SettingError: When it is none of the five.
        FormatError: When the file cannot be read or its values make no sense.
    """
    if match := LOCAL.fullmatch(text):
        return LocalWorkers(int(match[1]) if match[1] else None)
    if ADDRESS.fullmatch(text):
        return SchedulerAddress(text)
    if Path(text).suffix in (".yaml", ".yml"):
        return read_slurm_settings(Path(text))
    raise SettingError(
        f"cluster: found {text!r}, expected local, local:N, the address of a Dask scheduler such "
        "as tcp://host:8786, a YAML file about SLURM, or none for this process."
    )
