"""Parts of one piece of work, done by several threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache


def do_parts(work: Callable[[int], None], n_parts: int) -> None:
    """Call `work(part)` for every part, and return when all are done.

    The caller does the first part and whatever no other thread has begun when it is through with
    that: several callers share the threads, and none waits for a thread to become free.

    Args:
        work: What is done; parts must not depend on each other.
        n_parts: How many there are, and the most threads that work on them.
    """
    if n_parts > 1:
        pool = _threads(os.getpid(), n_parts - 1)
        others = [pool.submit(work, part) for part in range(1, n_parts)]
    else:
        others = []
    try:
        work(0)
    finally:
        left = [part for part, other in enumerate(others, 1) if other.cancel()]
    for part in left:
        work(part)
    for other in others:
        if not other.cancelled():
            other.result()


@cache
def _threads(_process: int, n_threads: int) -> ThreadPoolExecutor:
    """Return threads that live as long as the process; a fork of it has none and gets its own."""
    return ThreadPoolExecutor(n_threads, "kernels")
