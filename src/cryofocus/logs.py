"""Log messages in the words of whoever asked: options on the command line, arguments in Python."""

from __future__ import annotations

import logging

from cryofocus.errors import in_words


class _Worded(logging.Filter):
    """Names arguments where Python asked."""

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
