"""Progress, log, stage times: what people see while a run goes on."""

from __future__ import annotations

import io
import logging
import re
import time
from pathlib import Path

import pytest
from rich.console import Console

from cryofocus.execution.monitor import noting
from cryofocus.logs import LOGGER_NAME
from cryofocus.workflows.machine.hardware import StageClock, describe_hardware, peak_memory_gb
from cryofocus.workflows.machine.progress import (
    LogProgress,
    Progress,
    SilentProgress,
    TerminalProgress,
    choose_progress,
    say_left,
)
from cryofocus.workflows.run.log import record_log


def count_to(progress: Progress, n_steps: int, note: str = "") -> None:
    """Run a task to its end."""
    with progress.task("cycles", n_steps) as advance:
        for _ in range(n_steps):
            advance(note=note)


def test_log_lines_are_rate_limited(caplog: pytest.LogCaptureFixture) -> None:
    """A hundred steps of one second give a line every ten seconds, with the time left."""
    ticks = iter(range(1000))
    caplog.set_level(logging.INFO, LOGGER_NAME)
    count_to(LogProgress(10.0, clock=lambda: float(next(ticks))), 100, note="L = -3")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 10
    assert lines[0] == "cycles: 10 of 100, 1 min 30 s left  L = -3"
    assert lines[-1] == "cycles: 100 of 100, done in 1 min 41 s"


def test_no_estimate_without_a_basis() -> None:
    """Of three unequal steps, or of the first of many, nothing is concluded."""
    assert say_left(30.0, 1, 3) == say_left(30.0, 2, 3) == say_left(9.0, 9, 1000) == ""
    assert say_left(30.0, 50, 100) == "30 s left"
    assert say_left(30.0, 100, 100) == say_left(1.0, 50, None) == ""


def test_what_may_end_early_has_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    """Work that usually converges before its last step says the longest it can still take."""
    ticks = iter(range(1000))
    caplog.set_level(logging.INFO, LOGGER_NAME)
    display = LogProgress(10.0, clock=lambda: float(next(ticks)))
    with display.task("run 1", 100, at_most=True) as advance:
        for _ in range(12):
            advance()
    assert caplog.messages == ["run 1: 10 of 100, at most 1 min 30 s left", "run 1: done in 13 s"]


def test_the_first_step_is_no_measure_of_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """A start of a hundred seconds is not reckoned into the pace."""
    now = 0.0
    caplog.set_level(logging.INFO, LOGGER_NAME)
    with LogProgress(10.0, clock=lambda: now).task("cycles", 21) as advance:
        for seconds in (100.0, *[2.0] * 10):
            now += seconds
            advance()
    assert caplog.messages[1:3] == ["cycles: 6 of 21, 30 s left", "cycles: 11 of 21, 20 s left"]


def test_long_steps_are_not_silent(caplog: pytest.LogCaptureFixture) -> None:
    """While a step goes on lines say so, with the last note; after the block there are none."""
    caplog.set_level(logging.INFO, LOGGER_NAME)
    with LogProgress(quiet_seconds=0.02).task("run 1", 9) as advance:
        advance(2, note="mixture")
        while len(caplog.records) < 2:
            time.sleep(0.01)
    n_lines = len(caplog.records)
    assert re.fullmatch(r"run 1: 2 of 9, \d\.\d s so far  mixture", caplog.messages[0])
    time.sleep(0.06)
    assert len(caplog.records) == n_lines


def test_a_note_alone_counts_no_step(caplog: pytest.LogCaptureFixture) -> None:
    """Before the first step of a stage, its lines say what it is doing."""
    ticks = iter(range(1000))
    caplog.set_level(logging.INFO, LOGGER_NAME)
    with LogProgress(2.0, clock=lambda: float(next(ticks))).task("run 1", 9) as advance:
        for cycle in range(3):
            noting(advance)(note=f"strongest differences, cycle {cycle}")
    assert caplog.messages[0] == "run 1: 0 of 9  strongest differences, cycle 1"


def test_terminal_shows_steps_and_note() -> None:
    """On a terminal the bar shows name, steps and note, and takes markup as plain text."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=140)
    count_to(TerminalProgress(console), 4, note="[red]L = -3")
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert "cycles" in text
    assert "4/4" in text
    assert "[red]L = -3" in text


def test_task_may_end_early() -> None:
    """A task that converges before its last step ends as a full bar."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=140)
    with TerminalProgress(console).task("cycles", 50) as advance:
        advance(7)
    assert "7/7" in screen.getvalue()


def test_silent_progress_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """The Python interface stays quiet unless asked."""
    count_to(SilentProgress(), 3)
    assert capsys.readouterr() == ("", "")


def test_choice_follows_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars only where somebody can see them."""
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(choose_progress(), LogProgress)


def test_log_file_and_warnings(tmp_path: Path) -> None:
    """The log holds every line with its time, warnings come once, and all ends with the block."""
    log = tmp_path / "run.log"
    logger = logging.getLogger(f"{LOGGER_NAME}.inference.em")
    before = list(logging.getLogger(LOGGER_NAME).handlers)
    for _ in range(2):
        with record_log(log) as warnings:
            logger.info("cycle %d", 1)
            logger.debug("not shown")
            logger.warning("class 2 is empty")
            logger.warning("class 2 is empty")
        assert warnings == ["class 2 is empty"]
    logger.warning("after the end")
    lines = log.read_text().splitlines()
    assert len(lines) == 6
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ  INFO    cycle 1", lines[0])
    assert logging.getLogger(LOGGER_NAME).handlers == before


def test_stage_clock_adds_up_and_survives_interruption() -> None:
    """A stage entered twice adds its time, and an interrupted one is counted."""
    clock = StageClock()
    with clock.stage("cycles"):
        pass
    first = clock.seconds["cycles"]
    with pytest.raises(KeyboardInterrupt), clock.stage("cycles"):
        raise KeyboardInterrupt
    assert clock.seconds["cycles"] > first
    assert 0.01 < clock.peak_memory_gb["cycles"] <= peak_memory_gb()


def test_nothing_is_left_out_of_the_whole_time() -> None:
    """What passes between stages counts: all seconds add up to those since the clock began."""
    clock = StageClock({"search": 0.25}, began=time.perf_counter() - 2)
    with clock.stage("cycles"):
        pass
    whole = clock.whole()
    seconds = whole.seconds
    assert whole.peak_memory_gb.keys() == seconds.keys() - {"search"}
    assert list(seconds) == ["search", "cycles", "between these"]
    assert sum(seconds.values()) == pytest.approx(2, abs=0.5)
    assert seconds["between these"] > 1


def test_a_resumed_run_took_what_all_its_processes_took() -> None:
    """Stages add up over processes, also the one in which the first was stopped."""
    first = StageClock({"reading": 1.0}, began=time.perf_counter() - 5)
    first.running["cycles"] = time.perf_counter() - 3
    stopped = first.whole()
    assert stopped.seconds["cycles"] == pytest.approx(3, abs=0.5)
    second = StageClock({"reading": 1.0}, began=time.perf_counter() - 2)
    second.follow(stopped.seconds, stopped.n_processes)
    for clock in (second, second.gathered("search")):
        whole = clock.whole()
        assert whole.n_processes == 2
        assert sum(whole.seconds.values()) == pytest.approx(7, abs=0.5)
    assert second.whole().seconds["reading"] == pytest.approx(2)
    assert list(second.whole().seconds) == ["reading", "cycles", "between these"]


def test_machine_is_described() -> None:
    """The machine has a name, at least one core and some memory."""
    machine = describe_hardware()
    assert machine.processor
    assert machine.cores >= 1
    assert machine.memory_gb > 0.1
