"""The cycles of a run, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum

import numpy as np
from jaxtyping import Float64, Int

from cryofocus.arrays import AnyArray
from cryofocus.maths.copies import EMPTY_WEIGHT

# Cycles in a row whose posteriors must stay before the run counts as converged.
QUIET_CYCLES = 2

Moves = tuple[tuple[int, ...], ...]


class Outcome(Enum):
    """How a run ended; the value says so, and what to do about it."""

    CONVERGED = "posteriors have settled"
    COLLAPSED = (
        "posteriors have settled with all particles in one class; ask for fewer classes, or check "
        "that the region varies"
    )
    AT_THE_LIMIT = "stopped at the limit of cycles; raise --cycles to continue"
    UNFINISHED = "not finished; go on with --resume"

    @property
    def is_converged(self) -> bool:
        """Whether posteriors had settled."""
        return self in (Outcome.CONVERGED, Outcome.COLLAPSED)


@dataclass(frozen=True)
class CycleRecord:
    """What one cycle brought.

    Attributes:
        objective: What cycles raise, see `Strategy.objective`.
        posterior_change: How far posteriors moved, on average.
        class_weights: Weight of each class when the cycle began.
        moves: Particles by their most probable class before the cycle, a row each, and after it;
            none where these were not the same classes.
    """

    objective: float
    posterior_change: float
    class_weights: tuple[float, ...]
    moves: Moves = ()

    def reordered(self, order: Int[np.ndarray, " n_classes"]) -> CycleRecord:
        """Return the same cycle with its classes renumbered."""
        return replace(
            self,
            class_weights=tuple(self.class_weights[k] for k in order),
            moves=tuple(tuple(self.moves[a][b] for b in order) for a in order if self.moves),
        )


def count_moves(
    before: Float64[np.ndarray, "particle before"], after: Float64[np.ndarray, "particle after"]
) -> Moves:
    """Count particles by their most probable class before a cycle and after it."""
    if before.shape != after.shape:
        return ()
    n_classes = before.shape[1]
    pairs = before.argmax(axis=1) * n_classes + after.argmax(axis=1)
    counts = np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)
    return tuple(map(tuple, counts.tolist()))


def judge(
    history: tuple[CycleRecord, ...],
    posteriors: Float64[np.ndarray, "particle n_classes"],
    max_cycles: int,
    tolerance: float,
) -> Outcome:
    """Say whether a run is over, and how it ended.

    Args:
        history: The cycles that count for convergence.
        posteriors: After the last of them.
        max_cycles: Cycles that may be in the history.
        tolerance: Posteriors that move less have settled.
    """
    recent = [record.posterior_change for record in history[-QUIET_CYCLES:]]
    if len(recent) == QUIET_CYCLES and max(recent) < tolerance:
        n_filled = int((posteriors.mean(axis=0) >= EMPTY_WEIGHT).sum())
        return Outcome.CONVERGED if n_filled > 1 else Outcome.COLLAPSED
    return Outcome.AT_THE_LIMIT if len(history) >= max_cycles else Outcome.UNFINISHED


def pack_history(history: tuple[CycleRecord, ...]) -> dict[str, AnyArray]:
    """Return a history as one array per field of a record, one row per cycle."""
    return {
        field.name: np.array([getattr(record, field.name) for record in history])
        for field in fields(CycleRecord)
    }


def unpack_history(arrays: Mapping[str, AnyArray]) -> tuple[CycleRecord, ...]:
    """Return the history that `pack_history` packed."""
    columns = (arrays[name].tolist() for name in ("objective", "posterior_change"))
    weights = (tuple(row) for row in arrays["class_weights"].tolist())
    moves = (tuple(map(tuple, table)) for table in arrays["moves"].tolist())
    return tuple(CycleRecord(*record) for record in zip(*columns, weights, moves, strict=True))
