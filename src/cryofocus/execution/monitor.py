"""What the inference tells its surroundings while it works, and what it asks of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

from cryofocus.arrays import AnyArray

Arrays = Mapping[str, AnyArray]


@runtime_checkable
class Advance(Protocol):
    """Counts steps done, with a note for people."""

    def __call__(self, steps: int = 1, note: str = "") -> None:
        """Count on."""


@runtime_checkable
class Monitor(Protocol):
    """Progress display and checkpoint store, brought by whoever calls the inference."""

    def stage(self, name: str, n_steps: int) -> AbstractContextManager[Advance]:
        """Show a stage of so many steps while the block does it."""
        ...

    def save(self, arrays: Arrays) -> None:
        """Keep the state of all runs, replacing what was kept before."""
        ...

    def load(self) -> Arrays | None:
        """Return what an interrupted process kept, None for a new run."""
        ...


class SilentMonitor:
    """`Monitor` that shows and keeps nothing."""

    @contextmanager
    def stage(self, name: str, n_steps: int) -> Iterator[Advance]:
        """Count without a word."""
        del name, n_steps

        def advance(steps: int = 1, note: str = "") -> None:
            del steps, note

        yield advance

    def save(self, arrays: Arrays) -> None:
        """Forget."""
        del arrays

    def load(self) -> None:
        """Return nothing: every run is new."""
