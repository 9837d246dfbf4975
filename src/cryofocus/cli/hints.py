"""What somebody meant who typed what there is not: options of other programs, and slips."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import typer

from cryofocus.synonyms import MEANT, NOT_NEEDED

VALUES: Mapping[str, str] = {
    **{"gpu": "cuda", "nvidia": "cuda", "gpu:0": "cuda"},
    **{"true": "yes", "false": "no", "dark": "yes", "bright": "no"},
}
EXAMPLE = re.compile(r"`(cryofocus [^`]+)`")
BOUND = re.compile(r"Input should be (greater|less) than or equal to (\S+)")
NO_NUMBER = re.compile(r"Input should be a valid (number|integer), unable to parse")
EXTRA = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)")
NUMBERS = re.compile(r"[-+.\d\s]+")
# Options that a map may be meant for, in order.
OF_MAPS = ("--mask", "--keep", "--map", "--reference", "--references", "--solvent-mask")
STACKS = (".mrcs", ".mrc", ".map")
NEGATIVE = re.compile(r"-[\d.]")
CHOICES = re.compile(r"'([^']*)' is not one of (.+)\.?$")


def explain_unknown(
    options: Sequence[str], params: Sequence[Any], others: Mapping[str, Sequence[Any]]
) -> str:
    """Say that there are no such options, and the nearest there is to each with what it means.

    Args:
        options: As they were typed, with dashes.
        params: Parameters of the command.
        others: Parameters of the other commands, by their names.
    """
    told = [_explain_one(option, params, others) for option in options]
    return "\n".join(f"No such option: {option}. {what}" for option, what in told)


def _explain_one(
    option: str, params: Sequence[Any], others: Mapping[str, Sequence[Any]]
) -> tuple[str, str]:
    found = {name: p for p in params for name in p.opts if name.startswith("--")}
    wanted = option.lstrip("-").lower().replace("_", "-")
    if wanted in NOT_NEEDED and not any(name in found for name in MEANT.get(wanted, ())):
        return option, NOT_NEEDED[wanted]
    name = next(_guesses(wanted, tuple(found)), None)
    elsewhere = [command for command, its in others.items() if option in _names(its)]
    belongs = f"cryofocus {elsewhere[0]} has {option}." if len(elsewhere) == 1 else ""
    is_near = name in MEANT.get(wanted, ()) or (name or "").startswith(f"--{wanted}")
    if belongs and not is_near:
        (meant,) = (p for p in others[elsewhere[0]] if option in p.opts)
        return option, f"{belongs} {_first_sentence(meant.help or '')}".rstrip()
    if name is None:
        return option, "Options are listed by -h."
    meaning = _first_sentence(getattr(found[name], "help", None) or "")
    return option, f"Did you mean {name}? {meaning}".rstrip()


def _names(params: Sequence[Any]) -> set[str]:
    return {name for param in params for name in param.opts}


def given_options(arguments: Sequence[str]) -> list[str]:
    """Return what reads as an option on a command line, without values that are attached."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return [
        word.split("=", 1)[0] if word.startswith("--") else word[:2]
        for word in own
        if len(word) > 1 and word.startswith("-") and not NEGATIVE.match(word)
    ]


def find_repeated(arguments: Sequence[str], params: Sequence[Any]) -> str | None:
    """Name an option that takes one value and was given more than once, under any of its names."""
    single = {
        name: param.opts
        for param in params
        if not getattr(param, "is_flag", True) and not getattr(param, "multiple", False)
        for name in param.opts
    }
    given = [max(single[name], key=len) for name in given_options(arguments) if name in single]
    return next((name for name in given if given.count(name) > 1), None)


def _guesses(wanted: str, names: Sequence[str]) -> Iterator[str]:
    """Yield options that may be meant, the likeliest first."""
    yield from (name for name in MEANT.get(wanted, ()) if name in names)
    bare = {name.lstrip("-"): name for name in names}
    yield from (bare[name] for name in sorted(bare) if len(wanted) > 2 and name.startswith(wanted))
    yield from (bare[name] for name in get_close_matches(wanted, bare, n=3, cutoff=0.7))
    parts = set(wanted.split("-"))
    yield from (bare[name] for name in sorted(bare) if parts & set(name.split("-")))


def _first_sentence(text: str) -> str:
    sentence = text.split(". ")[0].strip()
    return sentence if not sentence or sentence.endswith(".") else f"{sentence}."


def explain_choice(message: str) -> str:
    """Say of a value that is none which one may be meant."""
    message = message.removeprefix("Value error, ")
    if match := BOUND.fullmatch(message):
        return f"expected {match[2]} or {'more' if match[1] == 'greater' else 'less'}"
    if match := NO_NUMBER.match(message):
        whole = "whole number" if match[1] == "integer" else "number"
        return f"expected a {whole}, without a unit or a percent sign"
    if match := CHOICES.search(message):
        typed, choices = match[1].lower(), re.findall(r"'([^']*)'", match[2])
        meant = VALUES.get(typed)
        near = [meant] if meant in choices else get_close_matches(typed, choices, n=1)
        if near:
            message = f"{message.rstrip('.')}. Did you mean {near[0]}?"
    return message


def explain_extra(message: str, params: Sequence[Any]) -> str:
    """Say of a map without an option which it may belong to, of numbers how they are joined."""
    match = EXTRA.search(message)
    names = {name for param in params for name in param.opts}
    if match is not None and "--focus" in names and NUMBERS.fullmatch(match[1]):
        return f"{match[1]}: numbers on their own. Join those of --focus by commas: X,Y,Z,R."
    takes = [name for name in OF_MAPS if name in names]
    if match is None or not takes or not match[1].lower().endswith((".mrc", ".map", ".ccp4")):
        return message
    listed = " or ".join(", ".join(takes).rsplit(", ", 1))
    return f"{match[1]}: a map, given without its option. Did you mean {listed}?"


def explain_missing(message: str, help_text: str, first: str = "") -> str:
    """Add to what is missing an example of the command.

    Args:
        message: What is missing.
        help_text: Of the command.
        first: What stands in the place of its particle table, if it takes one.
    """
    example = find_example(help_text)
    if first.lower().endswith(STACKS):
        message = (
            f"{first}: images or a map alone, without poses. Give the particle table that "
            f"names the images and has their poses. {message}"
        )
    return f"{message.rstrip('.')}. For example: {example}" if example else message


def find_example(help_text: str) -> str | None:
    """Return the first command that a help text shows."""
    match = EXAMPLE.search(help_text)
    return None if match is None else " ".join(match[1].split())


def hide_types_of_switches(params: Sequence[Any]) -> None:
    """Let help show options that take no value without the kind of a value."""
    for param in params:
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""


# The base of what is wrong with a command line; Typer names only one of its kinds.
UsageError: Any = typer.BadParameter.__mro__[1]
