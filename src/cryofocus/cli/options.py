"""Arguments that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cryofocus.option import Option

ParticleTable = Annotated[
    Path,
    typer.Argument(
        metavar="PARTICLES",
        help="Particle table: RELION STAR (3.0 to 5), cryoSPARC .cs, cisTEM .star or .cistem, or "
        "Frealign .par.",
    ),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory of classify.")]
NewFolder = Annotated[Path, typer.Option("-o", "--output", help="Directory to write.")]
NewTable = Annotated[
    Path, typer.Option("-o", "--output", help="Table to write, in the same format.")
]
NewMap = Annotated[Path, typer.Option("-o", "--output", help="MRC map to write.")]
# Of a `Machine`, what matters to a command that computes in its own process.
IN_PROCESS = Option(panel="Machine", only=("device", "threads", "memory_gpu_gb"))
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing result.")]
Seed = Annotated[int, typer.Option(min=0, help="Random seed.")]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processor threads. Default: all that this process may use.",
        rich_help_panel="Machine",
    ),
]
