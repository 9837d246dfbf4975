"""Everything in this process, one range after the other."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from cryofocus.execution.contract import C, Count, P, R, S, Sharded, T, add_in_pairs, divide


@dataclass(frozen=True)
class Serial:
    """`Executor` in this process.

    Attributes:
        n_ranges: Ranges that items are divided into; more than one only serves comparison.
    """

    n_ranges: int = 1

    def ranges(self, n_items: int) -> tuple[slice, ...]:
        """Divide items into ranges."""
        return divide(n_items, self.n_ranges)

    def place(self, objects: Sequence[T], ranges: Sequence[slice]) -> Sharded[T]:
        """Keep the objects."""
        return Sharded(tuple(ranges), tuple(objects))

    def build(
        self, function: Callable[[T, C, P], R], sharded: Sharded[T], common: C, parts: Sequence[P]
    ) -> Sharded[R]:
        """Make an object of every range's object."""
        return Sharded(sharded.ranges, tuple(self.map(function, sharded, common, parts)))

    def map(
        self, function: Callable[[T, C, P], R], sharded: Sharded[T], common: C, parts: Sequence[P]
    ) -> list[R]:
        """Return the results of all ranges, in order."""
        return [
            function(held, common, part) for held, part in zip(sharded.parts, parts, strict=True)
        ]

    def reduce(
        self, function: Callable[[T, C, P], S], sharded: Sharded[T], common: C, parts: Sequence[P]
    ) -> S:
        """Return the sum of the results of all ranges."""
        return add_in_pairs(self.map(function, sharded, common, parts), operator.add)

    @contextmanager
    def counting(self, count: Count) -> Iterator[Count]:
        """Give the counter itself."""
        yield count


# One range, in this process: what everything does unless told otherwise.
HERE = Serial()
