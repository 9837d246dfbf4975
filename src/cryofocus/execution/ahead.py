"""What is needed next, made in other threads while the last is worked with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yield `function(item)` of every item, in order.

    Items are taken in the thread of who asks, `threads` of them before their results are asked
    for. What a function raises is raised where its result would come.

    Args:
        function: What is done; it must not wait for who asks.
        items: What it is done to.
        threads: Threads that do it; 0 has it done when it is asked for.
    """
    if not threads:
        yield from map(function, items)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()
