"""Which cluster a user asks for: one word, an address, or a file about SLURM."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cryofocus.complaints import explain, suggest
from cryofocus.errors import FormatError, SettingError

THIS_PROCESS = "none"
LOCAL = re.compile(r"local(?::([1-9][0-9]*))?")
ADDRESS = re.compile(r"(tcp|tls|ucx)://.+:[0-9]+")
# Times as sbatch takes them: minutes, minutes:seconds, hours:minutes:seconds, days-hours ...
WALLTIME = re.compile(r"(\d+-)?\d+(:\d+){0,2}|unlimited|infinite", re.IGNORECASE)
# Sizes as dask-jobqueue takes them, but not in bytes, which nobody means.
MEMORY = re.compile(r"(\d+(\.\d*)?) *[kmgtp]i?b?", re.IGNORECASE)


class SlurmSettings(BaseModel):
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
        wait_minutes: How long jobs may wait for their start, and the run for a worker when all are
            lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int = Field(ge=1, strict=True)
    cores: int = Field(ge=1, strict=True)
    memory: str
    walltime: str = "24:00:00"
    queue: str | None = None
    account: str | None = None
    interface: str | None = None
    job_extra_directives: list[str] = []
    job_script_prologue: list[str] = []
    python: str | None = None
    local_directory: str | None = None
    log_directory: str | None = None
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


@dataclass(frozen=True)
class LocalWorkers:
    """Worker processes on this machine; None lets their number follow from its processors."""

    n_workers: int | None


@dataclass(frozen=True)
class SchedulerAddress:
    """A Dask scheduler that the user runs."""

    address: str


ClusterChoice = LocalWorkers | SchedulerAddress | SlurmSettings


def parse_cluster(text: str) -> ClusterChoice | None:
    """Read what `--cluster` says, None for this process; a SLURM file is read and checked.

    Raises:
        SettingError: When it is none of the five.
        FormatError: When the file cannot be read or its values make no sense.
    """
    if text == THIS_PROCESS:
        return None
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


def read_slurm_settings(path: Path) -> SlurmSettings:
    """Read and check a SLURM file.

    Raises:
        FormatError: When it cannot be read, is no YAML, or names or values are not those of
            `SlurmSettings`.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
    # Dates and numbers that are none are ValueErrors to the parser.
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise FormatError(f"{path}: cannot be read as YAML ({error}). Correct it.") from error
    known = ", ".join(SlurmSettings.model_fields)
    if not isinstance(values, dict):
        raise FormatError(f"{path}: holds no names and values; expected some of {known}.")
    try:
        return SlurmSettings.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(_explain(entry) for entry in error.errors())
        end = "" if faults.endswith("?") else "."
        raise FormatError(
            f"{path}: {faults}{end} Correct the file; it may hold {known}."
        ) from error


def _explain(entry: Mapping[str, Any]) -> str:
    name = ".".join(map(str, entry["loc"]))
    return explain(entry, name, suggest(name, SlurmSettings.model_fields))
