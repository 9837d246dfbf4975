"""The run's log file and its warnings, set up by a workflow and taken down after it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryofocus.data.atomic import explain_write_errors
from cryofocus.formatting import visible
from cryofocus.logs import LOGGER_NAME, get_logger
from cryofocus.workflows.run.job import Finding, Severity

logger = get_logger(__name__)

# `extra` of a line that a command says by itself: kept in the log, not shown on the way.
LOG_ONLY = {"log_only": True}

_LINE = "{asctime}  {levelname:<8}{message}"
_TIME = "%Y-%m-%d %H:%M:%SZ"


class _RunLogFile(logging.FileHandler):
    """Log file whose trouble (a full disk) never stops or floods a run."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a line without what would move the cursor of who reads it on a terminal."""
        return visible(super().format(record))

    def handleError(self, record: logging.LogRecord) -> None:
        """Stay silent: the next result that cannot be written raises a clear error anyway."""
        del record


class _WarningCollector(logging.Handler):
    """Keeps the text of every warning, once, in order."""

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message that is new."""
        message = record.getMessage()
        if message not in self.messages:
            self.messages.append(message)


def log_findings(findings: Iterable[Finding]) -> None:
    """Log findings in their own words; what is only noted is kept, not shown on the way."""
    for finding in findings:
        if finding.severity is Severity.WARNING:
            logger.warning("%s", finding.text)
        else:
            extra = LOG_ONLY if finding.severity is Severity.NOTE else {}
            logger.info("%s", finding.text, extra=extra)


@contextmanager
def record_log(path: Path) -> Iterator[list[str]]:
    """Append what any part of cryofocus logs to a file while the block runs.

    Args:
        path: The log file; lines are added, so that a resumed run keeps its history.

    Yields:
        Every warning so far, once each, in order: what ``job.json`` lists under ``warnings``.

    Raises:
        OutputError: When the file cannot be opened.
    """
    everything = logging.getLogger(LOGGER_NAME)
    with explain_write_errors(path):
        file = _RunLogFile(path, encoding="utf-8")
    formatter = logging.Formatter(_LINE, datefmt=_TIME, style="{")
    formatter.converter = time.gmtime
    file.setFormatter(formatter)
    collector = _WarningCollector()
    previous_level = everything.level
    everything.setLevel(min(everything.getEffectiveLevel(), logging.INFO))
    everything.addHandler(file)
    everything.addHandler(collector)
    try:
        yield collector.messages
    finally:
        everything.removeHandler(collector)
        everything.removeHandler(file)
        everything.setLevel(previous_level)
        file.close()
