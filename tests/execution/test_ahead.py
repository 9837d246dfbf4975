"""Work done ahead in threads: order, errors, and how far ahead it goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from cryofocus.execution.ahead import ahead

N = 20


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_results_come_in_order(threads: int) -> None:
    """Whoever is done first, results come in the order of the items."""
    second = threading.Event()

    def square(n: int) -> int:
        if n == 0 and threads > 1:
            assert second.wait(10)
        if n == 1:
            second.set()
        return n * n

    assert list(ahead(square, range(N), threads)) == [n * n for n in range(N)]


@pytest.mark.parametrize("threads", [0, 2])
def test_errors_come_where_the_result_would(threads: int) -> None:
    """What went before is given, and nothing after it."""

    def refuse(n: int) -> int:
        if n == 3:
            raise ValueError("three")
        return n

    given = []
    with pytest.raises(ValueError, match="three"):
        given.extend(ahead(refuse, range(N), threads))
    results = ahead(refuse, range(N), threads)
    assert [next(results) for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_it_goes_no_farther_ahead_than_there_are_threads(threads: int) -> None:
    """Items are taken as results are asked for, and no more once nobody asks."""
    taken = []

    def items() -> Iterator[int]:
        for n in range(N):
            taken.append(n)
            yield n

    results = ahead(lambda n: n, items(), threads)
    for n in range(5):
        assert next(results) == n
        assert len(taken) == n + 1 + threads
    del results
    assert len(taken) == 5 + threads


def test_nothing_to_do() -> None:
    """No items, no results."""
    assert list(ahead(str, [], 2)) == []
