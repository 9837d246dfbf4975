"""Python calls with wrong arguments: an error that names the right ones."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache, wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import ParamSpec, TypeVar, get_args, get_type_hints

import numpy as np

from cryofocus.complaints import suggest
from cryofocus.errors import CallError
from cryofocus.settings import Settings

Taken = ParamSpec("Taken")
Made = TypeVar("Made")

OURS = __name__.partition(".")[0]
HOW_TO_GET = {
    "OperatorSet": 'OperatorSet.point_group("C2") makes one',
    "ParticleSet": "ParticleSet.read(table) gives one",
}


def checked(function: Callable[Taken, Made]) -> Callable[Taken, Made]:
    """Let a function say which argument is meant, and of what kind, where it is another."""
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: Taken.args, **given: Taken.kwargs) -> Made:
        try:
            bound = signature.bind(*args, **given)
        except TypeError as error:
            told = list(_explain_unknown(function, signature, list(given)))
            # Python's own words name what is missing, or say that there are too many.
            said = "; ".join(told) or f"{error}; it takes {', '.join(signature.parameters)}"
            raise CallError(f"{function.__name__}: {said}") from None
        if told := list(_explain_kinds(function, bound.arguments)):
            raise CallError(f"{function.__name__}: {'; '.join(told)}")
        return function(*args, **given)

    return call


def _explain_unknown(
    function: Callable[..., object], signature: inspect.Signature, given: list[str]
) -> Iterator[str]:
    kinds = {one.kind for one in signature.parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return
    inside = dict(_find_settings(function))
    for word in given:
        if word not in signature.parameters:
            meant = _find_place(word, inside) or suggest(word, signature.parameters)
            yield f"{word}: unknown, {meant}"


def _explain_kinds(function: Callable[..., object], given: Mapping[str, object]) -> Iterator[str]:
    """Say which arguments are neither a path, nor an array, nor of the class that is asked for."""
    for name, kinds in _told_kinds(function).items():
        if name in given and not isinstance(given[name], tuple(kinds.values())):
            found = f"found {given[name]!r:.60} ({type(given[name]).__name__})"
            wanted = " or ".join(word for word in kinds if word not in ("", "a text"))
            how = "".join(f". {HOW_TO_GET[word]}" for word in kinds if word in HOW_TO_GET)
            yield f"{name}: {found}, expected {wanted}{how}"


@cache
def _told_kinds(function: Callable[..., object]) -> dict[str, dict[str, type]]:
    """Give what the arguments may be of which that can be told, in words."""
    told = {}
    for name, hint in get_type_hints(function).items():
        kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        words = {word: kind for one in kinds for word, kind in _name_kind(one)}
        # Numbers, texts and choices have messages of their own.
        if name != "return" and words.keys() - {"", "a text"} and len(words) == len(kinds):
            told[name] = words
    return told


def _name_kind(kind: object) -> Iterator[tuple[str, type]]:
    """Name a kind that can be told, and what its values are instances of."""
    if kind is Path:
        yield "a path", os.PathLike
    elif kind is str:
        yield "a text", str
    elif kind is NoneType:
        yield "", NoneType
    elif getattr(kind, "array_type", None) is np.ndarray:
        yield "a numpy array", np.ndarray
    elif (
        isinstance(kind, type)
        and kind.__module__.startswith(OURS)
        and not getattr(kind, "_is_protocol", False)
    ):
        yield kind.__name__, kind


def _find_settings(function: Callable[..., object]) -> Iterator[tuple[str, type[Settings]]]:
    """Yield the parameters of a function that are settings."""
    for name, annotation in get_type_hints(function).items():
        for kind in (annotation, *get_args(annotation)):
            if name != "return" and isinstance(kind, type) and issubclass(kind, Settings):
                yield name, kind


def _find_place(word: str, inside: dict[str, type[Settings]]) -> str | None:
    """Say which settings a word belongs to, by its name there or on the command line."""
    for name, kind in inside.items():
        places = {place[-1]: place[-1] for place in kind.places().values()}
        places |= {other: place[-1] for other, place in kind.places().items()}
        if word in places:
            return f"it belongs into the settings: {name}={kind.__name__}({places[word]}=...)"
    return None
