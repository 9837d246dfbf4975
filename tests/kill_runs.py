"""Kill commands at random moments, finish them, and compare with runs that nothing disturbed.

Usage: ``scripts/kill_test [N] [--seed S] [--only COMMAND ...]``. Every trial runs one command on a
tiny simulated set and sends KILL or TERM, either after a random time or at a random step on the
file system; in a third of the trials the attempt to finish is killed as well. Right afterwards
nothing under a final name may be less than whole, and the command, given again with --resume or
--overwrite, has to give the same results bit for bit, with nothing left over. A trial is repeated
by its seed and number: ``--seed S --first NUMBER 1``.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from fault_injection import Fault, FaultyProcess
from faulty_commands import Attempt, Bench

# Of all trials, on a cluster, whose workers take seconds to start.
RARE = {"classify cluster": 0.3}
# What may become of a command: it finished before the signal came, or the signal ended it.
EXPECTED = {signal.SIGKILL: {0, -signal.SIGKILL}, signal.SIGTERM: {0, 128 + signal.SIGTERM}}


def main() -> int:
    """Do the trials that were asked for; return 1 if one failed."""
    parser = argparse.ArgumentParser(prog="scripts/kill_test", description=__doc__.split("\n")[0])
    parser.add_argument("trials", type=int, nargs="?", default=50, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first trial")
    parser.add_argument("--only", nargs="*", metavar="COMMAND")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, FaultyProcess(Path(folder)) as process:
        bench = Bench(Path(folder), process)
        names = asked.only or list(bench.commands)
        done: Counter[str] = Counter()
        n_failed = 0
        for number in range(asked.first, asked.first + asked.trials):
            name, faults = _try(bench, names, asked.seed, number, done)
            if faults:
                n_failed += 1
                _say(f"trial {number}, {name}: {'; '.join(faults)}")
        for name, count in sorted(done.items()):
            _say(f"{count:6d}  {name}")
        _say(f"{asked.trials} trials, {n_failed} failed (seed {asked.seed})")
    return 1 if n_failed else 0


def _try(
    bench: Bench, names: list[str], seed: int, number: int, done: Counter[str]
) -> tuple[str, list[str]]:
    """Kill a command, perhaps twice, and finish it; return what was wrong."""
    generator = np.random.default_rng([seed, number])
    weights = np.array([RARE.get(name, 1.0) for name in names])
    name = str(generator.choice(names, p=weights / weights.sum()))
    bench.reference(name)
    place, faults = bench.place(f"trial {number}"), []
    if bench.commands[name].appears_whole and generator.random() < 0.5:
        bench.put_result(name, place)
    for attempt_number in range(1 + (generator.random() < 1 / 3)):
        fault, what = _draw_fault(bench, name, generator)
        again = attempt_number > 0 or any(place.iterdir())
        attempt = bench.try_once(name, place, fault, again=again)
        done[f"{name}: {what}, {'finished before' if attempt.status == 0 else 'ended by it'}"] += 1
        faults += [f"after {what}: {one}" for one in _judge(attempt, fault)]
    faults += [f"given again: {one}" for one in bench.finish(name, place)]
    shutil.rmtree(place)
    return name, faults


def _draw_fault(bench: Bench, name: str, generator: np.random.Generator) -> tuple[Fault, str]:
    number = signal.SIGKILL if generator.random() < 0.5 else signal.SIGTERM
    if generator.random() < 0.5:
        step = int(generator.integers(1, bench.steps[name] + 1))
        return Fault("kill", step=step, signal=number), f"{number.name} at a step"
    seconds = float(generator.random() * bench.seconds[name])
    return Fault("kill", signal=number, seconds=seconds), f"{number.name} after a time"


def _judge(attempt: Attempt, fault: Fault) -> list[str]:
    """Return what is wrong with how a command ended and with what it left."""
    faults = list(attempt.faults)
    if attempt.status not in EXPECTED[signal.Signals(fault.signal)]:
        faults.append(f"exit {attempt.status}: {attempt.errors[-300:]}")
    if attempt.status == 128 + signal.SIGTERM and "Traceback" in attempt.errors:
        faults.append(f"a traceback: {attempt.errors[-300:]}")
    return faults


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
