"""`cryofocus classify`: the main command."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import cryofocus
from cryofocus.cli.console import say
from cryofocus.cli.settings_options import Given
from cryofocus.errors import SettingError

RUN = "Run directory"
CLASSES = "classes: missing; give 2 or more, or auto"


def classify(
    context: typer.Context,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Run directory.", rich_help_panel=RUN)
    ],
    request: Given[cryofocus.ClassifyRequest],
    config: Annotated[
        Path | None,
        typer.Option(
            help="config.yaml of an earlier run: its settings, except those given here.",
            rich_help_panel=RUN,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Finish an interrupted run.", rich_help_panel=RUN),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an existing run.", rich_help_panel=RUN),
    ] = False,
) -> None:
    """Classify particles by what happens inside a sphere or mask.

    Poses stay fixed unless told otherwise. The classes differ inside the region; everything
    outside is explained by the consensus map. Class maps show the whole particle, unmasked.
    For example:

    `cryofocus classify run_data.star --focus 142,118,97,30 --classes 2 -o run`

    `cryofocus classify run_data.star --mask head.mrc --classes 4 --max-resolution 8 -o run`

    `cryofocus classify --config run/config.yaml --seed 2 -o run2`
    """
    from cryofocus.workflows.machine.progress import choose_progress

    made = cryofocus.classify(
        _complete(request, config),
        output,
        overwrite=overwrite,
        resume=resume,
        command=shlex.join(["cryofocus", *sys.argv[1:]]),
        progress=context.obj or choose_progress(),  # who calls this command may bring a display
    )
    say(f"\n{made.summary()}")


def _complete(
    request: Given[cryofocus.ClassifyRequest], config: Path | None
) -> cryofocus.ClassifyRequest:
    """Put together what was given on the command line and what the configuration says."""
    given = request.values
    if config is not None:
        return cryofocus.read_config(config, given)
    settings = given.setdefault("settings", {})
    if len(given.get("references", ())) == 1:
        raise typer.BadParameter(
            "found 1 map, expected one for each class, at least 2", param_hint="--references"
        )
    missing = _find_missing(given)
    try:
        in_place = {"particles": given.get("particles", Path()), "settings": settings}
        if CLASSES in missing:
            in_place["settings"] = {**settings, "n_classes": "auto"}
        asked = request.settings(**{**given, **in_place})
    except SettingError as error:
        # What else is wrong is told with what is missing: one round for all.
        raise SettingError("; ".join([*missing, str(error)])) from error
    if missing:
        raise SettingError("; ".join(missing))
    return asked


def _find_missing(given: Mapping[str, Any]) -> list[str]:
    """Say what a command line lacks that settings cannot tell."""
    references, missing = given.get("references", ()), []
    if "particles" not in given:
        place = ", before --references, which takes all that follows" if references else ""
        missing.append(f"particles: missing; give a particle table{place}")
    if not references and "n_classes" not in given["settings"]:
        missing.append(CLASSES)
    if missing and "particles" in given and not Path(given["particles"]).exists():
        missing.append(f"particles: {given['particles']} does not exist")
    return missing
