"""Find the image stacks that a particle table names.

Names come from a file that others wrote. They are looked up and opened as MRC, nothing else.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PureWindowsPath
from typing import Protocol, runtime_checkable
from unicodedata import normalize

import numpy as np
from jaxtyping import Int

from cryofocus.complaints import cut, show
from cryofocus.errors import InputError, ParticleError
from cryofocus.logs import get_logger

logger = get_logger(__name__)

N_REPORTED = 3
# Characters of a path.
LONGEST_SHOWN = 1000
# How RELION wants the names of stacks to end.
RELION_STACK = ".mrcs"
# Before the @, numbers that count nothing.
NO_COUNT = re.compile(r"[-+]\d+|[-+]?\d*\.\d*")
# Of a path whose end is looked up.
MOST_FOLDERS = 20


@dataclass(frozen=True, eq=False)
class ImagePlaces:
    """Where each particle's image lies.

    Attributes:
        stacks: Distinct stack names as the table writes them.
        stack_of_particle: Index into `stacks`.
        slice_of_particle: Image of the stack, from 0.
        unnumbered: Stacks that several rows name without the number of the image.
    """

    stacks: tuple[str, ...]
    stack_of_particle: Int[np.ndarray, " n"]
    slice_of_particle: Int[np.ndarray, " n"]
    unnumbered: frozenset[str] = frozenset()

    def name(self, particle: int) -> str:
        """Name an image as RELION does."""
        number = int(self.slice_of_particle[particle]) + 1
        return f"{number:06d}@{self.stacks[self.stack_of_particle[particle]]}"


def parse_image_names(names: Sequence[str], table: Path) -> ImagePlaces:
    """Split image names `000012@path/stack.mrcs`; a name without number is the first image.

    Args:
        names: `rlnImageName` of every particle.
        table: The file they come from, for messages.

    Raises:
        ParticleError: If an image number is 0 or a name is empty.
    """
    index: dict[str, int] = {}
    stacks, slices = np.empty(len(names), np.int32), np.empty(len(names), np.int64)
    without_number: set[str] = set()
    unnumbered: set[str] = set()
    for row, name in enumerate(names):
        number, separator, stack = name.partition("@")
        is_wrong = bool(separator and NO_COUNT.fullmatch(number))
        if not (separator and number.isascii() and number.isdigit()):
            is_wrong |= bool(separator and stack.isdigit())  # the other way round
            number, stack = "1", name
            (unnumbered if name in without_number else without_number).add(name)
        if is_wrong or not stack or len(number) > 18 or int(number) == 0:
            raise ParticleError(
                f"{table}: rlnImageName of row {row + 1} is {show(name)}; expected NUMBER@STACK "
                "with images counted from 1. Correct the table."
            )
        stacks[row] = index.setdefault(stack, len(index))
        slices[row] = int(number) - 1
    return ImagePlaces(tuple(index), stacks, slices, frozenset(unnumbered))


def locate_stacks(stacks: Sequence[str], table: Path, datadir: Path | None) -> tuple[Path, ...]:
    """Find the file of every stack.

    Looked up in turn in `datadir`, the working directory, the table's folder and the folders above
    it (one of which is the RELION project that relative names start from), and by the tails of
    its path in `datadir`, the longest first, unless another stack's path ends alike: images may
    have been copied from another machine with or without the folders they were in.

    Args:
        stacks: Names as the table writes them.
        table: The table's file.
        datadir: Folder that the user gave.

    Returns:
        Absolute paths of existing files.

    Raises:
        InputError: If `datadir` is no folder.
        ParticleError: If a stack is missing; the first few are listed with every place tried. Or
            if a name is empty or, without `datadir`, fits one file here and another one beside the
            table.
    """
    if datadir is not None and not os.path.isdir(datadir):
        raise InputError(f"--datadir {datadir}: no such folder. Give the folder of the stacks.")
    if datadir is not None:
        datadir = _straight(datadir.absolute())
    if "" in stacks:
        raise ParticleError(
            f"{table}: the name of an image stack is empty, so its images cannot be found. "
            "Correct the table."
        )
    folders = _search_folders(table, datadir)
    n_alike = Counter(tail for stack in stacks for tail in _tails(stack))
    found: list[Path] = []
    missing: list[tuple[str, list[Path]]] = []
    for stack in stacks:
        places = _places(stack, folders)
        # An end that two stacks share would find the wrong one without a word.
        if datadir is not None:
            tails = (tail for tail in _tails(stack) if n_alike[tail] == 1)
            places += [place for tail in tails if (place := datadir / tail) not in places]
        # A file of that very name is no rival of a map that is called almost so.
        exact = next(filter(os.path.isfile, places), None) if datadir is None else None
        path = exact or next(filter(None, map(_file_at, places)), None)
        if path is None:
            missing.append((stack, places))
            continue
        if datadir is None:
            _refuse_two_files(stack, path, table)
        found.append(path)
        # The stacks of a project lie side by side: try first where the last one was.
        folder = next((f for f in folders if path == _file_at(f / stack)), None)
        if folder is not None and folder != datadir:
            folders.remove(folder)
            folders.insert(0 if datadir is None else 1, folder)
    if missing:
        raise ParticleError(_describe_missing(table, missing, len(stacks)))
    return tuple(found)


def join_same_files(places: ImagePlaces, paths: Sequence[Path]) -> ImagePlaces:
    """Count every file once, under however many names or links a table has it.

    Args:
        places: Of the images.
        paths: File of every stack.
    """
    first: dict[str, int] = {}
    index = [first.setdefault(os.path.realpath(path), at) for at, path in enumerate(paths)]
    if len(first) == len(paths):
        return places
    return replace(places, stack_of_particle=np.array(index, np.int32)[places.stack_of_particle])


def name_by_file(names: Sequence[str], table: Path) -> list[str]:
    """Name images by the files they are in, however a table calls these.

    Raises:
        ParticleError: If a name makes no sense, or a stack is not found.
    """
    places = parse_image_names(names, table)
    files = map(os.path.realpath, locate_stacks(places.stacks, table, None))
    located = replace(places, stacks=tuple(files))
    return [located.name(row) for row in range(len(names))]


@runtime_checkable
class NamesImages(Protocol):
    """A table that names the stacks of its images."""

    @property
    def path(self) -> Path:
        """The file."""

    def first_stack(self) -> str:
        """Name the stack of the first image, as the file does."""


def note_image_folder(
    output: Path, table: NamesImages, source: Path | None = None, datadir: Path | None = None
) -> None:
    """Say which `--datadir` a table that was written needs, if it needs one.

    Rows keep the image names they had, byte for byte, and such names count from a folder: RELION's
    project, or that of the table.

    Args:
        output: The table that was written.
        table: The table its rows are from.
        source: Table beside which the images lie; `table` itself if left out.
        datadir: Folder in which image stacks were looked up first.
    """
    located = find_image_folder(table, source, datadir)
    if located is not None and not _leads_to(table.first_stack(), output, located.stack):
        logger.info(
            "%s: its image names count from %s; start later commands there, or add --datadir %s",
            *(output, located.folder, located.folder),
        )


@dataclass(frozen=True)
class LocatedStack:
    """The stack of a table's first image, and the folder that its name counts from."""

    stack: Path
    folder: Path


def find_image_folder(
    table: NamesImages, source: Path | None = None, datadir: Path | None = None
) -> LocatedStack | None:
    """Find the folder that a table's image names count from; see `note_image_folder`.

    Returns:
        None where the images are not there.
    """
    try:
        name = table.first_stack()
        (found,) = locate_stacks([name], source or table.path, datadir)
    except InputError:
        return None  # nobody needs images that were not there before
    folder = found.parents[min(len(Path(name).parts), len(found.parts) - 1) - 1]
    if _file_at(folder / name) is None or Path(name).is_absolute():  # found by the end of its path
        folder = datadir or found.parent
    return LocatedStack(found, folder)


def _leads_to(name: str, table: Path, stack: Path) -> bool:
    try:
        (path,) = locate_stacks([name], table, None)
    except InputError:
        return False
    return path.samefile(stack)


def _search_folders(table: Path, datadir: Path | None) -> list[Path]:
    home = _straight(table.absolute().parent)
    wanted = [Path.cwd(), home, *home.parents]
    if table.is_symlink():
        wanted.append(table.resolve().parent)
    if datadir is not None:
        wanted.insert(0, datadir)
    return list(dict.fromkeys(wanted))


def _straight(folder: Path) -> Path:
    """Write a folder without "..", unless a link on the way makes that another one."""
    short = Path(os.path.normpath(folder))
    return short if short.is_dir() and folder.is_dir() and short.samefile(folder) else folder


def _places(stack: str, folders: Sequence[Path]) -> list[Path]:
    """Every path at which a stack is looked for; an absolute name has no folder but its own."""
    # Letters with accents are one character or two, as the system has it that wrote the name.
    names = list(dict.fromkeys([stack, *(normalize(form, stack) for form in ("NFC", "NFD"))]))
    if os.path.isabs(stack):
        return [Path(name) for name in names]
    windows = PureWindowsPath(stack)
    if "\\" in stack and not windows.anchor:
        names.append(windows.as_posix())
    return [folder / name for name in names for folder in folders]


def _file_at(place: Path) -> Path | None:
    """Return the file at a place; for a stack .mrcs that is not there, the same as .mrc.

    RELION takes .mrc for volumes, so that tables for it name stacks of other programs .mrcs.
    """
    if os.path.isfile(place):
        return place
    if place.suffix != RELION_STACK:  # nor a name without one, such as "/"
        return None
    other = place.with_suffix(".mrc")
    return other if os.path.isfile(other) else None


def _tails(stack: str) -> list[str]:
    """Give the ends of a path, the longest first: what is left without its first folders."""
    path = PureWindowsPath(stack) if "\\" in stack else PurePath(stack)
    parts = path.parts
    first = max(1 if path.anchor else 0, len(parts) - MOST_FOLDERS)
    return [str(PurePath(*parts[start:])) for start in range(first, len(parts))]


def _refuse_two_files(stack: str, found: Path, table: Path) -> None:
    """Refuse to guess between two files: the images of another set would go unnoticed."""
    beside = table.absolute().parent / stack
    if beside != found and os.path.isfile(beside) and not beside.samefile(found):
        raise ParticleError(
            f"{table}: image stack {stack} is {found} as well as {beside}, which are two files. "
            "Say which folder is meant with --datadir."
        )


def _describe_missing(
    table: Path, missing: Sequence[tuple[str, list[Path]]], n_stacks: int
) -> str:
    text = [f"{table}: {len(missing)} of {n_stacks} image stacks were not found."]
    for stack, places in missing[:N_REPORTED]:
        text.append(f"  {cut(stack, LONGEST_SHOWN)}, tried:")
        text.extend(f"    {_describe_place(place)}" for place in places)
    if len(missing) > N_REPORTED:
        text.append(f"  and {len(missing) - N_REPORTED} more")
    text.append(
        "Give the folder that holds them with --datadir, or start in the project's folder."
    )
    return "\n".join(text)


def _describe_place(place: Path) -> str:
    shown = cut(str(place), LONGEST_SHOWN)
    if os.path.isdir(place):
        return f"{shown} (a folder)"
    if os.path.exists(place):
        return f"{shown} (no plain file)"
    return f"{shown} (a link that leads nowhere)" if os.path.islink(place) else shown
