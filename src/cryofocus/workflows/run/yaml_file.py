"""YAML as people write settings: plain names, texts, numbers and lists, and nothing that grows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cryofocus.complaints import say_unreadable
from cryofocus.errors import FormatError

MAX_BYTES = 50_000
"""Settings fill a few kilobytes; the parser takes a second for so many."""
MAX_TEXT = 3000
"""Characters of one value; longer than the longest path that is used."""
MAX_DEPTH = 20
MAX_REASON = 500


def read_yaml(path: Path, advice: str) -> Any:
    """Read a YAML file.

    Aliases are refused, since a few lines of them make an object of any size; so are tags, which
    ask for objects of other kinds.

    Args:
        path: The file.
        advice: What to do when it cannot be read as YAML.

    Raises:
        FormatError: When it cannot be read, is no text or no YAML, is too large, or holds aliases
            or tags.
    """
    try:
        with path.open("rb") as handle:
            raw = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise FormatError(say_unreadable(path, error)) from error
    if len(raw) > MAX_BYTES:
        raise FormatError(
            f"{path}: more than {MAX_BYTES} bytes, which settings never are. {advice}"
        )
    try:
        text = raw.decode("utf-8-sig")
        _refuse_what_grows(path, text)
        return yaml.safe_load(text)
    # Dates and numbers that are none are ValueErrors to the parser, or worse.
    except (ValueError, LookupError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise FormatError(
            f"{path}: cannot be read as YAML ({str(error)[:MAX_REASON]}). {advice}"
        ) from error


def _refuse_what_grows(path: Path, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise FormatError(
                f"{path}, line {line}: the alias *{event.anchor}; expected values written out. "
                "Write what it stands for."
            )
        is_start = isinstance(event, yaml.CollectionStartEvent)
        depth += is_start - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:  # the parser's time grows with its square
            raise FormatError(
                f"{path}, line {line}: lists within lists, more than {MAX_DEPTH} deep; expected "
                "plain values and lists of them. Correct it."
            )
        n_characters = len(getattr(event, "value", ""))
        if n_characters > MAX_TEXT:
            raise FormatError(
                f"{path}, line {line}: a value of {n_characters} characters; expected at most "
                f"{MAX_TEXT}. Correct it."
            )
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise FormatError(
                f"{path}, line {line}: the tag {tag}; expected plain texts, numbers and lists. "
                "Leave it out, and put texts with ! in quotes."
            )
