"""Options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Invert(StrEnum):
    """Whether protein is dark in the images."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


ParticleTable = Annotated[
    Path, typer.Argument(metavar="PARTICLES", help="Particle table, RELION 3.0 to 5 STAR.")
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Processor threads; all this process may use if left out."),
]
DataDirectory = Annotated[
    Path | None,
    typer.Option("--datadir", help="Folder in which to look for the image stacks as well."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the result that is there.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
