"""The record of cryoSPARC's format."""

from __future__ import annotations

from cryofocus.data.cryosparc.containers import NUMPY_MAGIC, STREAM_MAGIC
from cryofocus.data.cryosparc.new import write_cryosparc
from cryofocus.data.cryosparc.table import CryosparcTable
from cryofocus.data.particle_format import Format

CRYOSPARC = Format(
    name="cryosparc",
    title="cryoSPARC .cs",
    suffix=".cs",
    recognises=lambda file: (
        file.start.startswith((NUMPY_MAGIC, STREAM_MAGIC)) or file.path.suffix == ".cs"
    ),
    open=CryosparcTable.open,
    write=write_cryosparc,
    uses=("passthrough",),
    mistaken={
        ".csg": "lists the files of a cryoSPARC result. Give the .cs file of particles beside it."
    },
)
