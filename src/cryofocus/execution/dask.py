"""Everything on the workers of a Dask cluster, through a client of the user's.

Every object is the result of a task, never data sent to one worker: what a lost worker held, Dask
makes anew, from the images if need be. Functions are the same ones that `Serial` calls, and sums
are added in the same pairs, so that the result is that of `Serial` with as many ranges.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import operator
import pickle
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, Generic
from uuid import uuid4

from distributed import CancelledError, Client, Future, KilledWorker, get_worker, wait
from distributed.comm import CommClosedError

from cryofocus.errors import ClusterError, CryofocusError
from cryofocus.execution.contract import C, Count, P, R, S, Sharded, T, add_in_pairs, divide
from cryofocus.logs import get_logger

logger = get_logger(__name__)

# How often to look for lost workers while work goes on.
LOOK_SECONDS = 10
# How long to wait for a worker when all are lost.
WAIT_SECONDS = 1800
# A worker has as many Dask threads as processors, and each function uses all processors itself.
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True, eq=False)
class Held(Generic[T]):
    """An object on a worker, whose size the scheduler is told: large ones are not moved.

    Attributes:
        value: The object.
    """

    value: T

    def __sizeof__(self) -> int:
        """Return the bytes of its arrays and of the rest."""
        return self._n_bytes

    @cached_property
    def _n_bytes(self) -> int:
        arrays: list[pickle.PickleBuffer] = []
        rest = pickle.dumps(self.value, protocol=5, buffer_callback=arrays.append)
        return len(rest) + sum(array.raw().nbytes for array in arrays)

    def __reduce__(self) -> tuple[type[Held[T]], tuple[T]]:
        """Travel without the size."""
        return Held, (self.value,)


@dataclass(frozen=True, eq=False)
class Shared(Generic[T]):
    """What the work on all ranges needs. To the scheduler it weighs nothing, whatever its size.

    The scheduler sends work to where most of its arguments are; so it looks at the ranges alone,
    and every worker fetches what they share.

    Attributes:
        value: The object.
    """

    value: T

    def __sizeof__(self) -> int:
        """Return nothing."""
        return 0


@dataclass(frozen=True, eq=False)
class Dask:
    """`Executor` on the workers of a Dask cluster.

    Attributes:
        client: Of the cluster.
        n_ranges: How many ranges items are divided into, however many workers are lost or come:
            sums are then rounded alike. None makes one for each worker there is.
        wait_seconds: How long to wait for a worker when all are lost.
        seen: Workers that were there at the last look.
    """

    client: Client
    n_ranges: int | None = None
    wait_seconds: float = WAIT_SECONDS
    seen: set[str] = field(default_factory=set)

    def ranges(self, n_items: int) -> tuple[slice, ...]:
        """Divide items."""
        with self._explained():
            return divide(n_items, self.n_ranges or len(self._workers()))

    def place(self, objects: Sequence[T], ranges: Sequence[slice]) -> Sharded[T]:
        """Bring one object to each worker."""
        with self._explained():
            workers = self._workers()
            homes = [workers[k % len(workers)] for k in range(len(objects))]
            futures = [
                self._submit(_keep, Held(one), workers=home)
                for one, home in zip(objects, homes, strict=True)
            ]

            def is_done(seconds: float) -> bool:
                if self._are_done(futures, seconds):
                    return True
                # Where all workers were lost, Dask would wait for those named, whoever comes.
                there = self.client.nthreads()
                for k, home in enumerate(homes):
                    if not futures[k].done() and home not in there:
                        futures[k] = self._submit(_keep, Held(objects[k]))
                return False

            self._watch(is_done)
            self._require_success(futures)
            # Once there, they may be made again anywhere: a worker named may be lost, and its
            # successor has another name.
            anywhere = dict.fromkeys((future.key for future in futures), None)
            self.client.sync(self.client.scheduler.set_restrictions, worker=anywhere)
            return Sharded(tuple(ranges), tuple(futures))

    def build(
        self, function: Callable[[T, C, P], R], sharded: Sharded[T], common: C, parts: Sequence[P]
    ) -> Sharded[R]:
        """Make an object of every range's object; it stays on the worker that made it."""
        with self._explained():
            futures = self._call(function, sharded, common, parts)
            self._finish(futures)
            return Sharded(sharded.ranges, tuple(futures))

    def map(
        self, function: Callable[[T, C, P], R], sharded: Sharded[T], common: C, parts: Sequence[P]
    ) -> list[R]:
        """Return the results of all ranges, in order."""
        with self._explained():
            return self._fetch(self._call(function, sharded, common, parts))

    def reduce(
        self, function: Callable[[T, C, P], S], sharded: Sharded[T], common: C, parts: Sequence[P]
    ) -> S:
        """Return the sum of the results of all ranges; workers add."""
        with self._explained():
            terms = self._call(function, sharded, common, parts)
            result: S = self._fetch([add_in_pairs(terms, self._add)])[0]
            return result

    @contextmanager
    def counting(self, count: Count) -> Iterator[Count]:
        """Give what reports to this process from any worker."""
        topic = f"cryofocus-{uuid4()}"
        self.client.subscribe_topic(topic, lambda event: count(event[1]))
        try:
            yield _Report(topic)
        finally:
            if self.client.status == "running":
                self.client.unsubscribe_topic(topic)

    def _workers(self) -> list[str]:
        workers = sorted(self.client.nthreads())
        if not workers:
            raise ClusterError(
                f"{self._address}: no worker is left. Start workers, and finish the run with "
                "--resume."
            )
        self.seen.update(workers)
        return workers

    @property
    def _address(self) -> str:
        return str(self.client.scheduler.address) if self.client.scheduler else "the cluster"

    def _call(
        self, function: Callable[[T, C, P], R], sharded: Sharded[T], common: C, parts: Sequence[P]
    ) -> list[Future]:
        """Call a function with every range's object; what they share travels once per worker."""
        shared = self._submit(_keep, Shared(common))
        return [
            self._submit(_apply, function, held, shared, Held(part))
            for held, part in zip(sharded.parts, parts, strict=True)
        ]

    def _finish(self, futures: Sequence[Future]) -> None:
        """Wait for results that stay where they are; raise what went wrong there."""
        self._watch(lambda seconds: self._are_done(futures, seconds))
        self._require_success(futures)

    def _are_done(self, futures: Sequence[Future], seconds: float) -> bool:
        """Wait up to so many seconds, and tell whether there are results or errors."""
        try:
            with self.client.as_current():
                wait(futures, timeout=seconds)
        except TimeoutError:
            return False
        return True

    def _require_success(self, futures: Sequence[Future]) -> None:
        for future in futures:
            if future.status != "finished":
                future.result()

    def _fetch(self, futures: Sequence[Future]) -> list[Any]:
        """Bring results here; raise what went wrong there."""
        self._finish(futures)
        coming = asyncio.run_coroutine_threadsafe(
            self.client.gather(futures, asynchronous=True), self.client.loop.asyncio_loop
        )
        self._watch(lambda seconds: bool(concurrent.futures.wait([coming], seconds).done))
        return [held.value for held in coming.result()]

    def _watch(self, is_done: Callable[[float], bool]) -> None:
        """Look after the workers until something is done; end when there are none for too long.

        Args:
            is_done: Waits up to so many seconds and tells whether it is done.
        """
        last_seen = time.monotonic()
        while not is_done(min(LOOK_SECONDS, self.wait_seconds)):
            self._notice_losses()
            if self.seen:
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > self.wait_seconds:
                raise ClusterError(
                    f"{self._address}: all workers were lost, and none came back within "
                    f"{self._patience}. The last cycle is kept: start workers, and finish the "
                    "run with --resume."
                )
        self._notice_losses()

    def _notice_losses(self) -> None:
        """Log which workers were lost since the last look, and when none is left."""
        there = set(self.client.nthreads())
        lost = self.seen - there
        for worker in sorted(lost):
            logger.warning("worker %s was lost; its part is recomputed from the images", worker)
        if lost and not there:
            logger.warning(
                "%s: no worker is left; waiting %s for a new one. Start one, or stop with Ctrl-C "
                "and finish the run with --resume.",
                self._address,
                self._patience,
            )
        self.seen.clear()
        self.seen.update(there)

    @property
    def _patience(self) -> str:
        return f"{self.wait_seconds / 60:g} minutes"

    def _add(self, first: Future, second: Future) -> Future:
        return self._submit(_plus, first, second)

    def _submit(
        self, function: Callable[..., Any], *arguments: Any, workers: str | None = None
    ) -> Future:
        # Not pure: whether arguments are equal to former ones is not asked.
        return self.client.submit(
            function, *arguments, pure=False, workers=workers, allow_other_workers=bool(workers)
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what can happen to a cluster into one message each."""
        address = self._address
        try:
            yield
        except KilledWorker as error:
            raise ClusterError(
                f"{error.last_worker.address}: {error.allowed_failures + 1} workers died over the "
                "same particles, most likely for want of memory. Give workers more memory, or "
                "start more of them so that each holds fewer particles; then finish the run with "
                "--resume."
            ) from error
        except MemoryError as error:
            raise ClusterError(
                f"{address}: a worker ran out of memory ({error}). Give workers more memory, or "
                "start more of them so that each holds fewer particles; then finish the run with "
                "--resume."
            ) from error
        except (CancelledError, CommClosedError) as error:
            raise ClusterError(
                f"{address}: the connection to the scheduler was lost. Check that it runs, and "
                "finish the run with --resume."
            ) from error


@dataclass(frozen=True)
class _Report:
    """Tells the client how many items are done."""

    topic: str

    def __call__(self, n_items: int) -> None:
        """Report."""
        get_worker().log_event(self.topic, int(n_items))


def _keep(held: Any) -> Any:
    return held


def _apply(
    function: Callable[[T, C, P], R], held: Held[T], common: Shared[C], part: Held[P]
) -> Held[R]:
    try:
        with _ONE_AT_A_TIME:
            return Held(function(held.value, common.value, part.value))
    except CryofocusError as error:
        raise type(error)(f"{error} (on worker {socket.gethostname()})") from error


def _plus(first: Held[S], second: Held[S]) -> Held[S]:
    return Held(operator.add(first.value, second.value))
