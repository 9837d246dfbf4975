"""The formats of particle files: which one a file has, and which one a new file is to have.

The content of a file decides, not its name, except where a format has no mark of its own.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryofocus.data.cistem.format import CISTEM, CISTEM_STAR, FREALIGN
from cryofocus.data.cryosparc.format import CRYOSPARC
from cryofocus.data.particle_format import Format, ParticleFile
from cryofocus.data.particle_table import ParticleTable, Supplement
from cryofocus.data.relion.format import RELION
from cryofocus.errors import FormatError, InputError, SettingError

# Asked in this order whose a file is: the last takes what the others of its syntax leave. Of two
# formats with one suffix, the last is meant where a new file names none.
FORMATS = (CRYOSPARC, CISTEM, FREALIGN, CISTEM_STAR, RELION)
# Of the tables in a folder of cryofocus or RELION, the one that is meant.
USUAL_NAMES = ("particles", "run_data")


def open_table(path: Path, supplement: Supplement | None = None) -> ParticleTable:
    """Open a particle file of any format that this package reads.

    Args:
        path: The file.
        supplement: What the file leaves to the user to say.

    Raises:
        InputError: If the file cannot be read.
        FormatError: If it is damaged or of no known format.
        ParticleError: If it holds no particles.
        SettingError: If the supplement says what this format says itself.
    """
    supplement = supplement or Supplement()
    _refuse_other_kinds(path)
    file = ParticleFile.read(path)
    chosen = next(known for known in FORMATS if known.recognises(file))
    return chosen.open_file(file, supplement)


def choose_format(path: Path, name: str | None = None) -> Format:
    """Choose the format of a new file by its name or by the file's ending.

    Raises:
        SettingError: If there is no such format, or the file's ending is not its.
    """
    known = [f for f in reversed(FORMATS) if name in (None, f.name)]
    if not known:
        names = ", ".join(f.name for f in reversed(FORMATS))
        raise SettingError(f"to: found {name!r}, expected one of {names}. Change --to.")
    fitting = [f for f in known if f.suffix == path.suffix]
    if not fitting:
        endings = " or ".join(dict.fromkeys(f.suffix for f in known))
        raise SettingError(
            f"{path}: expected a name that ends in {endings}. Change the name after -o."
        )
    return fitting[0]


def table_suffixes() -> tuple[str, ...]:
    """Name the endings of particle files, RELION's first."""
    return tuple(dict.fromkeys(known.suffix for known in reversed(FORMATS)))


def _refuse_other_kinds(path: Path) -> None:
    """Say of what is often given instead what it is, and which file is meant."""
    if os.path.isdir(path):
        tables = sorted(
            (entry for entry in path.iterdir() if entry.suffix in table_suffixes()),
            key=lambda entry: (entry.stem not in USUAL_NAMES, entry.name),
        )
        first = tables[0] if tables else "run_data.star"
        named = f": {first}" if len(tables) == 1 else f", such as {first}"
        raise InputError(f"{path}: is a folder. Give the particle table in it{named}.")
    for known in FORMATS:
        if path.suffix in known.mistaken:
            raise FormatError(f"{path}: {known.mistaken[path.suffix]}")
