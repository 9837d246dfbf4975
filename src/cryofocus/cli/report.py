"""`cryofocus report`: the page of a finished run, once more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cryofocus.cli.console import say


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory of classify.")],
) -> None:
    """Write report.html and view.cxc of a finished run from the files in its directory.

    Example:

    `cryofocus report run`
    """
    from cryofocus.report.run.page import write_report

    page = write_report(run)
    say(f"Report     {page}")
    say(f"ChimeraX   {run / 'view.cxc'}")
