"""Ranges, order and sums, in one process."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryofocus.execution.contract import Executor, Sharded, add_in_pairs, divide
from cryofocus.execution.serial import Serial


def scaled(held: np.ndarray, common: float, part: np.ndarray) -> np.ndarray:
    """Multiply what is held."""
    return held * common + part


def summed(held: np.ndarray, common: float, part: np.ndarray) -> float:
    """Sum what `scaled` gives."""
    return float(scaled(held, common, part).sum())


def shard(items: np.ndarray, executor: Executor) -> Sharded[np.ndarray]:
    """Lay numbers out."""
    ranges = executor.ranges(len(items))
    return executor.place([items[rows] for rows in ranges], ranges)


@given(st.integers(1, 200), st.integers(1, 20))
def test_ranges_cover_everything_once(n_items: int, n_ranges: int) -> None:
    """Ranges follow each other, none is empty, and lengths differ by one at most."""
    ranges = divide(n_items, n_ranges)
    assert [i for rows in ranges for i in range(rows.start, rows.stop)] == list(range(n_items))
    lengths = [rows.stop - rows.start for rows in ranges]
    assert min(lengths) >= 1
    assert max(lengths) - min(lengths) <= 1


@given(st.lists(st.integers(-1000, 1000), min_size=1))
def test_adding_in_pairs_is_adding(terms: list[int]) -> None:
    """Whatever the number of terms, each is counted once."""
    assert add_in_pairs(terms, operator.add) == sum(terms)


def test_adding_in_pairs_keeps_neighbours_in_order() -> None:
    """Sums are of neighbours, so that what does not commute stays in order."""
    assert add_in_pairs(list("abcdefg"), operator.add) == "abcdefg"


@pytest.mark.parametrize("n_ranges", [1, 2, 5])
def test_any_division_gives_the_same(n_ranges: int) -> None:
    """Results come in the order of the ranges, sums are those of one range."""
    items, executor = np.arange(11.0), Serial(n_ranges)
    sharded = shard(items, executor)
    parts = [np.ones(rows.stop - rows.start) for rows in sharded.ranges]
    assert len(sharded) == 11
    assert len(sharded.ranges) == n_ranges
    expected = 2.0 * items + 1.0
    assert np.concatenate(executor.map(scaled, sharded, 2.0, parts)).tolist() == expected.tolist()
    assert executor.reduce(summed, sharded, 2.0, parts) == expected.sum()
    made = executor.build(scaled, sharded, 2.0, parts)
    assert np.concatenate(executor.map(scaled, made, 1.0, parts)).tolist() == (
        (expected + 1).tolist()
    )


def test_ranges_with_gaps_are_refused() -> None:
    """Objects whose ranges do not follow each other are a mistake, found at once."""
    with pytest.raises(ValueError, match="do not follow each other"):
        Sharded((slice(0, 2), slice(3, 4)), (1, 2))
    with pytest.raises(ValueError, match="1 objects for 2 ranges"):
        Sharded((slice(0, 2), slice(2, 4)), (1,))


def test_serial_is_an_executor() -> None:
    """It offers what the contract asks for, and counts in place."""
    seen: list[int] = []
    executor = Serial()
    assert isinstance(executor, Executor)
    with executor.counting(seen.append) as count:
        count(3)
    assert seen == [3]
