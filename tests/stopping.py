"""A progress display in which something happens, such as Ctrl-C, and what is right afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from cryofocus.execution.monitor import Advance
from cryofocus.workflows.machine.progress import Progress
from cryofocus.workflows.run.directory import RunDirectory

RESULTS = (
    *(
        "particles.star",
        "posteriors.npy",
        "agreement.npy",
        "outliers.npy",
        "classes.csv",
        "convergence.csv",
        "moves.csv",
        "run_classes.csv",
    ),
    *("class001.mrc", "class002.mrc", "class001_half1.mrc", "consensus.mrc", "fsc.star"),
)


class Accident(Progress):
    """Something that happens in a stage, after some steps."""

    def __init__(self, stage: str, steps: int, happen: Callable[[], object]) -> None:
        self._stage, self._steps, self._happen = stage, steps, happen

    @contextmanager
    def task(self, name: str, n_steps: int, *, at_most: bool = False) -> Iterator[Advance]:
        """Count, and let it happen once."""
        del n_steps, at_most
        done = 0

        def advance(steps: int = 1, note: str = "") -> None:
            nonlocal done
            del note
            done += steps > 0
            if steps and name == self._stage and done == self._steps:
                self._happen()

        yield advance


class Accidents(Progress):
    """Several of them in one run."""

    def __init__(self, *accidents: Accident) -> None:
        self._accidents = accidents

    @contextmanager
    def task(self, name: str, n_steps: int, *, at_most: bool = False) -> Iterator[Advance]:
        """Count for each."""
        with ExitStack() as stack:
            tasks = [one.task(name, n_steps, at_most=at_most) for one in self._accidents]
            counts = [stack.enter_context(task) for task in tasks]

            def advance(steps: int = 1, note: str = "") -> None:
                for count in counts:
                    count(steps, note)

            yield advance


def stopping_progress(stage: str, steps: int) -> Accident:
    """Press Ctrl-C in a stage, after some steps."""

    def press() -> None:
        raise KeyboardInterrupt

    return Accident(stage, steps, press)


def assert_same(run: RunDirectory, reference: RunDirectory) -> None:
    """Compare everything a run finds, bit for bit, and look for left-overs."""
    for name in RESULTS:
        assert (run.path / name).read_bytes() == (reference.path / name).read_bytes(), name
    assert run.read_job().objective == reference.read_job().objective
    assert {p.name for p in run.path.iterdir()} == {p.name for p in reference.path.iterdir()}
