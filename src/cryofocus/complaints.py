"""What pydantic finds wrong with a value or a file, in the words of our own messages."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cryofocus.synonyms import find_synonym

# What the validator says of types, for people.
IN_WORDS = {
    "path_type": "the name of a file",
    "tuple_type": "a list of numbers",
    "list_type": "a list",
    "string_type": "a text, in quotes",
    "int_type": "a whole number",
}
# Characters of a name or value that a message shows.
MAX_SHOWN = 200
# Names of a folder that a misspelt one is compared with.
MAX_NEIGHBOURS = 10_000
# How alike names are of which one may be the other misspelt.
ALIKE = 0.75
# What pydantic puts before the words of a check of ours, and before its own.
PREFIXES = ("Value error, ", "Input should be ")


def explain(entry: Mapping[str, Any], name: str, hint: str, expected: str = "") -> str:
    """Turn one complaint about a setting into words: name, what was found, what is expected.

    Args:
        entry: Of `ValidationError.errors`.
        name: Of the setting, as the user knows it.
        hint: What the name may have been meant to be, should it be unknown; see `suggest`.
        expected: What the setting itself says its value is.
    """
    if entry["type"] == "extra_forbidden":
        return f"{cut(name)}: unknown; {hint}"
    if entry["type"] == "missing":
        return f"{name}: missing; give a value"
    expected = expected or IN_WORDS.get(entry["type"], _plain(entry))
    return f"{cut(name)}: found {show(entry['input'])}, expected {expected}"


def show(value: object) -> str:
    """Write a value into a message as Python does, but not at any length."""
    try:
        return cut(repr(value))
    except ValueError:  # a number of more digits than Python writes
        return "a number of thousands of digits"


def cut(text: str, length: int = MAX_SHOWN) -> str:
    """Shorten what a file says to what fits into a message."""
    return text if len(text) <= length else f"{text[:length]}..."


def first_fault(error: ValidationError) -> str:
    """Say where a file of our own is damaged first, and how."""
    entry = error.errors()[0]
    where = ".".join(str(part) for part in entry["loc"]) or "the file"
    return f"{where}: {str(entry['msg']).removeprefix(PREFIXES[0])}"


def suggest(name: str, known: Iterable[str]) -> str:
    """Say what an unknown name may have been meant to be."""
    names = list(known)
    if (synonym := find_synonym(name, names)) is not None:
        return synonym
    alike = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return f"did you mean {alike[0]}?" if alike else "check its spelling"


def say_unreadable(path: Path, error: OSError) -> str:
    """Say that a file cannot be read; of one that is not there, which neighbour may be meant."""
    if error.errno == errno.EISDIR:
        return f"{path}: is a folder. Give a file in it."
    is_missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
    advice = (is_missing and say_neighbour(path)) or "Check the path."
    return f"{path}: cannot be read ({error.strerror}). {advice}"


def say_neighbour(path: Path) -> str:
    """Ask about the file or folder whose path is most like one that is not there; or nothing."""
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        there = found / part
        if not os.path.exists(there):
            alike = _most_alike(part, _names_in(found))
            if not alike:
                return ""
            there = found / alike[0]
        found = there
    return f"Did you mean {found}?"


def _most_alike(name: str, names: list[str]) -> list[str]:
    """Return the name that is most alike, if one is: of files of the same kind, if one is."""
    own = Path(name).suffix
    endings = {Path(one).suffix for one in names} - {own}
    for kinds in ([own], difflib.get_close_matches(own, list(endings), cutoff=ALIKE)):
        same_kind = [one for one in names if Path(one).suffix in kinds]
        if alike := difflib.get_close_matches(name, same_kind, n=1, cutoff=ALIKE):
            return alike
    return []


def _names_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, MAX_NEIGHBOURS)]
    except OSError:
        return []


def _plain(entry: Mapping[str, Any]) -> str:
    message = str(entry["msg"])
    for prefix in PREFIXES:
        message = message.removeprefix(prefix)
    return message
