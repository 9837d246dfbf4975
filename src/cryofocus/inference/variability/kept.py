"""What the finished stages of a search found, from which an interrupted one goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryofocus.arrays import AnyArray
from cryofocus.execution.monitor import Monitor


class Kept:
    """The finished stages of a search, by name, as a monitor keeps them.

    Args:
        monitor: Keeps them, and gives back those of the process before.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._arrays = dict(monitor.load() or {})

    def stage(
        self, name: str, find: Callable[[], Mapping[str, AnyArray]]
    ) -> Mapping[str, AnyArray]:
        """Return what a stage found before; otherwise find it now, and keep it."""
        start = f"{name}."
        kept = {
            key.removeprefix(start): array
            for key, array in self._arrays.items()
            if key.startswith(start)
        }
        if kept:
            return kept
        found = find()
        self._arrays |= {f"{start}{key}": array for key, array in found.items()}
        self._monitor.save(self._arrays)
        return found
