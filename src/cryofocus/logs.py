"""Log messages in the words of whoever asked, and on standard error for whoever waits."""

from __future__ import annotations

import logging
from collections.abc import Callable

from cryofocus.errors import in_words

LOGGER_NAME = "cryofocus"


class LineLog(logging.Handler):
    """Log lines for people who wait; only warnings and errors say their level.

    Args:
        write: Writes one line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, unless it is only for the log file."""
        if getattr(record, "log_only", False):
            return
        level = f"{record.levelname.capitalize()}: " if record.levelno > logging.INFO else ""
        self._write(f"{level}{record.getMessage()}")


class _Worded(logging.Filter):
    """Names options on the command line and arguments where Python asked."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Word one message; none is left out."""
        record.msg, record.args = in_words(record.getMessage()), None
        return True


_WORDED = _Worded()


def get_logger(name: str) -> logging.Logger:
    """Give the logger of a module whose messages may name options."""
    logger = logging.getLogger(name)
    logger.addFilter(_WORDED)  # the same filter again changes nothing
    return logger
