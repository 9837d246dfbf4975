"""The same functions on worker processes: same order, same sums, same errors."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryofocus.errors import ClusterError, ParticleError
from cryofocus.execution.contract import Count, Sharded
from cryofocus.execution.dask import Dask, Held
from cryofocus.execution.serial import Serial

distributed = pytest.importorskip("distributed")

ITEMS = np.random.default_rng(0).standard_normal(1001).astype(np.float32)


@pytest.fixture(scope="module")
def dask() -> Iterator[Dask]:
    """Three worker processes."""
    with (
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=2, dashboard_address=":0", memory_limit="1GB"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield Dask(client)


def scaled(held: np.ndarray, common: np.float32, part: np.ndarray) -> np.ndarray:
    """Multiply what is held."""
    return np.asarray(held * common + part)


def summed(held: np.ndarray, common: np.float32, part: np.ndarray) -> np.floating:
    """Sum in single precision, whose rounding shows the order."""
    return scaled(held, common, part).sum()


def counted(held: np.ndarray, common: Count, part: None) -> int:
    """Report every item on its own."""
    for _ in held:
        common(1)
    return len(held)


def kept(held: np.ndarray, common: np.ndarray, part: None) -> np.ndarray:
    """Make the same once more."""
    return held


def whereabouts(held: np.ndarray, common: Any, part: None) -> int:
    """Tell which process holds a range."""
    return os.getpid()


def failing(held: np.ndarray, common: str, part: None) -> int:
    """Fail as a reader does."""
    raise ParticleError(common)


def starving(held: np.ndarray, common: None, part: None) -> int:
    """Ask for more memory than there is."""
    raise MemoryError("Unable to allocate 1 TiB")


def dying(held: np.ndarray, common: None, part: None) -> int:
    """Die as a process does that takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def dying_once(held: np.ndarray, common: tuple[Path, np.ndarray], part: None) -> np.ndarray:
    """Die in the middle of the work, unless somebody has before."""
    with suppress(FileExistsError):
        common[0].touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)
    return held


def ask(dask: Dask, function: Any, common: Any = None, **how: Sharded[np.ndarray]) -> list[Any]:
    """Call a function with every range, of the numbers unless others are given."""
    sharded = how.get("sharded") or shard(dask)
    return dask.map(function, sharded, common, [None] * len(sharded.ranges))


def shard(executor: Dask | Serial) -> Sharded[np.ndarray]:
    """Lay numbers out."""
    ranges = executor.ranges(len(ITEMS))
    return executor.place([ITEMS[rows] for rows in ranges], ranges)


@pytest.mark.parametrize("n_ranges", [None, 2, 5])
def test_same_numbers_as_serial(dask: Dask, n_ranges: int | None) -> None:
    """Order and rounding are those of one process with as many ranges, one a worker or not."""
    results = []
    for executor in (replace(dask, n_ranges=n_ranges), Serial(n_ranges or 3)):
        sharded = shard(executor)
        parts = [np.ones(rows.stop - rows.start, np.float32) for rows in sharded.ranges]
        made = executor.build(scaled, sharded, np.float32(1.7), parts)
        mapped = np.concatenate(executor.map(scaled, made, np.float32(0.3), parts))
        results.append((mapped, executor.reduce(summed, made, np.float32(0.3), parts)))
    (first, first_sum), (second, second_sum) = results
    np.testing.assert_array_equal(first, second)
    assert first_sum == second_sum


def test_work_goes_to_the_objects(dask: Dask) -> None:
    """Every range stays with one worker, and each worker has one."""
    sharded = shard(dask)
    first, second = (ask(dask, whereabouts, sharded=sharded) for _ in range(2))
    assert first == second
    assert len(set(first)) == 3


def test_large_arguments_do_not_attract_work(dask: Dask) -> None:
    """Work and what it builds stay with the range, even if what all ranges share is larger."""
    large = np.zeros(10**6)
    for _ in range(5):
        sharded = shard(dask)
        there = ask(dask, whereabouts, sharded=sharded)
        assert len(set(there)) == 3
        assert ask(dask, whereabouts, large, sharded=sharded) == there
        made = dask.build(kept, sharded, large, [None] * len(sharded.ranges))
        assert ask(dask, whereabouts, sharded=made) == there


def test_items_are_counted_here(dask: Dask) -> None:
    """What functions report on workers arrives in this process."""
    seen: list[int] = []
    with dask.counting(seen.append) as count:
        done = ask(dask, counted, count)
        for _ in range(100):
            if sum(seen) == sum(done):
                break
            time.sleep(0.02)
    assert sum(seen) == sum(done) == len(ITEMS)


def test_the_scheduler_knows_how_large_objects_are() -> None:
    """An object weighs what its arrays do, wherever in it they are."""
    weight = Held({"a": (np.zeros(1000), [np.zeros(10, np.int8)])}).__sizeof__()
    assert 8010 < weight < 9000


def test_a_lost_worker_is_replaced(dask: Dask) -> None:
    """Objects of a killed worker are recomputed, to the same numbers."""
    sharded = shard(dask)
    parts = [np.ones(rows.stop - rows.start, np.float32) for rows in sharded.ranges]
    made = dask.build(scaled, sharded, np.float32(2), parts)
    before = np.concatenate(dask.map(scaled, made, np.float32(1), parts))
    victim = ask(dask, whereabouts, sharded=made)[1]
    os.kill(victim, signal.SIGKILL)
    after = np.concatenate(dask.map(scaled, made, np.float32(1), parts))
    np.testing.assert_array_equal(after, before)
    assert victim not in ask(dask, whereabouts, sharded=made)


def test_a_worker_is_lost_while_it_builds(dask: Dask, tmp_path: Path) -> None:
    """What it was making is made elsewhere, large shared arguments and all."""
    sharded = shard(dask)
    common = (tmp_path / "died", np.zeros(10**6))
    made = dask.build(dying_once, sharded, common, [None] * len(sharded.ranges))
    assert common[0].is_file()
    results = ask(dask, kept, sharded=made)
    np.testing.assert_array_equal(np.concatenate(results), ITEMS)


def test_errors_say_where(dask: Dask) -> None:
    """A deliberate error arrives as itself, with the name of the machine."""
    sharded = shard(dask)
    with pytest.raises(ParticleError, match=r"^stack\.mrcs: gone \(on worker .+\)$"):
        ask(dask, failing, "stack.mrcs: gone")
    with pytest.raises(ParticleError, match=r"^stack\.mrcs: gone \(on worker .+\)$"):
        dask.build(failing, sharded, "stack.mrcs: gone", [None] * len(sharded.ranges))


def test_a_worker_without_memory(dask: Dask) -> None:
    """Whether it says so or dies of it, the user reads one message."""
    with pytest.raises(ClusterError, match=r"a worker ran out of memory \(Unable to allocate"):
        ask(dask, starving)
    with pytest.raises(ClusterError, match="4 workers died over the same particles, most likely"):
        ask(dask, dying)


@pytest.fixture
def lonely() -> Iterator[Any]:
    """A cluster of one worker."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0"
    ) as cluster:
        yield cluster


def test_all_workers_are_lost(lonely: Any, caplog: pytest.LogCaptureFixture) -> None:
    """After the time it is told to wait, it ends with what to do; nobody waits without limit."""
    with distributed.Client(lonely) as client:
        dask = Dask(client, wait_seconds=0.6)
        sharded = shard(dask)
        lonely.scale(0)
        with pytest.raises(ClusterError) as raised:
            ask(dask, whereabouts, sharded=sharded)
    assert str(raised.value) == (
        f"{lonely.scheduler_address}: all workers were lost, and none came back within 0.01 "
        "minutes. The last cycle is kept: start workers, and finish the run with --resume."
    )
    assert (
        "no worker is left; waiting 0.01 minutes for a new one. Start one, or stop" in caplog.text
    )


def test_all_workers_are_lost_before_anything_is_placed(
    lonely: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects that were meant for a worker that is gone are taken by whoever comes."""
    monkeypatch.setattr("cryofocus.execution.dask.LOOK_SECONDS", 0.2)
    with distributed.Client(lonely) as client:
        dask = Dask(client)
        gone = list(client.nthreads())
        lonely.scale(0)
        while client.nthreads():
            time.sleep(0.05)
        monkeypatch.setattr(Dask, "_workers", lambda _: gone)
        later = threading.Timer(1, lonely.scale, (1,))
        later.start()
        sharded = dask.place([ITEMS], [slice(0, len(ITEMS))])
        later.join()
        (found,) = ask(dask, kept, sharded=sharded)
    np.testing.assert_array_equal(found, ITEMS)


def test_a_worker_comes_after_all_were_lost(
    lonely: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes in time makes everything anew."""
    monkeypatch.setattr("cryofocus.execution.dask.LOOK_SECONDS", 0.2)
    with distributed.Client(lonely) as client:
        dask = Dask(client, wait_seconds=120)
        sharded = shard(dask)
        lonely.scale(0)
        later = threading.Timer(2, lonely.scale, (1,))
        later.start()
        (found,) = ask(dask, kept, sharded=sharded)
        later.join()
    np.testing.assert_array_equal(found, ITEMS)
    assert "no worker is left; waiting 2 minutes for a new one." in caplog.text
