"""Commands in processes of their own, which are killed or refused disk or memory on the way.

`FaultyProcess` keeps one process that has everything imported, and has it fork for every command:
a command then costs what it does, and not the second that imports take. Moments are counted in
steps, each of them something done to the file system under one folder, so that the same fault
happens at the same place every time.
"""

from __future__ import annotations

import errno
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

FILE_EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "fsync"}
# A command that takes longer hangs, and is killed.
LONGEST_SECONDS = 900.0
# Whatever a command started has to end within this time after it.
PATIENCE_SECONDS = 20.0
# What the worker processes of `--cluster local` run.
WORKER = "spawn_main"
ROOMY_BYTES = 1 << 45
# Of these a full disk refuses.
GROWING = {"open", "os.mkdir", "fsync", "write"}


@dataclass(frozen=True)
class Fault:
    """What happens to a command.

    Attributes:
        kind: `kill` sends a signal, `full` lets the disk be full from then on, `memory` bounds the
            address space from then on; `none` only counts.
        step: Number of the step that it happens at, from 1.
        name: If given, only steps on files of this final name count.
        signal: What is sent.
        seconds: Send it after this time instead.
        target: Whom it is sent to: the command, or one of the workers that it started; to nobody
            before there are workers.
        bytes: Address space beyond what the process has.
    """

    kind: Literal["none", "kill", "full", "memory"] = "none"
    step: int = 1
    name: str = ""
    signal: int = signal.SIGKILL
    seconds: float | None = None
    target: Literal["command", "worker"] = "command"
    bytes: int = 0


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: Exit status; minus the number of the signal that killed it.
        steps: Steps it did.
        errors: What it said on standard error.
        left: Processes that outlived it, by what they run.
    """

    status: int
    steps: int
    errors: str
    left: tuple[str, ...]


class FaultyProcess:
    """A process that runs commands of cryofocus in forks of itself.

    Args:
        folder: Steps are counted on files under it; commands start in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> FaultyProcess:
        """Give itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def run(
        self, arguments: Sequence[str | Path], fault: Fault | None = None, *, inside: str = "."
    ) -> Ended:
        """Run a command with a fault in a folder below the process's, and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        words = [str(one) for one in arguments]
        job = {"arguments": words, "fault": asdict(fault or Fault()), "inside": inside}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        ended = json.loads(self._process.stdout.readline())
        return Ended(**{**ended, "left": tuple(ended["left"])})


class _Steps:
    """Counts what is done to files under a folder, and lets the fault happen."""

    def __init__(self, folder: str, fault: Fault, report: int) -> None:
        self._folder, self._fault, self._report = folder, fault, report
        self.count = 0
        self._is_full = False

    def watch(self) -> None:
        """Begin."""
        sync, opened = os.fsync, io.open
        os.fsync = lambda descriptor: (self.step("fsync", _path_of(descriptor)), sync(descriptor))[
            1
        ]
        if self._fault.kind == "full":

            def open_counted(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
                if mode != "wb" or rest or str(file).startswith("/proc"):
                    return opened(file, mode, *rest, **options)
                return io.BufferedWriter(_CountedFile(file, self))

            io.open = open_counted
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in FILE_EVENTS:
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        if isinstance(arguments[0], str | bytes | os.PathLike):
            self.step(event, os.fsdecode(arguments[0]))

    def step(self, event: str, path: str) -> None:
        """Count a step on a file, and let happen what shall."""
        if not os.path.abspath(path).startswith(self._folder):
            return
        fault = self._fault
        if fault.kind == "full" and event not in GROWING:
            return
        if fault.name and fault.name not in os.path.basename(path):
            return
        self.count += 1
        os.pwrite(self._report, f"{self.count:12d}".encode(), 0)
        is_due = self.count == fault.step and fault.seconds is None
        if fault.kind == "kill" and is_due:
            _kill(os.getpid(), fault)
        if fault.kind == "memory" and is_due:
            _bound_memory(fault.bytes)
        self._is_full |= fault.kind == "full" and is_due
        if self._is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


class _CountedFile(io.FileIO):
    """A file whose writes are steps."""

    def __init__(self, path: Any, steps: _Steps) -> None:
        super().__init__(path, "wb")
        self._steps = steps

    def write(self, data: Any) -> int:
        self._steps.step("write", os.fspath(self.name))
        return super().write(data)


def _bound_memory(more: int) -> None:
    """Allow the process so many bytes of address space beyond what it has."""
    with open("/proc/self/statm", encoding="ascii") as pages:
        used = int(pages.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))


def _path_of(descriptor: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""


def _serve(folder: str) -> None:
    """Fork for every command that is asked for on standard input."""
    # Everything commands import, but nothing run yet: threads do not survive a fork.
    import cryofocus.api.analyses
    import cryofocus.api.classification
    import cryofocus.report.run.page
    from cryofocus.cli.main import main
    from cryofocus.cli.signals import PASSING

    PASSING.add(__name__)  # what is sent at a step is sent by the code that does the step
    if find_spec("distributed"):
        import cryofocus.execution.private
    del cryofocus
    for line in sys.stdin:
        job = json.loads(line)
        fault = Fault(**job["fault"])
        with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as report:
            child = os.fork()
            if child == 0:
                os.chdir(Path(folder, job["inside"]))
                _run(main, job["arguments"], fault, folder, errors.fileno(), report.fileno())
            timers = [threading.Timer(LONGEST_SECONDS, _kill, (child, Fault("kill")))]
            if fault.seconds is not None:
                timers.append(threading.Timer(fault.seconds, _kill, (child, fault)))
            for timer in timers:
                timer.start()
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            for timer in timers:
                timer.cancel()
            left = _end_survivors(child)
            errors.seek(0)
            said = errors.read().decode(errors="replace")
            steps = int(os.pread(report.fileno(), 12, 0) or 0)
            ended = {"status": status, "steps": steps, "errors": said, "left": left}
            sys.stdout.write(json.dumps(ended) + "\n")
            sys.stdout.flush()


def _kill(command: int, fault: Fault) -> None:
    """Send the signal of a fault to a command, or to the first of its workers."""
    targets = [command]
    if fault.target == "worker":
        session = _session(command)
        targets = [one for one, (parent, runs) in session.items() if parent == command]
        targets = [one for one in sorted(targets) if WORKER in session[one][1]][:1]
    for process in targets:
        with suppress(ProcessLookupError):
            os.kill(process, fault.signal)


def _end_survivors(command: int) -> list[str]:
    """Wait for what a command started to end; kill what does not, and say what it runs."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (left := _session(command)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in left:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return [runs for _, runs in left.values()]


def _session(command: int) -> dict[int, tuple[int, str]]:
    """Return parent and command line of every process that runs in the session of a command."""
    found = {}
    for number in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            state = Path("/proc", number, "stat").read_text().rpartition(")")[2].split()
            if state[0] != "Z" and int(state[3]) == command:
                runs = Path("/proc", number, "cmdline").read_text().replace("\0", " ")
                found[int(number)] = (int(state[1]), runs)
    return found


def _run(  # what a child process is given
    main: Callable[[], None],
    arguments: list[str],
    fault: Fault,
    folder: str,
    errors: int,
    report: int,
) -> None:
    """Run a command, in a session of its own, and leave the process."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for old, new in ((nowhere, 0), (nowhere, 1), (errors, 2)):
        os.dup2(old, new)
    sys.argv = ["cryofocus", *arguments]
    _Steps(folder, fault, report).watch()
    if fault.kind == "memory":  # limited as by `ulimit -v`, if to more than it ever takes at first
        resource.setrlimit(resource.RLIMIT_AS, (ROOMY_BYTES, resource.RLIM_INFINITY))
    status = 1
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve(sys.argv[1])
