"""Memory that the system refuses is one message, whoever asked for it."""

from __future__ import annotations

import errno
import resource
from typing import NoReturn

import pytest
from typer.testing import CliRunner

from cryofocus.cli import classify as classify_command
from cryofocus.cli.main import app
from cryofocus.workflows.machine.memory_refused import is_want_of_memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
        ImportError("x.so: failed to map segment from shared object"),
    ],
    ids=repr,
)
def test_want_of_memory(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Memory that the system refuses is one message that says what can be done."""

    def refuse(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(classify_command, "_complete", refuse)
    result = CliRunner().invoke(app, ["classify", "p.star", "--classes", "2", "-o", "run"])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: not enough memory; ")
    assert result.stderr.count("\n") == 1
    assert "--resume" in result.stderr


def test_too_little_address_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit in which libraries would end the program is refused before they are loaded."""
    bound = (300 << 20, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda _: bound)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ulimit -v: limits this process to 300 MB, but ")


def test_other_errors_are_none_of_it() -> None:
    """Faults of the program stay what they are."""
    assert not is_want_of_memory(RuntimeError("a fault"))
    assert not is_want_of_memory(OSError(errno.ENOENT, "No such file or directory"))


@pytest.mark.parametrize("limit", [8 << 30, resource.RLIM_INFINITY])
def test_a_library_that_does_not_say_why(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """It lacks memory where memory is limited, and is at fault elsewhere."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, resource.RLIM_INFINITY))
    error = SystemError("error return without exception set")
    assert is_want_of_memory(error) == (limit != resource.RLIM_INFINITY)
