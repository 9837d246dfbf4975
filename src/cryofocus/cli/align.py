"""`cryofocus align`: poses of particles."""

from __future__ import annotations

import typer

from cryofocus.cli import align_refine, align_search

app = typer.Typer(
    no_args_is_help=True, help="Poses: refined, searched from nothing, and combined."
)


@app.callback()
def family() -> None:
    """Poses: refined, searched from nothing, and combined."""


app.command("refine")(align_refine.refine)
app.command("search")(align_search.search)
app.command("combine")(align_search.combine)
