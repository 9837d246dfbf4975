"""Work in other threads: what is needed next, and several things side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from queue import SimpleQueue
from threading import Event
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


def side_by_side(generators: Sequence[Generator[T, None, None]]) -> Iterator[T]:
    """Yield what several generators give, as it comes, each run by a thread of its own.

    A single one is run by who asks. What one raises is raised here, and the others stop.
    """
    if len(generators) == 1:
        yield from generators[0]
        return
    given: SimpleQueue[T | Future[None]] = SimpleQueue()
    is_over = Event()

    def run(generator: Generator[T, None, None]) -> None:
        with closing(generator):
            for item in generator:
                given.put(item)
                if is_over.is_set():
                    return

    with ThreadPoolExecutor(max(1, len(generators))) as pool:
        try:
            for generator in generators:
                # At its end comes its future, and with it what it raised.
                pool.submit(run, generator).add_done_callback(given.put)
            n_running = len(generators)
            while n_running:
                item = given.get()
                if isinstance(item, Future):
                    item.result()
                    n_running -= 1
                else:
                    yield item
        finally:
            is_over.set()
