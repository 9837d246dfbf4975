"""What a command can be asked: objects that check themselves and are said once.

Name, type, bounds and default of a setting are those of its field, and its description is its
entry under `Attributes:`. The command line makes its options of these (`cli/command.py`), the
page of the Python interface its tables, config.yaml its keys. `Option` beside the type says what
does not follow from them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from cryofocus.complaints import explain, suggest
from cryofocus.errors import SettingError
from cryofocus.option import PLAIN, Option

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # by no private name

MAX_COMPLAINTS = 5
SECTION = re.compile(r"^Attributes:\n((?: {4}.*\n?|\n)+)", re.MULTILINE)
ENTRY = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


class _Listed(ModelMetaclass):
    """Lists what settings say themselves; `help` would show 50 names of pydantic."""

    def __dir__(cls) -> list[str]:
        """Return the public names that are not the base's."""
        names = set(super().__dir__()) - set(dir(BaseModel))
        return sorted(name for name in names if not name.startswith("_"))


class Settings(BaseModel, metaclass=_Listed):
    """Base of what a command can be asked; frozen.

    Raises:
        SettingError: For a value out of range or an unknown name: name, value found, what is
            expected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingError(_complain(error, type(self))) from error

    @model_validator(mode="before")
    @classmethod
    def _read_texts(cls, values: object) -> object:
        """Take what the command line takes for several numbers, such as `142,118,97,30`."""
        if not isinstance(values, dict):
            return values
        return {name: cls._read_text(name, value) for name, value in values.items()}

    @classmethod
    def _read_text(cls, name: str, value: object) -> object:
        if name not in cls.model_fields or not isinstance(value, str):
            return value
        how = cls.option(name)
        if how.read is None and "," not in (how.metavar or ""):
            return value
        try:
            return (
                how.read(value) if how.read else _split(value, cls.model_fields[name].annotation)
            )
        except ValueError:
            return value  # refused with its name by who checks types

    # Settings inside others are not built by the above, so that all faults are told at once.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def parts(cls) -> dict[str, type[Settings]]:
        """Return the fields that hold settings."""
        return {
            name: field.annotation
            for name, field in cls.model_fields.items()
            if isinstance(field.annotation, type) and issubclass(field.annotation, Settings)
        }

    @classmethod
    def option(cls, name: str) -> Option:
        """Return what stands beside the type of a field."""
        notes = cls.model_fields[name].metadata
        return next((note for note in notes if isinstance(note, Option)), PLAIN)

    @classmethod
    def places(cls) -> dict[str, tuple[str, ...]]:
        """Return which field each word of the command line is for, from the outermost in."""
        parts, found = cls.parts(), dict[str, tuple[str, ...]]()
        for name in cls.model_fields:
            how = cls.option(name)
            inside = parts[name].places() if name in parts else {how.word(name): ()}
            found |= {
                word: (name, *place)
                for word, place in inside.items()
                if not (how.only and place) or place[0] in how.only
            }
        return found

    @classmethod
    def sort_words(cls, words: Mapping[str, Any]) -> dict[str, Any]:
        """Put values given by the words of the command line where the fields are.

        Raises:
            SettingError: For a word that is none.
        """
        places, values = cls.places(), dict[str, Any]()
        for word, value in words.items():
            if word not in places:
                raise SettingError(f"{word}: unknown, {suggest(word, places)}")
            *parts, name = places[word]
            inside = values
            for part in parts:
                inside = inside.setdefault(part, {})
            inside[name] = value
        return values

    @classmethod
    def describe(cls) -> dict[str, str]:
        """Return what the docstrings say of each field, inherited fields last."""
        found: dict[str, str] = {}
        for base in cls.__mro__[: cls.__mro__.index(Settings)]:
            if section := SECTION.search(inspect.cleandoc(base.__doc__ or "")):
                for name, text in ENTRY.findall(section[1]):
                    found.setdefault(name, " ".join(text.split()))
        return found


def _split(text: str, kind: Any) -> tuple[Any, ...]:
    """Read values with commas between them.

    Raises:
        ValueError: When they are not as many, or not of these types.
    """
    if isinstance(kind, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
    kinds, parts = list(get_args(kind)), text.split(",")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(parts)
    return tuple(one(part.strip()) for one, part in zip(kinds, parts, strict=True))


def _complain(error: ValidationError, model: type[Settings]) -> str:
    """Turn what is wrong into words: for each fault name, value found, what is expected."""
    faults = error.errors()
    text = "; ".join(_explain(fault, model) for fault in faults[:MAX_COMPLAINTS])
    return text + (f"; and {len(faults) - MAX_COMPLAINTS} more" if faults[MAX_COMPLAINTS:] else "")


def _explain(fault: Mapping[str, Any], model: type[Settings]) -> str:
    place = [str(part) for part in fault["loc"] if part not in model.parts()]
    name = ".".join(place) or str(fault["loc"][0])
    expected = model.option(name).expected if name in model.model_fields else ""
    return explain(fault, name, hint_at(name, model), expected)


def hint_at(name: str, model: type[Settings]) -> str:
    """Say what an unknown name may have been meant to be."""
    for part, settings in model.parts().items():
        if name in settings.model_fields:
            return f"it belongs under {part}"
    return suggest(name, _known(model))


def _known(model: type[Settings]) -> Iterator[str]:
    """Yield the names of all fields, those of settings inside as well."""
    yield from model.model_fields
    for settings in model.parts().values():
        yield from settings.model_fields
