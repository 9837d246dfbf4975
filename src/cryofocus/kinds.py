"""Kinds of arguments: what a type hint asks for, in words, and whether a value is one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import numpy as np

OURS = __name__.partition(".")[0]
Sizes = dict[str, int]


@dataclass(frozen=True)
class Kind:
    """One kind of value.

    Attributes:
        words: As a message calls it; empty where nobody is asked for it.
        fits: Whether a value is one. Arrays must have the sizes of dimensions that are noted, and
            note those of the others.
    """

    words: str
    fits: Callable[[object, Sizes], bool]


def name_kinds(hint: object) -> tuple[Kind, ...]:
    """Return the kinds that a hint allows; none where one of them cannot be told."""
    hints = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    kinds = [_name_kind(one) for one in hints if not (one is str and Path in hints)]
    told = [kind for kind in kinds if kind is not None]
    return tuple(told) if len(told) == len(kinds) else ()


def above_zero(kind: Kind) -> Kind:
    """Return the kind whose numbers are above zero and finite; others stay as they are."""
    if kind not in (PLAIN[int], PLAIN[float]):
        return kind

    def fits(value: object, sizes: Sizes) -> bool:
        return kind.fits(value, sizes) and isinstance(value, Real) and 0 < float(value) < np.inf

    return Kind(f"{kind.words} above 0", fits)


def say_value(value: object) -> str:
    """Say what was found: an array by its shape, anything else as it is written."""
    if isinstance(value, np.ndarray) and value.size > 1:
        return f"an array of {value.dtype}, shape {value.shape}"
    return f"{value!r:.60} ({type(value).__name__})"


def _name_kind(hint: Any) -> Kind | None:
    if hint in PLAIN:
        return PLAIN[hint]
    if getattr(hint, "array_type", None) is np.ndarray:
        return _array(hint)
    inside = get_args(hint)
    if get_origin(hint) is Literal:
        return Kind(" or ".join(map(repr, inside)), lambda v, _: type(v) is str and v in inside)
    if get_origin(hint) is Sequence:
        return _list(name_kinds(inside[0]))
    if get_origin(hint) is tuple:
        return _row([name_kinds(one) for one in inside])
    if isinstance(hint, type) and hint.__module__.startswith(OURS):
        is_protocol = getattr(hint, "_is_protocol", False)
        return _protocol(hint.__name__) if is_protocol else _instance(hint.__name__, hint)
    return None


def _instance(words: str, *classes: type) -> Kind:
    return Kind(words, lambda value, _: isinstance(value, classes))


def _protocol(words: str) -> Kind:
    """Nothing plain can do what a protocol asks for; the rest is left to where it is used."""
    return Kind(words, lambda value, _: type(value).__module__ not in ("builtins", "pathlib"))


def _number(words: str, kind: type) -> Kind:
    return Kind(words, lambda value, _: isinstance(value, kind) and not isinstance(value, bool))


def _array(hint: Any) -> Kind | None:
    names = hint.dim_str.split()
    if not all(name.isalnum() for name in names):
        return None
    whole = not any("float" in dtype for dtype in hint.dtypes)

    def fits(value: object, sizes: Sizes) -> bool:
        return (
            isinstance(value, np.ndarray)
            and value.dtype.kind in ("iub" if whole else "fiub")
            and value.ndim == len(names)
            and all(_size(name, n, sizes) == n for name, n in zip(names, value.shape, strict=True))
        )

    shape = ", ".join(names) + "," * (len(names) == 1)
    return Kind(f"a numpy array of {'whole ' * whole}numbers, shape ({shape})", fits)


def _size(name: str, found: int, sizes: Sizes) -> int:
    return int(name) if name.isdigit() else sizes.setdefault(name, found)


def _list(each: tuple[Kind, ...]) -> Kind | None:
    def fits(value: object, sizes: Sizes) -> bool:
        return (
            isinstance(value, Sequence | np.ndarray)
            and not isinstance(value, str | bytes)
            and all(any(kind.fits(one, sizes) for kind in each) for one in value)
        )

    words = " or ".join(kind.words for kind in each if kind.words)
    return Kind(f"a list, each entry {words}", fits) if each else None


def _row(places: list[tuple[Kind, ...]]) -> Kind | None:
    def fits(value: object, sizes: Sizes) -> bool:
        return (
            isinstance(value, Sequence | np.ndarray)
            and len(value) == len(places)
            and all(
                any(kind.fits(v, sizes) for kind in k) for v, k in zip(value, places, strict=True)
            )
        )

    words = ", ".join(kinds[0].words.removeprefix("a ") for kinds in places if kinds)
    return Kind(f"({words})", fits) if all(places) else None


PLAIN: dict[object, Kind] = {
    Path: _instance("a path", str, os.PathLike),
    str: _instance("a text", str),
    NoneType: _instance("", NoneType),
    bool: _instance("True or False", bool, np.bool_),
    int: _number("a whole number", Integral),
    float: _number("a number", Real),
}
