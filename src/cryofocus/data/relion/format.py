"""The record of RELION's format."""

from __future__ import annotations

from cryofocus.data.particle_format import Format
from cryofocus.data.relion.new import write_relion
from cryofocus.data.relion.other_tables import EXPORT, ONE_IMAGE_EACH
from cryofocus.data.relion.table import RelionTable
from cryofocus.data.stack_paths import RELION_STACK

_IMAGES = (
    "holds images or a map, no table of particles. Give the table that names the images and has "
    "their poses, such as run_data.star or J24_particles.cs."
)
_SUBTOMOGRAMS = f"is a list of subtomograms. {ONE_IMAGE_EACH}"
# Of programs that write no format that is read, by the endings of their lists of particles.
_OTHER_PROGRAMS = {
    **dict.fromkeys((".tbl", ".em", ".xml"), _SUBTOMOGRAMS),
    **dict.fromkeys((".lst", ".hdf"), f"is a list or stack of EMAN2. {EXPORT}"),
    ".sqlite": f"is a database, as Scipion writes. {EXPORT}",
    ".xmd": f"is a table of Xmipp. {EXPORT}",
    ".db": (
        "is a database, as of a cisTEM project. Give the parameters of a refinement in it "
        "(.cistem or .star), or export its particles as RELION STAR."
    ),
}

RELION = Format(
    name="relion",
    title="RELION STAR",
    suffix=".star",
    # Every STAR file that no other program has marked as its own.
    recognises=lambda file: bool(file.star.blocks),
    open=RelionTable.open,
    write=write_relion,
    stack_suffix=RELION_STACK,
    mistaken=dict.fromkeys((".mrc", ".mrcs", ".map"), _IMAGES) | _OTHER_PROGRAMS,
)
