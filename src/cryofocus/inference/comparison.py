"""What the driver asks of a strategy that is ready to run: how a run starts, what a cycle does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int

from cryofocus.arrays import AnyArray
from cryofocus.consensus.match import ImageMatch
from cryofocus.execution.monitor import Advance, uncounted
from cryofocus.inference.cycles import CycleRecord
from cryofocus.inference.strategy import Start


@dataclass(frozen=True, eq=False)
class RunPlan:
    """Where the runs of a classification start.

    Attributes:
        n_classes: Classes to find.
        start: `subspace`, or `random` posteriors.
        seed: Of everything random; each run has its own stream.
        references: Maps that the first run starts from, one per class, in any grey scale; or
            none.
    """

    n_classes: int
    start: Start
    seed: int
    references: tuple[Float32[np.ndarray, "box box box"], ...] = ()

    def generator(self, run: int) -> np.random.Generator:
        """Return the random stream of a run."""
        return np.random.default_rng([self.seed, run])


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


State = TypeVar("State", bound=RunState)
# Whether two groups of classes may gain so much though their maps differ by nothing but noise.
OwnNoise = Callable[[tuple[int, ...], tuple[int, ...], float], bool]


@runtime_checkable
class Comparison(Protocol[State]):
    """Images to be compared with classes, cycle by cycle: a strategy on one particle set.

    It holds the data of one classification; the state of a run is a frozen object that only it
    looks into, beyond what `RunState` promises.
    """

    @property
    def plan(self) -> RunPlan:
        """Where runs start, and how many classes there are."""
        ...

    @property
    def scale(self) -> Float32[np.ndarray, " particle"]:
        """Intensity scale of each particle, for class maps."""
        ...

    @property
    def match(self) -> ImageMatch | None:
        """How well each image matches the consensus; None where that is not measured."""
        ...

    @property
    def n_prior_cycles(self) -> int:
        """Cycles at the beginning of a run that learn the prior."""
        ...

    def start(self, run: int, advance: Advance = uncounted) -> State:
        """Return the start of a run, random in the run's own stream."""
        ...

    def begin(self, posteriors: Float64[np.ndarray, "particle n_classes"]) -> State:
        """Return the state that starts from given posteriors."""
        ...

    def step(self, state: State) -> tuple[State, CycleRecord | None]:
        """Do one cycle, an M-step and an E-step.

        Returns:
            The new state and what the cycle brought; None for a cycle that still learnt the
            prior, after which nothing can be said of convergence.
        """
        ...

    def finish(self, state: State) -> State:
        """Return the state of a run that is over without what only a further cycle needs."""
        ...

    def pack(self, state: State) -> dict[str, AnyArray]:
        """Return a state as plain arrays, nothing rounded, where they lie."""
        ...

    def unpack(self, arrays: Mapping[str, AnyArray]) -> State:
        """Return the state that `pack` packed."""
        ...


@dataclass(frozen=True)
class ClassMoments:
    """The log-likelihoods of combinations of class maps, relative to the consensus.

    Attributes:
        linear: `(particle, n_classes)`; class k has `linear_k - quadratic_kk / 2`.
        quadratic: `(particle, n_classes, n_classes)`.
        prior: `(n_classes, n_classes)` inner products of the maps under their prior: a map at unit
            distance costs 1/2.
    """

    linear: Float64[np.ndarray, "particle n_classes"]
    quadratic: Float64[np.ndarray, "particle n_classes n_classes"]
    prior: Float64[np.ndarray, "n_classes n_classes"]

    def combined(self, mixing: Float64[np.ndarray, "m n_classes"]) -> ClassMoments:
        """Return the moments of combinations of the maps, one a row; of an order, for instance."""
        turn = "mk,nkl,jl->nmj"
        return ClassMoments(
            self.linear @ mixing.T,
            np.einsum(turn, mixing, self.quadratic, mixing, optimize=True),
            mixing @ self.prior @ mixing.T,
        )

    def less_mean(self, class_weights: Float64[np.ndarray, " n_classes"]) -> ClassMoments:
        """Return the moments of the maps less their weighted mean."""
        return self.combined(np.eye(len(class_weights)) - class_weights)

    @property
    def log_likelihood(self) -> Float64[np.ndarray, "particle n_classes"]:
        """Log-likelihood of each class."""
        return np.asarray(self.linear - 0.5 * np.einsum("nkk->nk", self.quadratic))


@runtime_checkable
class Divisible(Comparison[State], Protocol[State]):
    """A comparison that can be made with some of the particles, and with maps from elsewhere."""

    @property
    def bytes_per_particle(self) -> int:
        """What is held of each particle."""
        ...

    def with_classes(self, n_classes: int) -> Divisible[State]:
        """Return the same comparison for another number of classes."""
        ...

    def take(self, which: Int[np.ndarray, " m"]) -> Divisible[State]:
        """Return the comparison of some of the particles, numbered in rising order."""
        ...

    def class_moments(self, state: State) -> ClassMoments:
        """Return what the particles say of a state's maps, whichever particles these are from."""
        ...

    def own_moments(self, state: State) -> ClassMoments:
        """Return the same of the particles that the maps are from.

        Where cycles refine, without what each of them put into the maps itself.
        """
        ...

    def own_noise(self, state: State) -> OwnNoise:
        """Return what tells whether groups of classes may be apart by noise alone.

        By what they gain in log-posterior from the images that the state's maps were made from.
        """
        ...

    def begin_refining(self, state: State) -> State:
        """Return the state from which a run is made once more, with cycles that refine.

        They take out of each image's comparison what the image itself put into the maps.
        """
        ...
