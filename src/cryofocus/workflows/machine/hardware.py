"""The machine a run was made on, and what its stages cost."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryofocus.workflows.run.job import Hardware

# Of the machine's memory, what a run may take if the user sets no bound.
DEFAULT_SHARE = 0.75
# What small sets take is not refused on a small machine that nobody set a limit for.
LEAST_DEFAULT_GB = 1.0
_CPU_TABLE, _CGROUP_OF_PROCESS = Path("/proc/cpuinfo"), Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")
# Files of the group a process belongs to, in the second and in the first version.
_CGROUP_LIMITS = ("memory.max", "memory.high", "memory.limit_in_bytes")


def describe_hardware(device: str = "cpu") -> Hardware:
    """Describe this machine: processor, usable cores, memory and software.

    Args:
        device: What computes; the GPU is only described if it does.

    Returns:
        Cores are those this process may use, memory is that of the whole machine in GB.
    """
    return Hardware(
        processor=_processor_name(),
        cores=_usable_cores(),
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        python=platform.python_version(),
        platform=platform.platform(),
        gpu=_describe_gpu() if device == "cuda" else None,
    )


def memory_bound_gb(asked_gb: float | None) -> float:
    """Return what a run may take: what was asked for, or most of what there is."""
    return asked_gb or max(DEFAULT_SHARE * offered_memory_gb(), LEAST_DEFAULT_GB)


def offered_memory_gb(root: Path = Path("/")) -> float:
    """Return the memory of the machine, or what a batch system or container leaves of it.

    Args:
        root: Of the file system in which the system tells of groups of processes.
    """
    bounds = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for group in _cgroups(root):
        for name in _CGROUP_LIMITS:
            with suppress(OSError, ValueError):
                bounds.append(int((group / name).read_text()))  # "max" is no number
    return min(bounds) / 1e9


def _cgroups(root: Path) -> Iterator[Path]:
    """Yield the groups of this process, and those around them, which bind it as well."""
    top = root / _CGROUPS.relative_to("/")
    try:
        lines = (root / _CGROUP_OF_PROCESS.relative_to("/")).read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        within = Path(path.lstrip("/"))
        is_first_version = "memory" in controllers.split(",")
        if is_first_version or not controllers:
            base = top / "memory" if is_first_version else top
            yield from (base / one for one in (within, *within.parents))


def _describe_gpu() -> str:
    # Takes half a second to load, which only who uses a GPU should wait for.
    from cryofocus.kernels.gpu import describe_gpu

    return describe_gpu()


def _processor_name() -> str:
    """Find the processor's name; on Linux Python itself knows only its architecture."""
    if _CPU_TABLE.exists():
        for line in _CPU_TABLE.read_text(errors="replace").splitlines():
            label, _, name = line.partition(":")
            if label.strip() == "model name":
                return name.strip()
    return platform.processor() or platform.machine()


def _usable_cores() -> int:
    """Count the cores this process may use, which a batch system may have cut down."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_gb() -> float:
    """Read the largest resident memory of this process so far, in GB (``getrusage``)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9


BETWEEN = "between these"


@dataclass
class StageClock:
    """Wall time and memory of the stages of a run.

    The operating system keeps one high-water mark for the whole life of a process, so the memory
    of a stage is the peak up to its end: the stage where the figure rises is the one that needed
    it. A stage entered twice adds its seconds. What passes between stages counts from when the
    clock began. A run that was resumed took what all its processes took.

    Attributes:
        seconds: Of each stage, in this process.
        peak_memory_gb: At the end of each stage.
        began: When, by `time.perf_counter`.
        former: Seconds of the stages in the processes before.
        n_processes: This one, and those before.
        running: When the stages that are going on began.

    Examples:
        >>> clock = StageClock()
        >>> with clock.stage("reading particles"):
        ...     pass
        >>> list(clock.seconds)
        ['reading particles']
    """

    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_gb: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)
    former: dict[str, float] = field(default_factory=dict)
    n_processes: int = 1
    running: dict[str, float] = field(default_factory=dict)

    def whole(self) -> StageClock:
        """Return this clock with what passed between the stages as one more, over all processes.

        What is between comes last; of stages that are going on, what has passed counts.
        """
        now, own = time.perf_counter(), dict(self.seconds)
        for name, start in self.running.items():
            own[name] = own.get(name, 0.0) + now - start
        own[BETWEEN] = max(0.0, now - self.began - sum(own.values()))
        names = [name for name in {**self.former, **own} if name != BETWEEN]
        return StageClock(
            {name: self.former.get(name, 0.0) + own.get(name, 0.0) for name in (*names, BETWEEN)},
            {**self.peak_memory_gb, BETWEEN: peak_memory_gb()},
            self.began,
            n_processes=self.n_processes,
        )

    def follow(self, former: Mapping[str, float], n_processes: int) -> None:
        """Count in what the stages took in processes that a run was begun in."""
        self.former, self.n_processes = dict(former), n_processes + 1

    def gathered(self, name: str) -> StageClock:
        """Return a clock to which everything so far is one stage."""
        former = sum(self.former.values())
        passed = time.perf_counter() - self.began
        return StageClock(
            {name: passed},
            {name: max(self.peak_memory_gb.values(), default=0.0)},
            self.began,
            {name: former} if former else {},
            self.n_processes,
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the block under a name; an interrupted stage counts too."""
        start = self.running[name] = time.perf_counter()
        try:
            yield
        finally:
            del self.running[name]
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
            self.peak_memory_gb[name] = peak_memory_gb()
