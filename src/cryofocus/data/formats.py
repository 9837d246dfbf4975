"""The formats of particle files: which one a file has, and writing a new file of any.

The content of a file decides, not its name, except where a format has no mark of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryofocus.data.cistem.binary import CistemBinaryTable
from cryofocus.data.cistem.columns import class_files
from cryofocus.data.cistem.frealign import FrealignTable
from cryofocus.data.cistem.new import write_cistem_binary, write_cistem_star, write_frealign
from cryofocus.data.cistem.text import CistemStarTable
from cryofocus.data.cryosparc.containers import NUMPY_MAGIC, STREAM_MAGIC
from cryofocus.data.cryosparc.new import write_cryosparc
from cryofocus.data.cryosparc.table import CryosparcTable
from cryofocus.data.particle_table import Classes, ParticleColumns, ParticleTable, Supplement
from cryofocus.data.relion.new import write_relion
from cryofocus.data.relion.table import RelionTable
from cryofocus.data.star.document import StarDocument
from cryofocus.errors import FormatError, InputError, SettingError

OPTION_OF_SUPPLEMENT = {
    "stack": "--stack",
    "microscope": "--microscope",
    "pixel_size_angstrom": "--pixel-size",
    "passthrough": "--passthrough",
}
CS_SUFFIX, CISTEM_SUFFIX, FREALIGN_SUFFIX = ".cs", ".cistem", ".par"


@dataclass(frozen=True)
class Format:
    """A format in which new particle files are written.

    Attributes:
        name: As the user chooses it.
        title: As messages call it.
        suffix: Ending of its files.
        write: Writes path, columns, classes; returns what the format cannot hold.
        has_class_files: Whether posteriors go into one more file a class.
    """

    name: str
    title: str
    suffix: str
    write: Callable[[Path, ParticleColumns, Classes | None], list[str]]
    has_class_files: bool = False

    def files(self, path: Path, classes: Classes | None) -> list[Path]:
        """Name every file that `write` writes."""
        if not self.has_class_files or classes is None or classes.posterior is None:
            return [path]
        return [path, *(other for other, _ in class_files(path, classes.posterior))]


TABLE_SUFFIXES = (".star", CS_SUFFIX, CISTEM_SUFFIX, FREALIGN_SUFFIX)
_IMAGES = (
    "holds images or a map, no table of particles. Give the table that names the images and has "
    "their poses, such as run_data.star or J24_particles.cs."
)
OTHER_KINDS = {
    **dict.fromkeys((".mrc", ".mrcs", ".map"), _IMAGES),
    ".csg": "lists the files of a cryoSPARC result. Give the .cs file of particles beside it.",
}

# Of two formats with one suffix, the first is meant where none is named.
FORMATS = (
    Format("relion", "RELION STAR", ".star", write_relion),
    Format("cryosparc", "cryoSPARC .cs", CS_SUFFIX, write_cryosparc),
    Format("cistem", "cisTEM binary", CISTEM_SUFFIX, write_cistem_binary, has_class_files=True),
    Format("cistem-star", "cisTEM STAR", ".star", write_cistem_star, has_class_files=True),
    Format("frealign", "Frealign .par", FREALIGN_SUFFIX, write_frealign, has_class_files=True),
)


def choose_format(path: Path, name: str | None = None) -> Format:
    """Choose the format of a new file by its name or by the file's ending.

    Raises:
        SettingError: If there is no such format, or the file's ending is not its.
    """
    known = [f for f in FORMATS if name in (None, f.name)]
    if not known:
        names = ", ".join(f.name for f in FORMATS)
        raise SettingError(f"to: found {name!r}, expected one of {names}. Change --to.")
    fitting = [f for f in known if f.suffix == path.suffix]
    if not fitting:
        endings = " or ".join(dict.fromkeys(f.suffix for f in known))
        raise SettingError(
            f"{path}: expected a name that ends in {endings}. Change the name after -o."
        )
    return fitting[0]


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
    start = _read_start(path)
    if start in (NUMPY_MAGIC, STREAM_MAGIC) or path.suffix == CS_SUFFIX:
        _refuse_idle(path, supplement, "passthrough")
        return CryosparcTable.open(path, supplement)
    if path.suffix == CISTEM_SUFFIX:
        _refuse_idle(path, supplement, "stack")
        return CistemBinaryTable.open(path, supplement)
    if path.suffix == FREALIGN_SUFFIX:
        _refuse_idle(path, supplement, "stack", "microscope", "pixel_size_angstrom")
        return FrealignTable.open(path, supplement)
    document = StarDocument.read(path)
    cistem = CistemStarTable.find(document, supplement)
    _refuse_idle(path, supplement, *(("stack",) if cistem else ()))
    return cistem or RelionTable.open(document, needs_poses=supplement.needs_poses)


def _refuse_other_kinds(path: Path) -> None:
    """Say of what is often given instead what it is, and which file is meant."""
    if path.is_dir():
        tables = sorted(entry for entry in path.iterdir() if entry.suffix in TABLE_SUFFIXES)
        named = f": {tables[0]}" if len(tables) == 1 else ", such as run_data.star"
        raise InputError(f"{path}: is a folder. Give the particle table in it{named}.")
    if path.suffix in OTHER_KINDS:
        raise FormatError(f"{path}: {OTHER_KINDS[path.suffix]}")


def _refuse_idle(path: Path, supplement: Supplement, *used: str) -> None:
    """Refuse what would be given in vain: the user believes that it counts."""
    for name, option in OPTION_OF_SUPPLEMENT.items():
        if getattr(supplement, name) not in (None, ()) and name not in used:
            raise SettingError(
                f"{option}: has no use for {path}, whose format says it itself. Leave it out."
            )


def _read_start(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            return handle.read(len(NUMPY_MAGIC))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
