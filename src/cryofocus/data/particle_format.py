"""What a format of particle files is: how its files are known, opened and written anew.

The folder of each format has a `format.py` with its records; `cryofocus.data.formats` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryofocus.complaints import say_unreadable
from cryofocus.data.foreign.compressed import refuse_compressed
from cryofocus.data.particle_table import Classes, ParticleColumns, ParticleTable, Supplement
from cryofocus.data.star.document import StarDocument
from cryofocus.errors import InputError, SettingError

START_BYTES = 64
OPTION_OF_SUPPLEMENT = {
    "stack": "--stack",
    "microscope": "--microscope",
    "pixel_size_angstrom": "--pixel-size",
    "passthrough": "--passthrough",
}


@dataclass(frozen=True)
class ParticleFile:
    """A file whose format is asked for.

    Attributes:
        path: The file.
        start: Its first bytes, in which many formats have a mark.
    """

    path: Path
    start: bytes

    @classmethod
    def read(cls, path: Path) -> ParticleFile:
        """Read the start of a file.

        Raises:
            InputError: If it cannot be read.
            FormatError: If it is compressed.
        """
        try:
            with path.open("rb") as handle:
                start = handle.read(START_BYTES)
        except OSError as error:
            raise InputError(say_unreadable(path, error)) from error
        refuse_compressed(path, start)
        return cls(path, start)

    @cached_property
    def star(self) -> StarDocument:
        """The whole file as STAR, which is the syntax of several formats; read once.

        Raises:
            FormatError: If it holds no `data_` block.
        """
        return StarDocument.read(self.path)


def only_the_table(path: Path, classes: Classes | None) -> list[Path]:
    """Name the one file that most formats write."""
    del classes
    return [path]


@dataclass(frozen=True)
class Format:
    """A format of particle files.

    Attributes:
        name: As the user chooses it.
        title: As messages call it.
        suffix: Ending of its files.
        recognises: Whether a file is one of its own: by its content or, where the format has no
            mark, by its name.
        open: Opens such a file, given what it leaves to the user to say.
        write: Writes path, columns, classes; returns what the format cannot hold.
        files: Names every file that `write` writes.
        uses: Which attributes of the `Supplement` mean something for it.
        stack_suffix: How the names of image stacks have to end for its program; None if that does
            not matter.
        mistaken: What files of other kinds are that are often given in place of its own, and what
            to give, by their endings.
    """

    name: str
    title: str
    suffix: str
    recognises: Callable[[ParticleFile], bool]
    open: Callable[[ParticleFile, Supplement], ParticleTable]
    write: Callable[[Path, ParticleColumns, Classes | None], list[str]]
    files: Callable[[Path, Classes | None], list[Path]] = only_the_table
    uses: tuple[str, ...] = ()
    stack_suffix: str | None = None
    mistaken: Mapping[str, str] = field(default_factory=dict)

    def open_file(self, file: ParticleFile, supplement: Supplement) -> ParticleTable:
        """Open a file of this format.

        Raises:
            SettingError: If the supplement says what the file says itself: the user would believe
                that it counts.
            InputError: If the file cannot be used.
        """
        for name, option in OPTION_OF_SUPPLEMENT.items():
            if getattr(supplement, name) not in (None, ()) and name not in self.uses:
                raise SettingError(
                    f"{option} is not needed: {file.path} already contains it. Leave it out."
                )
        return self.open(file, supplement)
