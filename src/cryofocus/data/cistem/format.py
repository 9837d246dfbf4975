"""The records of cisTEM's two formats and of Frealign's."""

from __future__ import annotations

from cryofocus.data.cistem.binary import CistemBinaryTable
from cryofocus.data.cistem.columns import class_paths
from cryofocus.data.cistem.frealign import FrealignTable
from cryofocus.data.cistem.new import write_cistem_binary, write_cistem_star, write_frealign
from cryofocus.data.cistem.text import CistemStarTable, find_cistem_block
from cryofocus.data.particle_format import Format

CISTEM = Format(
    name="cistem",
    title="cisTEM binary",
    suffix=".cistem",
    recognises=lambda file: file.path.suffix == ".cistem",
    open=CistemBinaryTable.open,
    write=write_cistem_binary,
    files=class_paths,
    uses=("stack",),
)
CISTEM_STAR = Format(
    name="cistem-star",
    title="cisTEM STAR",
    suffix=".star",
    recognises=lambda file: find_cistem_block(file.star) is not None,
    open=CistemStarTable.open,
    write=write_cistem_star,
    files=class_paths,
    uses=("stack",),
)
FREALIGN = Format(
    name="frealign",
    title="Frealign .par",
    suffix=".par",
    recognises=lambda file: file.path.suffix == ".par",
    open=FrealignTable.open,
    write=write_frealign,
    files=class_paths,
    uses=("stack", "microscope", "pixel_size_angstrom"),
)
