"""Errors in the words of whoever asked: arguments in Python, options on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

from cryofocus.errors import CryofocusError

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")

# `--max-resolution 8`, `--focus X,Y,Z,R`, `--keep`
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)(?: (?=[A-Z0-9])([\w.,|-]*\w))?")
COMPLAINT = re.compile(r"(?<![^ ])([a-z_]+)(?=(?:\.\d+)?: )")
_options_are_meant: ContextVar[bool] = ContextVar("options_are_meant", default=False)


@contextmanager
def on_the_command_line() -> Iterator[None]:
    """Leave options in messages as they are typed."""
    token = _options_are_meant.set(True)
    try:
        yield
    finally:
        _options_are_meant.reset(token)


def speak_python(function: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """Name arguments, not options, in the errors of a function that Python calls."""

    @wraps(function)
    def asked(*args: Asked.args, **named: Asked.kwargs) -> Answer:
        try:
            return function(*args, **named)
        except CryofocusError as error:
            if not _options_are_meant.get():
                error.args = (name_arguments(str(error)),)
            raise

    return asked


def name_arguments(message: str) -> str:
    """Turn options in a message into arguments: `--focus X,Y,Z,R` into `focus=(X, Y, Z, R)`.

    What stands in a command to type stays.
    """
    parts = re.split(r"(cryofocus [a-z]+ [^.;]*)", message)
    return "".join(
        part if index % 2 else OPTION.sub(_as_argument, part) for index, part in enumerate(parts)
    )


def name_words(message: str, words: Mapping[str, str]) -> str:
    """Call fields of settings in complaints, `n_classes: found 1`, by the words that were given.

    Args:
        message: Complaints.
        words: What was given, by the name of the field.
    """
    return COMPLAINT.sub(lambda match: words.get(match[1], match[1]), message)


def _as_argument(match: re.Match[str]) -> str:
    name, value = match[1].replace("-", "_"), match[2]
    if value is None:
        return name
    given = f"({value.replace(',', ', ')})" if "," in value else value
    return f"{name}={given}"
