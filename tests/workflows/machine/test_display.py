"""What Python shows by default: bars in a notebook, and elsewhere the lines of the command."""

from __future__ import annotations

import logging

import pytest

from cryofocus.logs import LOGGER_NAME
from cryofocus.workflows.machine.display import showing, shown
from cryofocus.workflows.machine.notebook_progress import NotebookProgress
from cryofocus.workflows.machine.progress import Progress, SilentProgress


@pytest.fixture(autouse=True)
def no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What commands of other tests set up for the package's logger does not count."""
    monkeypatch.setattr(logging.getLogger(LOGGER_NAME), "handlers", [])


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """The package's logger as in a script that sets up no logging."""
    logger = logging.getLogger(LOGGER_NAME)
    monkeypatch.setattr(logger, "hasHandlers", lambda: False)
    return logger


def test_a_script_shows_the_lines_of_the_command(
    unheard: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each stage ends in a line on standard error, warnings say so, and nothing is left set up."""
    before = (unheard.level, list(unheard.handlers))
    with showing(None) as display, display.task("run 1", 2) as advance:
        unheard.warning("cut")
        advance(2)
    assert capsys.readouterr().err.startswith("Warning: cut\nrun 1: 2 of 2, done in ")
    assert (unheard.level, unheard.handlers) == before


def test_who_sets_up_logging_decides(capsys: pytest.CaptureFixture[str]) -> None:
    """Where handlers are, such as those of this test, lines go there alone."""
    logger = logging.getLogger(LOGGER_NAME)
    assert logger.hasHandlers()
    with showing(None) as display, display.task("run 1", 1):
        logger.warning("cut")
    assert capsys.readouterr().err == ""


def test_a_display_that_is_given_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    """So nobody need hear anything."""
    given = SilentProgress()
    with showing(given) as display, display.task("run 1", 1):
        assert display is given
    assert capsys.readouterr() == ("", "")


def test_a_notebook_gets_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no lines beside them."""
    bars = NotebookProgress(print)
    monkeypatch.setattr(f"{showing.__module__}.choose_notebook_progress", lambda: bars)
    with showing(None) as display:
        assert display is bars


def test_a_script_goes_on_when_nobody_reads(
    unheard: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard error may be closed in the middle."""

    class Closed:
        def write(self, text: str) -> None:
            raise BrokenPipeError(text)

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr("sys.stderr", Closed())
    with showing(None) as display, display.task("run 1", 1) as advance:
        advance()


def test_functions_show_what_they_do(
    unheard: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where they are given no display; one that is given is used."""

    @shown
    def double(number: int, *, progress: Progress | None = None) -> int:
        assert progress is not None
        with progress.task("doubling", 1) as advance:
            advance()
        return 2 * number

    assert double(2, progress=SilentProgress()) == 4
    assert capsys.readouterr().err == ""
    assert double(3) == 6
    assert capsys.readouterr().err.startswith("doubling: 1 of 1, done in ")
