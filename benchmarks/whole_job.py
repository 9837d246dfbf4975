"""A classification from files, in a process of its own, with its time and memory by stage."""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from stage_watch import ELSEWHERE, Span, StageWatch, cpu_seconds

from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.run.job import JobRecord

STATUS = Path("/proc/self/status")
SAMPLE_SECONDS = 0.2
KINDS = ("RssAnon", "RssFile")


@dataclass
class MemoryWatch:
    """Largest memory seen while a block runs, by kind (Linux).

    Attributes:
        own_gb: Memory that nothing else holds: RssAnon.
        mapped_gb: Pages of files on disk, which the system takes back when memory is short:
            RssFile.
    """

    own_gb: float = 0.0
    mapped_gb: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Sample in a thread while the block runs."""
        sampler = threading.Thread(target=self._sample)
        sampler.start()
        try:
            yield
        finally:
            self._ended.set()
            sampler.join()

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            kinds = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
            own, mapped = (int(kinds[name].split()[0]) * 1024 / 1e9 for name in KINDS)
            self.own_gb, self.mapped_gb = max(self.own_gb, own), max(self.mapped_gb, mapped)


@dataclass(frozen=True)
class Measured:
    """A finished job: its record and stages, wall and CPU seconds, and memory by kind."""

    job: JobRecord
    stages: dict[str, Span]
    seconds: float
    cpu_seconds: float
    own_gb: float
    mapped_gb: float

    @property
    def seconds_a_cycle(self) -> float:
        """Median of all cycles, those that learn the prior included."""
        return median(self.stages["cycles"].steps)

    def table(self) -> str:
        """Return seconds and peak memory by stage."""
        lines = ["| stage | s | CPU s | peak memory by its end, GB |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {span.name} | {span.seconds:.1f} | {span.cpu_seconds:.1f} | {span.peak_gb:.2f} |"
            for span in self.stages.values()
        ]
        lines += [
            f"| **all** | **{self.seconds:,.0f}** ({self.seconds / 3600:.2f} h) "
            f"| {self.cpu_seconds:,.0f} | {max(s.peak_gb for s in self.stages.values()):.2f} |",
            "",
            f"{len(self.stages['cycles'].steps)} cycles, {self.seconds_a_cycle:.2f} s each "
            f"(median). Of the memory, at most "
            f"{self.own_gb:.2f} GB were the process's own and {self.mapped_gb:.2f} GB file "
            "pages, which the system reclaims when needed.",
        ]
        return "\n".join(lines)


def run_alone(request: ClassifyRequest, folder: Path) -> Measured:
    """Classify in a new process; the run directory lies in a folder and is removed."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_run, request, folder).result()


def _run(request: ClassifyRequest, folder: Path) -> Measured:
    memory, stages, start = MemoryWatch(), StageWatch(), time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as name, memory.watching():
        job = classify(request, Path(name) / "run", progress=stages).read_job()
        stages.note(ELSEWHERE)
    seconds = time.perf_counter() - start
    spans = stages.by_stage()
    return Measured(job, spans, seconds, cpu_seconds(), memory.own_gb, memory.mapped_gb)
