"""Chunks of simulated images, made by several threads and handed out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Chunk = TypeVar("Chunk")


def in_order(
    make: Callable[[slice], Chunk], rows: Iterable[slice], threads: int
) -> Iterator[Chunk]:
    """Yield what is made of every range of particles, a few of them ahead.

    Each thread multiplies small matrices; BLAS's own threads would mostly wait for each other,
    at six times the processor time.

    Args:
        make: Makes one chunk; called from several threads.
        rows: Ranges of particles, in order.
        threads: Chunks made at once.
    """
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Chunk]] = deque()
        for chunk in rows:
            waiting.append(pool.submit(make, chunk))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
