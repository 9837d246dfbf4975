"""The record of RELION's format."""

from __future__ import annotations

from cryofocus.data.particle_format import Format
from cryofocus.data.relion.new import write_relion
from cryofocus.data.relion.table import RelionTable
from cryofocus.data.stack_paths import RELION_STACK

_IMAGES = (
    "holds images or a map, no table of particles. Give the table that names the images and has "
    "their poses, such as run_data.star or J24_particles.cs."
)

RELION = Format(
    name="relion",
    title="RELION STAR",
    suffix=".star",
    # Every STAR file that no other program has marked as its own.
    recognises=lambda file: bool(file.star.blocks),
    open=RelionTable.open,
    write=write_relion,
    stack_suffix=RELION_STACK,
    mistaken=dict.fromkeys((".mrc", ".mrcs", ".map"), _IMAGES),
)
