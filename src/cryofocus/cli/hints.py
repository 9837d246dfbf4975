"""What somebody meant who typed what there is not: options of other programs, and slips."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import typer

# What other programs call it, or one would; the first that a command has is meant.
MEANT: Mapping[str, tuple[str, ...]] = {
    "k": ("--classes",),
    "n-classes": ("--classes",),
    "nr-classes": ("--classes",),
    "num-classes": ("--classes",),
    "out": ("--output",),
    "o": ("--output",),
    "outdir": ("--output",),
    "sphere": ("--focus",),
    "radius": ("--focus",),
    "center": ("--focus",),
    "centre": ("--focus",),
    "mask": ("--mask", "--keep", "--regions", "--focus"),
    "region": ("--region", "--regions", "--focus", "--mask"),
    "regions": ("--regions", "--region"),
    "ref": ("--reference", "--references", "--map"),
    "reference": ("--reference", "--references", "--map"),
    "gpu": ("--device",),
    "cuda": ("--device",),
    "j": ("--threads",),
    "cpu": ("--threads",),
    "cpus": ("--threads",),
    "cores": ("--threads",),
    "workers": ("--cluster", "--threads"),
    "mem": ("--memory",),
    "ram": ("--memory",),
    "iter": ("--cycles", "--iterations"),
    "iterations": ("--cycles",),
    "epochs": ("--cycles",),
    "resolution": ("--max-resolution", "--map-resolution"),
    "highres": ("--max-resolution",),
    "ini-high": ("--max-resolution",),
    "lowpass": ("--lowpass", "--max-resolution"),
    "sym": ("--symmetry",),
    "angpix": ("--pixel-size",),
    "apix": ("--pixel-size",),
    "project-dir": ("--datadir",),
    "images": ("--datadir", "--stack"),
    "contrast": ("--invert",),
    "force": ("--overwrite",),
    "continue": ("--resume",),
    "restart": ("--resume",),
    "solvent": ("--solvent-mask",),
    "random-seed": ("--seed",),
    "model": ("--model", "--classes"),
}
VALUES: Mapping[str, str] = {
    **{"gpu": "cuda", "nvidia": "cuda", "gpu:0": "cuda"},
    **{"true": "yes", "false": "no", "dark": "yes", "bright": "no"},
}
EXAMPLE = re.compile(r"`(cryofocus [^`]+)`")
BOUND = re.compile(r"Input should be (greater|less) than or equal to (\S+)")
EXTRA = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)")
NUMBERS = re.compile(r"[-+.\d\s]+")
# Options that a map may be meant for, in order.
OF_MAPS = ("--mask", "--keep", "--map", "--reference", "--references", "--solvent-mask")
CHOICES = re.compile(r"'([^']*)' is not one of (.+)\.?$")


def explain_unknown(option: str, params: Sequence[Any]) -> str:
    """Say that there is no such option, and the nearest there is with what it means.

    Args:
        option: As it was typed, with dashes.
        params: Parameters of the command.
    """
    found = {name: p for p in params for name in p.opts if name.startswith("--")}
    wanted = option.lstrip("-").lower().replace("_", "-")
    for name in _guesses(wanted, tuple(found)):
        meaning = _first_sentence(getattr(found[name], "help", None) or "")
        return f"No such option: {option}. Did you mean {name}? {meaning}".rstrip()
    return f"No such option: {option}. Its options are listed by -h."


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


def explain_missing(message: str, help_text: str) -> str:
    """Add to what is missing an example of the command."""
    example = find_example(help_text)
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
