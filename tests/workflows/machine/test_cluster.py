"""Classification on workers: the serial result, whatever happens to a worker."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryofocus.data.mrc import read_header
from cryofocus.errors import ClusterError, InputError, Interrupted, OutputError
from cryofocus.extras import install_command
from cryofocus.inference.factors import model
from cryofocus.report.run.results import read_results
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.machine.cluster import (
    describe_cluster,
    find_version_faults,
)
from cryofocus.workflows.machine.cluster_choice import LocalWorkers
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.resources import open_machine
from cryofocus.workflows.machine.slurm_jobs import SlurmSettings
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import Cluster, Worker
from cryofocus.workflows.run.writing import require_free_space
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from make_request import MakeRequest
from stopping import Accident, Accidents, assert_same

distributed = pytest.importorskip("distributed")

# Sums are added in another order, in single precision.
QUICK = {"strategy": "subtract", "n_runs": 1}
POSTERIOR_BOUND, MAP_BOUND = 1e-4, 1e-5


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a scheduler with two workers, as a user would have started it."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit="2GB"
    ) as cluster:
        yield cluster.scheduler_address


def read_map(path: Path) -> np.ndarray:
    """Return the values of a map."""
    return np.asarray(read_header(path).open(), np.float32)


def require_same(found: RunDirectory, expected: RunDirectory) -> None:
    """Compare two runs within the stated bounds."""
    one, other = read_results(found), read_results(expected)
    assert np.abs(one.posteriors - other.posteriors).max() < POSTERIOR_BOUND
    for name in ("class001.mrc", "class002_half1.mrc", "consensus.mrc"):
        a, b = read_map(found.path / name), read_map(expected.path / name)
        assert np.abs(a - b).max() < MAP_BOUND * np.abs(b).max()


def kill_a_worker(address: str) -> None:
    """Kill the process of one worker, as a node that goes down does."""
    with distributed.Client(address, set_as_default=False) as client:
        victim = next(iter(client.run(os.getpid).values()))
    os.kill(victim, signal.SIGKILL)


@pytest.fixture(scope="module")
def there(
    scheduler: str,
    small_set: SimulatedSet,
    ask: MakeRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> RunDirectory:
    """A classification on two workers that nothing disturbed."""
    request = ask(small_set, cluster=scheduler, settings=QUICK)
    return classify(request, tmp_path_factory.mktemp("there") / "RUN")


def test_same_result_on_two_workers(
    scheduler: str, there: RunDirectory, small_set: SimulatedSet, ask: MakeRequest, tmp_path: Path
) -> None:
    """Two workers give the posteriors and maps of one process, within the bounds."""
    here = classify(ask(small_set, settings=QUICK), tmp_path / "RUN")
    require_same(there, here)
    assert f"computing on 2 workers of {scheduler}, 2 threads each" in there.log.read_text()
    worker = Worker(host="127.0.0.1", threads=1, memory_limit_gb=2.0)
    assert there.read_job().cluster == Cluster(
        kind="scheduler", n_workers=2, threads=2, workers=(worker, worker)
    )
    assert here.read_job().cluster is None


def test_same_classes_merge_on_two_workers(
    scheduler: str,
    small_set: SimulatedSet,
    ask: MakeRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So they do with a flexible background, and with more classes than there are."""
    monkeypatch.setattr(model, "MAX_CYCLES", 6)
    settings = {"n_runs": 1, "background": "flexible", "n_classes": 5}
    here, there = (
        classify(ask(small_set, cluster=cluster, settings=settings), tmp_path / name)
        for name, cluster in (("here", None), ("there", scheduler))
    )
    require_same(there, here)
    counts = {run.read_job().n_effective_classes for run in (here, there)}
    assert counts == {2}


def test_a_worker_and_then_the_run_are_killed(
    scheduler: str, there: RunDirectory, small_set: SimulatedSet, ask: MakeRequest, tmp_path: Path
) -> None:
    """What a lost worker held is recomputed, and nothing changes in the result, bit for bit.

    What lies on disk at a moment is all that a killed process leaves: a copy of it is resumed.
    """
    request = ask(small_set, cluster=scheduler, settings=QUICK)
    killed = tmp_path / "KILLED"

    def kill() -> None:
        shutil.copytree(tmp_path / "RUN", killed)
        raise KeyboardInterrupt

    accidents = Accidents(
        Accident("run 1 of 1", 3, lambda: kill_a_worker(scheduler)),
        Accident("run 1 of 1", 6, kill),
    )
    with pytest.raises(Interrupted):
        classify(request, tmp_path / "RUN", progress=accidents)
    with distributed.Client(scheduler, set_as_default=False) as client:
        client.wait_for_workers(2)
    assert not RunDirectory.open(killed).job.exists()
    resumed = classify(request, killed, resume=True)
    assert_same(resumed, there)
    assert resumed.read_job().n_processes == 2


def test_a_stack_disappears_and_the_run_is_resumed(
    scheduler: str,
    simulate: Callable[..., SimulatedSet],
    ask: MakeRequest,
    finished: RunDirectory,
    tmp_path: Path,
) -> None:
    """A worker that cannot read a stack says which and where; back again, the run is finished."""
    simulated = simulate()
    stack = simulated.directory / "particles.mrcs"
    hidden = stack.with_suffix(".hidden")

    def lose() -> None:
        shutil.move(stack, hidden)
        kill_a_worker(scheduler)

    request = ask(simulated, cluster=scheduler)
    with pytest.raises(InputError, match=r"particles\.mrcs: cannot be read.+\(on worker .+\)$"):
        classify(request, tmp_path / "RUN", progress=Accident("run 2 of 2", 2, lose))
    shutil.move(hidden, stack)
    run = classify(request, tmp_path / "RUN", resume=True)
    require_same(run, finished)


def test_no_room_for_statistics_on_disk(
    scheduler: str,
    small_set: SimulatedSet,
    ask: MakeRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker whose part of the statistics does not fit on the disk says so."""
    monkeypatch.setattr("cryofocus.consensus.band_search.require_memory", lambda *_: None)
    with distributed.Client(scheduler, set_as_default=False) as client:
        client.run(_fill_the_disk)
    try:
        with pytest.raises(OutputError, match=r"free.+\(on worker .+\)$"):
            classify(ask(small_set, cluster=scheduler, memory_gb=1e-3), tmp_path / "RUN")
    finally:
        with distributed.Client(scheduler, set_as_default=False) as client:
            client.run(_empty_the_disk)


def _fill_the_disk() -> None:
    from cryofocus.workflows.classify import statistics_store

    def refuse(folder: Path, n_bytes: int, **words: str) -> None:
        require_free_space(folder, n_bytes + 10**18, **words)

    statistics_store.require_free_space = refuse


def _empty_the_disk() -> None:
    from cryofocus.workflows.classify import statistics_store

    statistics_store.require_free_space = require_free_space


def test_a_scheduler_that_goes_away(
    small_set: SimulatedSet, ask: MakeRequest, finished: RunDirectory, tmp_path: Path
) -> None:
    """What was reached is kept, and any machine can finish it."""
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0")
    accident = Accident("run 2 of 2", 2, cluster.close)
    with pytest.raises(ClusterError, match=r"connection to the scheduler was lost.+--resume\.$"):
        classify(
            ask(small_set, cluster=cluster.scheduler_address), tmp_path / "RUN", progress=accident
        )
    run = classify(ask(small_set), tmp_path / "RUN", resume=True)
    require_same(run, finished)


def test_all_workers_go_away(
    small_set: SimulatedSet,
    ask: MakeRequest,
    finished: RunDirectory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits for workers without limit; what was reached is kept."""
    monkeypatch.setattr("cryofocus.execution.dask.WAIT_SECONDS", 1.2)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0"
    ) as cluster:
        accident = Accident("run 2 of 2", 2, lambda: cluster.scale(0))
        request = ask(small_set, cluster=cluster.scheduler_address)
        with pytest.raises(ClusterError, match=r"none came back within 0\.02 minutes\. The last"):
            classify(request, tmp_path / "RUN", progress=accident)
    run = classify(ask(small_set), tmp_path / "RUN", resume=True)
    require_same(run, finished)
    assert "no worker is left; waiting 0.02 minutes for a new one." in run.log.read_text()


def test_no_scheduler_answers(
    small_set: SimulatedSet, ask: MakeRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong address is one message, before anything is written."""
    monkeypatch.setattr("cryofocus.workflows.machine.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(ClusterError) as raised:
        classify(ask(small_set, cluster="tcp://127.0.0.1:9"), tmp_path / "RUN")
    assert str(raised.value) == (
        "tcp://127.0.0.1:9: no Dask scheduler answers (Timed out trying to connect to "
        "tcp://127.0.0.1:9 after 1 s). Start one with 'dask scheduler' and workers with 'dask "
        "worker ADDRESS', or correct the address."
    )
    assert not (tmp_path / "RUN").exists()


def test_a_scheduler_without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that has nobody to do the work is no help."""
    monkeypatch.setattr("cryofocus.workflows.machine.cluster.CONNECT_SECONDS", 1)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        pytest.raises(
            ClusterError, match=r"no worker within 1 seconds\. Start some with 'dask wor"
        ),
        open_machine(Machine(cluster=cluster.scheduler_address)),
    ):
        pass


def test_what_is_recorded_of_a_cluster() -> None:
    """Host, threads and memory of each worker, in order; nothing else that the scheduler tells."""
    info = {"name": "secret", "local_directory": "/home/me", "resources": {}}
    workers = [
        {**info, "host": "10.0.0.2", "nthreads": 16, "memory_limit": 64 * 10**9},
        {**info, "host": "10.0.0.1", "nthreads": 8, "memory_limit": 0},
    ]
    settings = SlurmSettings(workers=2, cores=16, memory="64GB")
    record = describe_cluster(settings, workers)
    assert record.model_dump() == {
        "kind": "slurm",
        "n_workers": 2,
        "threads": 8,
        "workers": (
            {"host": "10.0.0.1", "threads": 8, "memory_limit_gb": None},
            {"host": "10.0.0.2", "threads": 16, "memory_limit_gb": 64.0},
        ),
    }
    assert describe_cluster(LocalWorkers(2), workers, threads=4).kind == "local"


def test_workers_that_end_as_they_start() -> None:
    """A run does not begin without workers, even if there were some a moment ago."""
    with pytest.raises(ClusterError, match=r"^cluster: all workers ended .+ \(ulimit -v, "):
        describe_cluster(LocalWorkers(2), [])


def test_this_process_by_its_name() -> None:
    """Where no cluster is wanted, nothing is started."""
    with open_machine(Machine(cluster="none", threads=3)) as resources:
        assert (resources.place, resources.threads) == ("this process", 3)
        assert resources.cluster is None


def versions(**changes: str | None) -> dict[str, Any]:
    """Versions as a worker reports them."""
    same = {"python": "3.12.1.final.0", "cryofocus": "0.1.0", "numpy": "2.4.6", "numba": "0.68.1"}
    return {"packages": {**same, "distributed": "2026.8.0", **changes}}


def test_other_versions_are_named() -> None:
    """Who has which version of what is said; a patch level of Python does not matter."""
    workers = {
        "tcp://a:1": versions(python="3.12.9.final.0"),
        "tcp://b:2": versions(numpy="1.26.0", cryofocus=None),
    }
    answer = {"client": versions(), "scheduler": versions(numba="0.61.0"), "workers": workers}
    assert find_version_faults(answer) == [
        "the scheduler has numba 0.61.0 instead of 0.68.1",
        "tcp://b:2 has cryofocus missing instead of 0.1.0, numpy 1.26.0 instead of 2.4.6",
    ]


def test_workers_of_another_version_are_refused(
    scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Functions mean nothing to another version: the run does not start."""
    monkeypatch.setattr(
        "cryofocus.workflows.machine.cluster.find_version_faults",
        lambda _: ["tcp://b:2 has numpy 1.26.0 instead of 2.4.6"],
    )
    with pytest.raises(ClusterError) as raised, open_machine(Machine(cluster=scheduler)):
        pass
    assert str(raised.value) == (
        f"{scheduler}: tcp://b:2 has numpy 1.26.0 instead of 2.4.6. Workers must run the same "
        "versions: start them from the environment of this program."
    )


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not installed what clusters need reads how to."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError) as raised, open_machine(Machine(cluster="local")):
        pass
    assert str(raised.value) == (
        "cluster: needs Dask, which is not installed (distributed). Leave --cluster out, or "
        f"install it with: {install_command('cluster')}"
    )


def test_workers_of_this_machine() -> None:
    """local:N starts so many processes and ends them; memory is a part of what each has."""
    with open_machine(Machine(cluster="local:2", threads=1)) as resources:
        assert len(resources.executor.ranges(100)) == 2
        assert resources.threads == 1
        assert resources.memory_gb is not None
