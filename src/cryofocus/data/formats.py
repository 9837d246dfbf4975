"""Which format a particle file has.

The content decides, not the name, except where a format has no mark of its own.
"""

from __future__ import annotations

from pathlib import Path

from cryofocus.data.cistem_binary import CistemBinaryTable
from cryofocus.data.cistem_star import CistemStarTable
from cryofocus.data.cryosparc import CryosparcTable
from cryofocus.data.cs_file import NUMPY_MAGIC, STREAM_MAGIC
from cryofocus.data.frealign import FrealignTable
from cryofocus.data.particle_table import ParticleTable, Supplement
from cryofocus.data.relion_table import RelionTable
from cryofocus.data.star import StarDocument
from cryofocus.errors import InputError

CS_SUFFIX, CISTEM_SUFFIX, FREALIGN_SUFFIX = ".cs", ".cistem", ".par"


def open_table(path: Path, supplement: Supplement | None = None) -> ParticleTable:
    """Open a particle file of any format that this package reads.

    Parameters
    ----------
    path : Path
        The file.
    supplement : Supplement, optional
        What the file leaves to the user to say.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If it is damaged or of no known format.
    ParticleError
        If it holds no particles.
    """
    supplement = supplement or Supplement()
    start = _read_start(path)
    if start in (NUMPY_MAGIC, STREAM_MAGIC) or path.suffix == CS_SUFFIX:
        return CryosparcTable.open(path, supplement)
    if path.suffix == CISTEM_SUFFIX:
        return CistemBinaryTable.open(path, supplement)
    if path.suffix == FREALIGN_SUFFIX:
        return FrealignTable.open(path, supplement)
    document = StarDocument.read(path)
    return CistemStarTable.find(document, supplement) or RelionTable.open(document)


def _read_start(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            return handle.read(len(NUMPY_MAGIC))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
