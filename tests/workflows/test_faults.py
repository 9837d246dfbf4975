"""Commands that are killed or run out of disk at chosen moments end as if nothing had happened.

`scripts/kill_test` does the same at random moments, for every command.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from cryofocus.workflows.run.directory import RunDirectory
from fault_injection import Fault, FaultyProcess
from faulty_commands import Bench

TERMINATED = 128 + signal.SIGTERM


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """What runs commands with faults, on a tiny set."""
    folder = tmp_path_factory.mktemp("faults")
    with FaultyProcess(folder) as process:
        yield Bench(folder, process)


def at(name: str, step: int = 1, number: int = signal.SIGKILL) -> Fault:
    """Send a signal when something is done to a file."""
    return Fault("kill", name=name, step=step, signal=number)


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("classify", at("checkpoint.npz", 5)),
        ("subtract", at("particles.star")),
        ("reconstruct", at("out_half1.mrc", 2, signal.SIGTERM)),
        ("convert", at("out.cs", 2)),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_killed_commands_are_finished(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory, command: str, fault: Fault
) -> None:
    """Nothing partial lies under a final name, and given again the result is the same."""
    place = bench.place(tmp_path_factory.mktemp("trial").name)
    attempt = bench.try_once(command, place, fault)
    assert attempt.status in (-signal.SIGKILL, TERMINATED)
    assert attempt.faults == ()
    assert bench.finish(command, place) == []


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("classify", "job.json"),
        ("subtract", "report.html"),
        ("reconstruct", "out_half2.mrc"),
    ],
)
def test_full_disks_are_a_message(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory, command: str, name: str
) -> None:
    """One message names the file, nothing partial stays, and again gives the same result."""
    place = bench.place(tmp_path_factory.mktemp("trial").name)
    attempt = bench.try_once(command, place, Fault("full", name=name, step=2))
    assert attempt.status == 2
    last = attempt.errors.splitlines()[-1]
    assert last.startswith("Error: out")
    assert "disk full while writing; nothing was overwritten" in last
    assert attempt.faults == ()
    assert not list(place.rglob(".*"))
    assert bench.finish(command, place) == []


def test_a_replaced_result_stays_until_the_new_is_whole(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Killed while it replaces a directory, a command leaves the former one whole."""
    place = bench.place(tmp_path_factory.mktemp("trial").name)
    bench.reference("subtract")
    bench.put_result("subtract", place)
    fault = at("report.html", number=signal.SIGTERM)
    attempt = bench.try_once("subtract", place, fault, "--overwrite")
    assert (attempt.status, attempt.faults) == (TERMINATED, ())
    assert bench.is_done("subtract", place)


@pytest.mark.parametrize("name", ["config.yaml", "checkpoint.npz"])
def test_a_replaced_run_stays_until_the_new_can_be_resumed(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    """Killed before its first state is kept, a classification leaves the run it replaces."""
    place = bench.place(tmp_path_factory.mktemp("trial").name)
    bench.reference("classify")
    bench.put_result("classify", place)
    words = (*bench.commands["classify"].words, "--overwrite", "--seed", "7")
    assert bench.run(words, place, at(name)).status == -signal.SIGKILL
    RunDirectory.open(place / "out")
    assert bench.is_done("classify", place)
    assert not list(place.rglob(".*"))
