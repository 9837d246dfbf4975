"""What the inference tells its surroundings while it works, and what it asks of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

from cryofocus.arrays import AnyArray

Arrays = Mapping[str, AnyArray]


@runtime_checkable
class Advance(Protocol):
    """Counts steps done, with a note for people; a note alone counts none."""

    def __call__(self, steps: int = 1, note: str = "") -> None:
        """Count on."""


def uncounted(steps: int = 1, note: str = "") -> None:
    """Count nothing: the `Advance` of work that nobody watches."""
    del steps, note


def noting(advance: Advance) -> Advance:
    """Return an `Advance` for work of which only the notes are shown, not its own steps."""

    def note_only(steps: int = 1, note: str = "") -> None:
        del steps
        advance(0, note)

    return note_only


@runtime_checkable
class Monitor(Protocol):
    """Progress display and checkpoint store, brought by whoever calls the inference."""

    def stage(
        self, name: str, n_steps: int, *, at_most: bool = False
    ) -> AbstractContextManager[Advance]:
        """Show a stage of so many steps, or at most so many, while the block does it."""
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
    def stage(self, name: str, n_steps: int, *, at_most: bool = False) -> Iterator[Advance]:
        """Count without a word."""
        del name, n_steps, at_most
        yield uncounted

    def save(self, arrays: Arrays) -> None:
        """Forget."""
        del arrays

    def load(self) -> None:
        """Return nothing: every run is new."""
