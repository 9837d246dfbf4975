"""Options made of the fields of settings: name, help, default and bounds are said there, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import Parameter, Signature, signature
from types import GenericAlias, NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin

import typer

from cryofocus.option import PLAIN, Option

if TYPE_CHECKING:
    from cryofocus.settings import Settings

Asked = TypeVar("Asked")

CONTEXT = "context"


@dataclass(frozen=True)
class Given(Generic[Asked]):
    """What the command line says of settings that a file may complete.

    Attributes:
        settings: The class.
        values: By the names of its fields; settings inside it are mappings.
    """

    settings: type[Asked]
    values: dict[str, Any]


@dataclass(frozen=True)
class _Value:
    """A value that the command line asks for.

    Attributes:
        name: Of the field or parameter.
        kind: Its type.
        default: If it is not given; `Parameter.empty` where it has to be.
        how: What does not follow from that.
        text: What the help says.
        bounds: `min` and `max`, where there are any.
    """

    name: str
    kind: Any
    default: Any
    how: Option
    text: str | None
    bounds: Mapping[str, float] = field(default_factory=dict)

    @property
    def option(self) -> str:
        """How the command line calls it."""
        if self.how.is_argument:
            return self.how.metavar or self.name.upper()
        return option_of(self.key)

    @property
    def key(self) -> str:
        """Name of the parameter."""
        return self.how.word(self.name)

    @property
    def is_one_text(self) -> bool:
        """Whether several values are given as one text."""
        return self.how.read is not None or (
            get_origin(self.kind) is tuple and "," in (self.how.metavar or "")
        )

    @property
    def parameter(self) -> Parameter:
        """The parameter that Typer makes an option of."""
        kind = self.kind
        if self.is_one_text:
            kind = str
        elif self.how.choices:
            kind = Literal[self.how.choices]
        elif get_origin(kind) is tuple:
            kind = GenericAlias(list, get_args(kind)[:1])
        default = None if self.default == () else self.default
        words: dict[str, Any] = {
            "help": self.text,
            "metavar": self.how.metavar,
            "rich_help_panel": self.how.panel,
            **self.bounds,
        }
        asks = (
            typer.Argument(show_default=False, **words)
            if self.how.is_argument
            else typer.Option(*filter(None, (self.how.short, self.option)), **words)
        )
        annotation: Any = Annotated[kind if default is not None else kind | None, asks]
        return Parameter(self.key, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)

    def read(self, given: Any) -> Any:
        """Make the value of what was given."""
        if not self.is_one_text:
            return given
        try:
            return self.how.read(given) if self.how.read else _split(given, get_args(self.kind))
        except ValueError as error:
            raise typer.BadParameter(
                f"found {given!r}, expected {self.how.expected}", param_hint=self.option
            ) from error


def read_options(function: Callable[..., None]) -> tuple[Callable[..., None], dict[str, str]]:
    """Turn a function of settings into one of options, from which Typer makes a command.

    Returns:
        The function, and what the command line calls each setting.
    """
    taken = signature(function, eval_str=True).parameters
    values = {name: list(_values_of(parameter)) for name, parameter in taken.items()}

    def called(context: typer.Context, **given: Any) -> None:
        given[CONTEXT] = context
        function(
            **{
                name: _build(taken[name], _gather(asked, context, given)) if asked else given[name]
                for name, asked in values.items()
            }
        )

    parameters = [Parameter(CONTEXT, Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for name, parameter in taken.items():
        if values[name]:
            parameters += [value.parameter for value in values[name]]
        elif name != CONTEXT:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
    called.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # for Typer
    called.__annotations__ = {}
    names = {parameter.name: option_of(parameter.name) for parameter in parameters}
    for value in (value for asked in values.values() for value in asked):
        names[value.key] = value.option
        if value.name != value.key:
            names[value.name] = f"{value.option} ({value.name})"
    return called, names


def option_of(name: str) -> str:
    """Return the option that gives a parameter."""
    return f"--{name.replace('_', '-')}"


def _values_of(parameter: Parameter) -> Iterator[_Value]:
    """Yield what is asked for a parameter; nothing where Typer knows what to do."""
    kind, how = _noted(parameter.annotation)
    if get_origin(kind) is Given:
        for value in _fields_of(get_args(kind)[0]):
            yield replace(value, default=None) if value.default is Parameter.empty else value
    elif hasattr(kind, "model_fields"):
        yield from _fields_of(kind, how or PLAIN)
    elif how is not None:
        yield _Value(parameter.name, _without_none(kind), parameter.default, how, how.help)


def _noted(annotation: Any) -> tuple[Any, Option | None]:
    """Part a type from the option that stands beside it."""
    if get_origin(annotation) is not Annotated:
        return annotation, None
    kind, *notes = get_args(annotation)
    return kind, next((note for note in notes if isinstance(note, Option)), None)


def _fields_of(settings: type[Settings], within: Option = PLAIN) -> Iterator[_Value]:
    parts = settings.parts()
    for name, text in settings.describe().items():
        found = settings.model_fields[name]
        how = settings.option(name)
        if how.is_hidden or (within.only and name not in within.only):
            continue
        if name in parts:
            yield from _fields_of(parts[name], how)
            continue
        is_required = found.is_required() or how.is_required
        default = Parameter.empty if is_required else found.default
        bounds = {
            bound: getattr(note, sign)
            for note in found.metadata
            for bound, sign in (("min", "ge"), ("max", "le"))
            if hasattr(note, sign)
        }
        how = replace(how, panel=how.panel or within.panel)
        text = f"{text} {how.help}" if how.help else text
        kind = _without_none(found.annotation)
        yield _Value(name, kind, default, how, text, bounds)


def _without_none(kind: Any) -> Any:
    """Return the type of a value that is there."""
    if isinstance(kind, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
    return kind


def _gather(
    asked: Sequence[_Value], context: typer.Context, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Collect what was given, so that what was not is left to the defaults, or to a file."""
    found: dict[str, Any] = {}
    for value in asked:
        source = context.get_parameter_source(value.key)
        if source is not None and source.name == "COMMANDLINE":
            found[value.key] = value.read(given[value.key])
    return found


def _build(parameter: Parameter, words: dict[str, Any]) -> Any:
    """Make the argument of what was given."""
    kind, _ = _noted(parameter.annotation)
    if get_origin(kind) is Given:
        (settings,) = get_args(kind)
        return Given(settings, settings.sort_words(words))
    if hasattr(kind, "model_fields"):
        return kind(**kind.sort_words(words))
    return words.get(parameter.name, parameter.default)


def _split(text: str, kinds: Sequence[Any]) -> tuple[Any, ...]:
    """Read values with commas between them.

    Raises:
        ValueError: When they are not as many, or not of these types.
    """
    parts = [part.strip() for part in text.split(",")]
    if kinds[-1] is Ellipsis:
        kinds = [kinds[0]] * len(parts)
    return tuple(kind(part) for kind, part in zip(kinds, parts, strict=True))
