"""Time and memory by stage, as a progress display sees a classification go by."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

from cryofocus.execution.monitor import Advance
from cryofocus.workflows.machine.hardware import peak_memory_gb
from cryofocus.workflows.machine.progress import SilentProgress

BEFORE_A_RUN, ELSEWHERE = "subspace and mixture", "between stages"


@dataclass(frozen=True)
class Span:
    """What happened between two moments.

    Attributes:
        name: Stage, `BEFORE_A_RUN` or `ELSEWHERE`.
        seconds: Time that it took.
        cpu_seconds: Time that all cores together spent on it.
        peak_gb: Largest memory of the process up to its end.
        steps: Wall seconds of each step, a cycle for instance.
    """

    name: str
    seconds: float
    cpu_seconds: float
    peak_gb: float
    steps: tuple[float, ...] = ()


class StageWatch(SilentProgress):
    """Shows nothing and notes every stage, and what lies between two."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._moment = _now()

    @contextmanager
    def task(self, name: str, n_steps: int, *, at_most: bool = False) -> Iterator[Advance]:
        """Note what came before, then the stage; of a run, its search and its cycles."""
        self.note(ELSEWHERE)
        is_run = name.startswith("run ")
        moments = [time.perf_counter()]
        with super().task(name, n_steps, at_most=at_most):

            def advance(steps: int = 1, note: str = "") -> None:
                del note
                if is_run and steps == 0:
                    self.note(BEFORE_A_RUN)
                    moments.clear()
                moments.append(time.perf_counter())

            yield advance
        steps = tuple(after - before for before, after in pairwise(moments))
        self.note("cycles" if is_run else name, steps)

    def note(self, name: str, steps: tuple[float, ...] = ()) -> None:
        """Give what happened since the last note a name."""
        wall, cpu = (now - then for now, then in zip(_now(), self._moment, strict=True))
        self.spans.append(Span(name, wall, cpu, peak_memory_gb(), steps))
        self._moment = _now()

    def by_stage(self) -> dict[str, Span]:
        """Return the stages in order; of one that came several times, the sum."""
        stages: dict[str, Span] = {}
        for span in self.spans:
            before = stages.get(span.name, Span(span.name, 0.0, 0.0, 0.0))
            stages[span.name] = Span(
                span.name,
                before.seconds + span.seconds,
                before.cpu_seconds + span.cpu_seconds,
                span.peak_gb,
                before.steps + span.steps,
            )
        return stages


def cpu_seconds() -> float:
    """Return the CPU seconds of this process, the interpreter's start included."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _now() -> tuple[float, float]:
    return time.perf_counter(), cpu_seconds()
