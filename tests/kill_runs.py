"""Kill commands at random moments, finish them, and compare with runs that nothing disturbed.

Usage: ``scripts/kill_test [N] [--seed S] [--only COMMAND ...]``. Every trial runs one command on a
tiny simulated set and sends KILL or TERM, either after a random time or at a random step on the
file system; in a third of the trials the attempt to finish is killed as well. Right afterwards
nothing under a final name may be less than whole, and the command, given again with --resume or
--overwrite, has to give the same results bit for bit, with nothing left over. A trial is repeated
by its seed and number: ``--seed S --first NUMBER 1``. What has been done is said on the way.

``--disk-full`` lets the disk be full from one write on, for every write of a command, or from
number ``--first`` on every so many (``--every``), and
``--memory`` bounds the address space from some moment on: one message, exit 2, and the command
given again as above.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from fault_injection import Fault, FaultyProcess
from faulty_commands import Attempt, Bench, running_scheduler

# How often commands are tried, where not as often as others: those that take long.
RARE = {
    **{"classify cluster": 0.1, "classify scheduler": 0.3},
    **{"classify auto": 0.5, "classify poses": 0.5},
}
# Address space beyond what a process has at the moment.
MEMORY_MB = (4, 20, 60)
MOMENTS = 5
NEVER = 10**9
SAID_EVERY = 10
# What was done, and what was wrong with it.
Result = tuple[list[str], list[str]]
# What may become of a command: it finished before the signal came, or the signal ended it; the
# loss of a worker ends none.
EXPECTED = {signal.SIGKILL: {0, -signal.SIGKILL}, signal.SIGTERM: {0, 128 + signal.SIGTERM}}
WORKERS = "classify cluster"  # has workers of its own


def main() -> int:
    """Do the trials that were asked for; return 1 if one failed."""
    parser = argparse.ArgumentParser(prog="scripts/kill_test", description=__doc__.split("\n")[0])
    parser.add_argument("trials", type=int, nargs="?", default=50, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first trial")
    parser.add_argument("--only", nargs="*", metavar="COMMAND")
    parser.add_argument("--disk-full", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="of so many writes, one is tried")
    parser.add_argument("--memory", action="store_true")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        FaultyProcess(Path(folder)) as process,
        running_scheduler() as scheduler,
    ):
        bench = Bench(Path(folder), process)
        bench.add_scheduler(scheduler)
        names = asked.only or list(bench.commands)
        if asked.disk_full:
            trials = (
                result
                for name in names
                for result in _fill_disk(bench, name, max(1, asked.first), asked.every)
            )
        elif asked.memory:
            trials = (result for name in names for result in _bound_memory(bench, name))
        else:
            numbers = range(asked.first, asked.first + asked.trials)
            trials = (_try(bench, names, asked.seed, number) for number in numbers)
        results = list(_counted(trials))
    n_failed = sum(bool(faults) for _, faults in results)
    done = Counter(what for kinds, _ in results for what in kinds)
    for what, count in sorted(done.items()):
        _say(f"{count:6d}  {what}")
    _say(f"{len(results)} trials, {n_failed} failed")
    return 1 if n_failed else 0


def _counted(trials: Iterator[Result]) -> Iterator[Result]:
    """Say now and then how many there were."""
    n_failed = 0
    for number, result in enumerate(trials, start=1):
        n_failed += bool(result[1])
        if number % SAID_EVERY == 0:
            _say(f"{number} so far, {n_failed} failed")
        yield result


def _fill_disk(bench: Bench, name: str, first: int, every: int) -> Iterator[Result]:
    """Let the disk be full from writes of a command on."""
    place = bench.place("counted")
    n_steps = bench.try_once(name, place, Fault("full", step=NEVER)).steps
    _say(f"{name}: {n_steps} writes")
    for step in range(first, n_steps + 1, every):
        yield _refuse(bench, name, Fault("full", step=step), f"disk full at write {step}")


def _bound_memory(bench: Bench, name: str) -> Iterator[Result]:
    """Bound the memory of a command by three sizes, each at moments all over its run."""
    bench.reference(name)
    for size in MEMORY_MB:
        for step in np.linspace(1, bench.steps[name], MOMENTS).astype(int).tolist():
            fault = Fault("memory", step=step, bytes=size << 20)
            yield _refuse(bench, name, fault, f"{size} MB more from step {step} on")


def _refuse(bench: Bench, name: str, fault: Fault, what: str) -> Result:
    """Run a command that lacks something, then finish it; return what was wrong."""
    bench.reference(name)
    place = bench.place("refused")
    attempt = bench.try_once(name, place, fault)
    faults = list(attempt.faults)
    last = (attempt.errors.strip().splitlines() or [""])[-1]
    n_errors = attempt.errors.count("Error: ")
    if attempt.status != 0 and (attempt.status, n_errors, last[:7]) != (2, 1, "Error: "):
        faults.append(f"exit {attempt.status}: {attempt.errors[-600:]}")
    faults += [f"given again: {one}" for one in bench.finish(name, place)]
    if faults:
        _say(f"{name}, {what}: {'; '.join(faults)}")
    ended = "finished" if attempt.status == 0 else "refused"
    return [f"{name}: {fault.kind}, {ended}"], faults


def _try(bench: Bench, names: list[str], seed: int, number: int) -> Result:
    """Kill a command, perhaps twice, and finish it; return what was done and what was wrong."""
    generator = np.random.default_rng([seed, number])
    weights = np.array([RARE.get(name, 1.0) for name in names])
    name = str(generator.choice(names, p=weights / weights.sum()))
    bench.reference(name)
    place, done, faults = bench.place(f"trial {number}"), [], []
    if generator.random() < bench.commands[name].replaced:
        bench.put_result(name, place)
    for attempt_number in range(1 + (generator.random() < 1 / 3)):
        fault, what = _draw_fault(bench, name, generator)
        if attempt_number > 0 and bench.is_done(name, place):
            break
        again = bench.again(name, place) if attempt_number > 0 else ""
        how = again or ("--overwrite" if any(place.iterdir()) else "")
        attempt = bench.try_once(name, place, fault, how)
        done.append(f"{name}: {what}, {'finished' if attempt.status == 0 else 'ended by it'}")
        faults += [f"after {what}: {one}" for one in _judge(attempt, fault)]
    faults += [f"given again: {one}" for one in bench.finish(name, place)]
    shutil.rmtree(place)
    if faults:
        _say(f"trial {number}, {name}: {'; '.join(faults)}")
    return done, faults


def _draw_fault(bench: Bench, name: str, generator: np.random.Generator) -> tuple[Fault, str]:
    number = signal.SIGKILL if generator.random() < 0.5 else signal.SIGTERM
    fault, what = Fault("kill", signal=number), number.name
    if name == WORKERS and generator.random() < 1 / 3:
        fault, what = replace(fault, target="worker"), f"{what} to a worker"
    if generator.random() < 0.5:
        step = int(generator.integers(1, bench.steps[name] + 1))
        return replace(fault, step=step), f"{what} at a step"
    seconds = float(generator.random() * bench.seconds[name])
    return replace(fault, seconds=seconds), f"{what} after a time"


def _judge(attempt: Attempt, fault: Fault) -> list[str]:
    """Return what is wrong with how a command ended and with what it left."""
    faults = list(attempt.faults)
    if attempt.status == -signal.SIGTERM and attempt.steps == 0:
        return faults  # before the command began to listen
    expected = {0} if fault.target == "worker" else EXPECTED[signal.Signals(fault.signal)]
    if attempt.status not in expected:
        faults.append(f"exit {attempt.status}: {attempt.errors[-300:]}")
    if any(word in attempt.errors for word in ("Traceback", "UserWarning")):
        faults.append(f"more than a message: {attempt.errors[-300:]}")
    return faults


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
