"""What sharing work out asks for, and nothing else: ranges, objects that stay, and sums.

Items (particles, say) are numbered from 0 and divided into ranges of neighbours. For each range
there is one object, perhaps large, which stays where it was made; functions go to it. Serial,
threads, GPU and Dask differ only in where that is and who adds.

Such a function is called as `function(object, common, part)`: with the object of its
range, with what all ranges share, and with the range's own part of the arguments. It must be
importable by name, must not change what it is given, and must give the same result whenever it is
called again: what a lost worker held is recomputed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, Protocol, Self, TypeVar, runtime_checkable

T = TypeVar("T")
C = TypeVar("C")
P = TypeVar("P")
R = TypeVar("R")


class Addable(Protocol):
    """Something whose sums are of its own kind."""

    def __add__(self, other: Self, /) -> Self:
        """Add another."""
        ...


S = TypeVar("S", bound=Addable)

# What is called with the number of items done.
Count = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Sharded(Generic[T]):
    """One object per range of items (a shard), wherever the objects are.

    Attributes:
        ranges: First item of each range, and the one past its last.
        parts: For the executor that made them, the objects or what stands for them.
    """

    ranges: tuple[slice, ...]
    parts: tuple[Any, ...]

    def __post_init__(self) -> None:
        """Check that the ranges follow each other from 0 and have one object each."""
        if len(self.parts) != len(self.ranges):
            raise ValueError(f"{len(self.parts)} objects for {len(self.ranges)} ranges")
        borders = [0, *(one.stop for one in self.ranges)]
        if [one.start for one in self.ranges] != borders[:-1]:
            raise ValueError(f"ranges that do not follow each other: {self.ranges}")

    def __len__(self) -> int:
        """Return the number of items."""
        return int(self.ranges[-1].stop)


@runtime_checkable
class Executor(Protocol):
    """Does the same work on every range, somewhere."""

    def ranges(self, n_items: int) -> tuple[slice, ...]:
        """Divide so many items into ranges of nearly equal length, at least one."""
        ...

    def place(self, objects: Sequence[T], ranges: Sequence[slice]) -> Sharded[T]:
        """Bring one small object a range to where the range's work will be done."""
        ...

    def build(
        self, function: Callable[[T, C, P], R], sharded: Sharded[T], common: C, parts: Sequence[P]
    ) -> Sharded[R]:
        """Make an object of every range's object; it stays where it is made."""
        ...

    def map(
        self, function: Callable[[T, C, P], R], sharded: Sharded[T], common: C, parts: Sequence[P]
    ) -> list[R]:
        """Return the results of all ranges, in order."""
        ...

    def reduce(
        self, function: Callable[[T, C, P], S], sharded: Sharded[T], common: C, parts: Sequence[P]
    ) -> S:
        """Return the sum of the results of all ranges, added in pairs where they are."""
        ...

    def counting(self, count: Count) -> AbstractContextManager[Count]:
        """Give what functions may call, wherever they run, to have items counted here."""
        ...


def divide(n_items: int, n_ranges: int) -> tuple[slice, ...]:
    """Divide items into ranges whose lengths differ by one at most; no range is empty."""
    n = max(1, min(n_items, n_ranges))
    borders = [number * n_items // n for number in range(n + 1)]
    return tuple(slice(start, stop) for start, stop in pairwise(borders))


def add_in_pairs(terms: Sequence[R], add: Callable[[R, R], R]) -> R:
    """Add neighbours, then neighbouring sums, until one is left.

    The order depends on the number of terms alone, and so does the rounding of the sum.
    """
    sums = list(terms)
    while len(sums) > 1:
        pairs = [add(*sums[k : k + 2]) for k in range(0, len(sums) - 1, 2)]
        sums = pairs + sums[2 * len(pairs) :]
    return sums[0]
