"""Work done ahead in threads: order, errors, and how far ahead it goes."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator

import pytest

from cryofocus.execution.ahead import ahead, side_by_side

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


def test_several_run_side_by_side() -> None:
    """Two that wait for each other both come to their end, each in its own order."""
    both = threading.Barrier(2, timeout=10)

    def count(sign: int) -> Generator[int, None, None]:
        for n in range(1, 4):
            both.wait()
            yield sign * n

    given = list(side_by_side([count(1), count(-1)]))
    assert [n for n in given if n > 0] == [1, 2, 3]
    assert [n for n in given if n < 0] == [-1, -2, -3]
    assert list(side_by_side([(n for n in range(3))])) == [0, 1, 2]


@pytest.mark.parametrize("is_refused", [True, False], ids=["error", "nobody asks"])
def test_none_goes_on_after_the_end(*, is_refused: bool) -> None:
    """When one fails, or nobody asks any more, the others stop."""
    begun, ended = threading.Event(), threading.Event()

    def refuse() -> Generator[int, None, None]:
        assert begun.wait(10)
        if is_refused:
            raise ValueError("refused")
        yield 0

    def endless() -> Generator[int, None, None]:
        try:
            while True:
                begun.set()
                yield 1
        finally:
            ended.set()

    results = side_by_side([refuse(), endless()])
    if is_refused:
        with pytest.raises(ValueError, match="refused"):
            list(results)
    else:
        next(results)
        results.close()  # type: ignore[attr-defined]
    assert ended.wait(10)
