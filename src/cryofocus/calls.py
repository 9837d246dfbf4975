"""Python calls with wrong arguments: an error that names the right ones."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, wraps
from typing import ParamSpec, TypeVar, get_args, get_type_hints

from cryofocus.complaints import suggest
from cryofocus.errors import CallError
from cryofocus.kinds import Kind, above_zero, name_kinds, say_value
from cryofocus.settings import Settings

Taken = ParamSpec("Taken")
Made = TypeVar("Made")

WORD = re.compile(r"\w+")
# Sizes of grids are above zero.
SIZES = {"box", "voxel_size_angstrom", "pixel_size_angstrom"}
HOW_TO_GET = {
    "OperatorSet": 'OperatorSet.point_group("C2") makes one',
    "ParticleSet": "ParticleSet.read(table) gives one",
    "ParticleTable": "ParticleSet.read(path) reads a file",
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
            raise CallError(f"{function.__qualname__}: {said}") from None
        _require_kinds(function, bound.arguments)
        return function(*args, **given)

    return call


def require_kinds(made: object) -> None:
    """Let an object of ours say which of what it was made of is of another kind."""
    _require_kinds(type(made), vars(made))


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


def _require_kinds(function: Callable[..., object], given: Mapping[str, object]) -> None:
    if told := list(_explain_kinds(function, given)):
        name = function.__qualname__.removesuffix(".__init__")
        raise CallError(f"{name}: {'; '.join(told)}")


def _explain_kinds(function: Callable[..., object], given: Mapping[str, object]) -> Iterator[str]:
    """Say which arguments are of another kind than the one that is asked for."""
    sizes: dict[str, int] = {}
    for name, kinds in _told_kinds(function).items():
        if name in given and not any(kind.fits(given[name], sizes) for kind in kinds):
            wanted = " or ".join(dict.fromkeys(kind.words for kind in kinds if kind.words))
            how = "".join(f". {HOW_TO_GET[k.words]}" for k in kinds if k.words in HOW_TO_GET)
            sized = [f"{word} = {n}" for word, n in sizes.items() if word in WORD.findall(wanted)]
            known = f" with {' and '.join(sized)}" if sized else ""
            yield f"{name}: found {say_value(given[name])}, expected {wanted}{known}{how}"


@cache
def _told_kinds(function: Callable[..., object]) -> dict[str, tuple[Kind, ...]]:
    """Give what the arguments may be of which that can be told."""
    told = {name: name_kinds(hint) for name, hint in get_type_hints(function).items()}
    told |= {name: tuple(map(above_zero, told[name])) for name in SIZES & told.keys()}
    return {name: kinds for name, kinds in told.items() if kinds and name != "return"}


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
