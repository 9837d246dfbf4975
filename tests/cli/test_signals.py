"""Signals that ask for an end do what Ctrl-C does, and the shell is told which it was."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cryofocus.cli import signals
from cryofocus.cli.signals import Stopped, exit_status, signals_stop
from cryofocus.errors import Interrupted
from stopping import Accident

Invoke = Callable[..., Any]


LIBRARY = """
import os, signal, threading, warnings

class Name:
    def __set_name__(self, owner, name):
        os.kill(os.getpid(), signal.SIGTERM)

class Closed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)

def name_members():
    try:
        type("Named", (), {"member": Name()})
    except Exception:
        warnings.warn("Unable to import Named.")

def finalize():
    Closed()

def work():
    os.kill(os.getpid(), signal.SIGTERM)
    while True:
        pass
"""


@pytest.fixture(autouse=True)
def sent_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals that tests send to themselves come in code of ours."""
    monkeypatch.setattr(signals, "PASSING", {*signals.PASSING, __name__.partition(".")[0]})


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Code that signals come in and that does not pass on what is raised in it."""
    (tmp_path / "some_library.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("some_library")
    del sys.modules["some_library"]


@pytest.fixture(autouse=True)
def nothing_ignored() -> Iterator[None]:
    """Signals as a terminal has them: tests that run in the background would ignore some."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(*numbers: int) -> Callable[[], None]:
    """Return what sends signals to this process."""

    def happen() -> None:
        for number in numbers:
            os.kill(os.getpid(), number)

    return happen


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ((signal.SIGTERM,), 143),
        ((signal.SIGHUP, signal.SIGTERM, signal.SIGHUP), 129),
        ((signal.SIGINT,), 130),
    ],
    ids=["TERM", "HUP among others", "INT"],
)
def test_signals_leave_a_run_that_can_be_resumed(  # noqa: PLR0913  # fixtures
    pristine_set: Path,
    tmp_path: Path,
    focus: str,
    cryofocus: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    numbers: tuple[int, ...],
    status: int,
) -> None:
    """The state is on disk, the lock is gone, one line is said."""
    table, run = pristine_set / "particles.star", tmp_path / "run"
    display = Accident("run 1 of 1", 1, send(*numbers))
    monkeypatch.setattr("cryofocus.workflows.machine.progress.choose_progress", lambda: display)
    job = ["classify", table, "--focus", focus, "--classes", "2", "--runs", "1", "-o", run]
    stopped = cryofocus(*job)
    assert stopped.exit_code == status
    said = f"{run}: stopped; run the same command with --resume to finish it."
    assert stopped.stderr.splitlines()[-1] == said
    assert (run / "checkpoint.npz").is_file()
    assert not (run / ".cryofocus.lock").exists()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_commands_without_a_state_end_too(
    tmp_path: Path, particle_set: Path, cryofocus: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that cannot be resumed leaves nothing behind."""
    display = Accident("reconstruction", 1, send(signal.SIGTERM))
    monkeypatch.setattr("cryofocus.cli.particles.show_progress", lambda: display)
    result = cryofocus("reconstruct", particle_set / "particles.star", "-o", tmp_path / "m.mrc")
    assert result.exit_code == 143
    assert "Interrupted. Give the same command again" in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"set"}


def test_ignored_signals_stay_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under nohup a command goes on when the terminal is closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_stop():
            send(signal.SIGHUP)()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    # Later signals count again, for an exception may have been lost.
    monkeypatch.setattr(signals, "ONCE_SECONDS", 0.0)
    with signals_stop():
        for _ in range(2):
            with pytest.raises(Stopped, match="SIGTERM"):
                send(signal.SIGTERM)()


def test_output_leaves_a_terminal_that_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """After SIGHUP what would be an error to write to is replaced, and only that."""
    moved = []

    def write(descriptor: int, data: bytes) -> int:
        if descriptor == 2:
            raise OSError("Input/output error")
        return len(data)

    monkeypatch.setattr(signals.os, "write", write)
    monkeypatch.setattr(signals.os, "dup2", lambda _, descriptor: moved.append(descriptor))
    with signals_stop(), pytest.raises(Stopped):
        send(signal.SIGHUP)()
    assert moved == [2]


def test_the_status_is_that_of_the_signal_behind() -> None:
    """Whatever an interruption was turned into on the way, the signal is found."""
    stop = Interrupted("stopped")
    assert exit_status(stop) == 130
    stop.__cause__ = KeyboardInterrupt()
    assert exit_status(stop) == 130
    stop.__cause__ = Interrupted("first")
    stop.__cause__.__context__ = Stopped(signal.SIGTERM)
    assert exit_status(stop) == 143


def test_a_signal_that_a_library_made_an_error_of_is_one() -> None:
    """Compiled code turns whatever is raised in it into exceptions of its own."""

    def schema() -> None:
        try:
            send(signal.SIGTERM)()
        except Stopped as stop:
            raise ValueError("no schema") from stop

    with signals_stop() as asked, pytest.raises(Stopped), asked.insisted():
        schema()
    with signals_stop() as asked, pytest.raises(ValueError, match="mine"), asked.insisted():
        raise ValueError("mine")
    with signals_stop() as asked, pytest.raises(Interrupted), asked.insisted(Interrupted):  # noqa: PT012
        with pytest.raises(ValueError, match="no schema"):
            schema()
        raise Interrupted


def wait(seconds: float = 20.0) -> None:
    """Do something of ours."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.mark.parametrize("way", ["name_members", "finalize"])
def test_a_signal_in_a_library_is_raised_after_it(library: Any, way: str) -> None:
    """Where an exception would be swallowed or printed, none is raised; it is soon after."""
    with signals_stop(), warnings.catch_warnings(), pytest.raises(Stopped):  # noqa: PT012
        warnings.simplefilter("error")
        getattr(library, way)()
        wait()


def test_a_signal_does_not_wait_for_a_library_for_long(library: Any) -> None:
    """Work that a library does for hours ends as well."""
    began = time.monotonic()
    with signals_stop(), pytest.raises(Stopped):
        library.work()
    assert time.monotonic() - began > signals.PATIENCE_SECONDS


def test_an_import_is_given_more_time(
    library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing goes to its end, unless that takes too long."""
    (tmp_path / "slow_library.py").write_text(
        "import time, some_library\n"
        "some_library.name_members()\n"
        "end = time.monotonic() + 0.5\n"
        "while time.monotonic() < end: pass\n"
    )
    monkeypatch.setattr(signals, "PATIENCE_SECONDS", 0.1)
    with signals_stop(), pytest.raises(Stopped):  # noqa: PT012
        importlib.import_module("slow_library")
        wait()
    assert sys.modules.pop("slow_library")


def test_a_signal_that_was_swallowed_is_raised_again() -> None:
    """What nobody acts on comes again; while somebody does, it does not."""
    n_times = 0
    with signals_stop(), pytest.raises(Stopped):  # noqa: PT012
        try:
            send(signal.SIGTERM)()
        except Stopped:
            wait(0.3)
            n_times += 1
        wait()
    assert n_times == 1


def test_ctrl_c_twice_does_not_wait(library: Any) -> None:
    """Whoever presses it again wants out at once."""
    with signals_stop() as stop:
        stop(signal.SIGINT, sys._getframe().f_back)
        with pytest.raises(Stopped, match="SIGINT"):
            stop(signal.SIGINT, sys._getframe().f_back)
