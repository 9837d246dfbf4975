"""What the classifier asks of a strategy: how a run starts and what one cycle does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int

from cryofocus.arrays import AnyArray
from cryofocus.consensus.ground import Ground
from cryofocus.inference.settings import ClassifierSettings

# Cycles in a row whose posteriors must stay before the run counts as converged.
QUIET_CYCLES = 2


@dataclass(frozen=True, eq=False)
class Prepared:
    """What every strategy starts from.

    Attributes:
        ground: Particles, consensus and region.
        settings: Of the classification.
        references: Maps to start from, one per class, in any grey scale; or none.
    """

    ground: Ground
    settings: ClassifierSettings
    references: tuple[Float32[np.ndarray, "box box box"], ...] = ()


@dataclass(frozen=True)
class CycleRecord:
    """One cycle: the log-posterior reached and how far posteriors moved."""

    log_posterior: float
    posterior_change: float
    class_weights: tuple[float, ...]

    def reordered(self, order: Int[np.ndarray, " n_classes"]) -> CycleRecord:
        """Return the same cycle with its classes renumbered."""
        return replace(self, class_weights=tuple(self.class_weights[k] for k in order))


@runtime_checkable
class RunState(Protocol):
    """Everything a cycle starts from; a run resumed from it goes on as if never stopped."""

    @property
    def posteriors(self) -> Float64[np.ndarray, "particle n_classes"]:
        """Class posteriors."""
        ...

    @property
    def log_evidence(self) -> Float64[np.ndarray, " particle"]:
        """Log-likelihood of each image over all classes."""
        ...

    @property
    def history(self) -> tuple[CycleRecord, ...]:
        """The cycles that count for convergence, the first first."""
        ...


State = TypeVar("State", bound=RunState)


@runtime_checkable
class Strategy(Protocol[State]):
    """One way to compare images with classes, ready to run on one particle set.

    A strategy holds the data of one classification; the state of a run is a frozen object that
    only it looks into, beyond what `RunState` promises.
    """

    @property
    def scale(self) -> Float32[np.ndarray, " particle"]:
        """Intensity scale of each particle, for class maps."""
        ...

    @property
    def n_cycles(self) -> int:
        """Cycles a run may take at most."""
        ...

    def start(self, run: int) -> State:
        """Return the start of a run, random in the run's own stream."""
        ...

    def begin(self, posteriors: Float64[np.ndarray, "particle n_classes"]) -> State:
        """Return the state that starts from given posteriors."""
        ...

    def step(self, state: State) -> State:
        """Do one cycle."""
        ...

    def terminate(self, state: State) -> str | None:
        """Return why the run is over, or None while it is not."""
        ...

    def describe(self, state: State) -> str:
        """Say where a run is, in a few words."""
        ...

    def pack(self, state: State) -> dict[str, AnyArray]:
        """Return a state as plain arrays, nothing rounded."""
        ...

    def unpack(self, arrays: Mapping[str, AnyArray]) -> State:
        """Return the state that `pack` packed."""
        ...


def has_converged(history: tuple[CycleRecord, ...], tolerance: float) -> bool:
    """Whether the last cycles left the posteriors alone."""
    recent = [record.posterior_change for record in history[-QUIET_CYCLES:]]
    return len(recent) == QUIET_CYCLES and max(recent) < tolerance


def reason_to_stop(
    history: tuple[CycleRecord, ...], max_cycles: int, tolerance: float
) -> str | None:
    """Return why a run is over, or None while it is not."""
    if has_converged(history, tolerance):
        return f"posteriors changed by less than {tolerance:g} for {QUIET_CYCLES} cycles"
    if len(history) >= max_cycles:
        return f"stopped at the limit of {max_cycles} cycles; raise --cycles to go on"
    return None


def pack_history(history: tuple[CycleRecord, ...]) -> Float64[np.ndarray, ...]:
    """Return a history as one array, a row a cycle."""
    return np.array([(r.log_posterior, r.posterior_change, *r.class_weights) for r in history])


def unpack_history(array: Float64[np.ndarray, ...]) -> tuple[CycleRecord, ...]:
    """Return the history that `pack_history` packed."""
    return tuple(CycleRecord(row[0], row[1], tuple(row[2:])) for row in array.tolist())
