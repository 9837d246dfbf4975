"""Where memory is limited, a library that crashes is a sentence; everything else is as without."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from cryofocus.workflows.machine import crashes

BEGIN = f"""
import ctypes, os, resource, signal, sys, time
from {crashes.__name__} import explain_crashes

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
if sys.argv[1] == "limited":
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))
started = os.getpid()
explain_crashes()
assert (os.getpid() != started) == (sys.argv[1] == "limited")
"""
WAIT = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended in good order"))
print("ready", flush=True)
time.sleep(60)
"""
MESSAGE = "\nError: not enough memory; what was finished is kept. "


def start(limit: str, end: str) -> subprocess.Popen[str]:
    """Start a process that ends in some way."""
    words = [sys.executable, "-c", BEGIN + end, limit]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("limit", "end", "status"),
    [
        ("limited", "ctypes.CDLL(None).abort()", 2),
        ("limited", "ctypes.string_at(0)", 2),
        ("free", "ctypes.CDLL(None).abort()", -signal.SIGABRT),
        ("limited", "sys.exit(7)", 7),
        ("limited", "os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
    ],
)
def test_only_crashes_under_a_limit_are_explained(limit: str, end: str, status: int) -> None:
    """One message and exit 2 for them; the status of the command for everything else."""
    process = start(limit, end)
    _, said = process.communicate()
    assert process.returncode == status
    assert said.count(MESSAGE) == (status == 2)
    assert "Traceback" not in said


def test_signals_reach_the_command() -> None:
    """What is sent to the process that was started ends the command as it would without."""
    process = start("limited", WAIT)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.communicate() == ("", "ended in good order\n")
    assert process.returncode == 1


def test_nothing_goes_on_without_the_process_that_was_started() -> None:
    """Killed, it takes the command with it, which still ends in good order."""
    process = start("limited", WAIT)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.kill()
    assert process.communicate() == ("", "ended in good order\n")
