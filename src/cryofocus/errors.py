"""Every error cryofocus raises on purpose.

CryofocusError                 one clear message; the command line prints it and exits with 2
├── DeviceError                the accelerator asked for is missing or too small
├── InputError                 what the user gave cannot be used
│   ├── FormatError            a file is damaged or is not what its name says
│   ├── ParticleError          the particle table lacks or contradicts something
│   ├── RegionError            focus sphere or mask unusable
│   └── SettingError           an option or setting is out of range or contradicts another
│       └── CallError          a Python function has no such argument; also a TypeError
├── OutputError                the result cannot be written (directory exists, disk full)
└── ClusterError               a cluster cannot be reached, or lost what it was doing
Interrupted                    stopped by the user or a signal; the run can be resumed (exit 130)

A message says where, what was found, what was expected and what to do. It is written for the
command line; where Python asked, it names arguments instead of options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# `--max-resolution 8`, `--focus X,Y,Z,R`, `--keep`
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)(?: (?=[A-Z0-9])([\w.,|-]*\w))?")
# `--device cpu`: options whose values are words, or may be
CHOICE = re.compile(
    r"(?<![\w-])--(device|start|prior|background|ctf|pixel-size-of|(?:focus|classes)(?= auto\b))"
    r" ([a-z]+)\b"
)
# `-o` by itself
OUTPUT = re.compile(r"(?<![\w-])-o\b")
# Commands to type stay as they are typed, up to the end of the sentence.
COMMAND = re.compile(r"(cryofocus [a-z]+ (?:[^.;]|\.(?=[\w/.]))*)")
SWITCHES = {"overwrite", "resume", "local", "recenter", "float16"}
_options_are_meant: ContextVar[bool] = ContextVar("options_are_meant", default=False)


@contextmanager
def on_the_command_line() -> Iterator[None]:
    """Leave options in messages as they are typed."""
    token = _options_are_meant.set(True)
    try:
        yield
    finally:
        _options_are_meant.reset(token)


def name_arguments(message: str) -> str:
    """Turn options in a message into arguments: `--focus X,Y,Z,R` into `focus=(X, Y, Z, R)`.

    What stands in a command to type stays.
    """
    parts = COMMAND.split(message)
    return "".join(p if k % 2 else _name_arguments(p) for k, p in enumerate(parts))


def in_words(message: str) -> str:
    """Put a message into the words of whoever asked: the command line, or Python."""
    return message if _options_are_meant.get() else name_arguments(message)


def _name_arguments(text: str) -> str:
    text = CHOICE.sub(lambda match: f'{match[1].replace("-", "_")}="{match[2]}"', text)
    return OUTPUT.sub("output", OPTION.sub(_as_argument, text))


def _as_argument(match: re.Match[str]) -> str:
    name, value = match[1].replace("-", "_"), match[2]
    if value is None:
        return f"{name}=True" if name in SWITCHES else name
    given = f"({value.replace(',', ', ')})" if "," in value else value
    return f"{name}={given}"


class _Worded(Exception):
    """What is told to whoever asked, in their words."""

    def __str__(self) -> str:
        """Say it in the words of whoever asked."""
        return in_words(super().__str__())


class CryofocusError(_Worded):
    """Base of every deliberate error; its text is meant for the user."""


class DeviceError(CryofocusError):
    """The accelerator asked for is missing, or its memory is too small."""


class InputError(CryofocusError):
    """Something the user gave cannot be used."""


class FormatError(InputError):
    """A file is damaged or is not what its name says."""


class ParticleError(InputError):
    """The particle table lacks or contradicts something."""


class RegionError(InputError):
    """A focus sphere or mask cannot be used."""


class SettingError(InputError):
    """An option is out of range or contradicts another."""


class CallError(SettingError, TypeError):
    """A function was called with arguments that it does not have, or without some it needs."""


class OutputError(CryofocusError):
    """A result cannot be written."""


class ClusterError(CryofocusError):
    """A cluster cannot be reached, does not fit, or lost what it was doing."""


class Interrupted(_Worded):
    """The user stopped the run; what is on disk can be resumed."""
