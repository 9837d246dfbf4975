"""Python calls with wrong arguments: an error that names the right ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar, get_args, get_type_hints

from cryofocus.complaints import suggest
from cryofocus.errors import CallError
from cryofocus.settings import Settings

Taken = ParamSpec("Taken")
Made = TypeVar("Made")


def checked(function: Callable[Taken, Made]) -> Callable[Taken, Made]:
    """Let a function say which argument is meant where it is called with one it does not have."""
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: Taken.args, **given: Taken.kwargs) -> Made:
        try:
            signature.bind(*args, **given)
        except TypeError as error:
            told = list(_explain_unknown(function, signature, list(given)))
            # Python's own words name what is missing, or say that there are too many.
            said = "; ".join(told) or f"{error}; it takes {', '.join(signature.parameters)}"
            raise CallError(f"{function.__name__}: {said}") from None
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
