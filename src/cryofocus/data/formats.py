"""Which format a particle file has."""

from __future__ import annotations

from pathlib import Path

from cryofocus.data.particle_table import ParticleTable, Supplement
from cryofocus.data.relion_table import RelionTable
from cryofocus.data.star import StarDocument


def open_table(path: Path, supplement: Supplement | None = None) -> ParticleTable:
    """Open a particle file of any format that this package reads.

    Parameters
    ----------
    path : Path
        The file.
    supplement : Supplement, optional
        What the file may leave to the user to say.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If it is damaged or of no known format.
    ParticleError
        If it holds no particles.
    """
    del supplement
    return RelionTable.open(StarDocument.read(path))
