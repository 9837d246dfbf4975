"""Where the relative names in a config.yaml count from, wherever it is read, and once it moved."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from cryofocus.data.formats import open_table
from cryofocus.data.stack_paths import find_image_folder
from cryofocus.errors import InputError
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.reading import CLASSIFY_AGAIN
from cryofocus.workflows.run.yaml_file import read_yaml

ORIGIN = "origin"
PATHS = (
    *("particles", "mask", "map", "solvent_mask", "scaffold", "references"),
    *("datadir", "stack", "passthrough"),
)


@dataclass(frozen=True)
class Origin:
    """Where a run was started and where it was written.

    Attributes:
        started_in: Working directory, absolute.
        run: Run directory, absolute.
    """

    started_in: Path
    run: Path

    @classmethod
    def here(cls, run: Path) -> Origin:
        """Note where this process stands."""
        return cls(Path.cwd(), run.absolute())

    @classmethod
    def read(cls, noted: object) -> Origin | None:
        """Read what a configuration says; None where it says nothing of the kind."""
        match noted:
            case {"started_in": str(started_in), "run": str(run)}:
                return cls(Path(started_in), Path(run))
            case _:
                return None

    def to_yaml(self) -> dict[str, str]:
        """Write as the entry of a configuration."""
        return {"started_in": str(self.started_in), "run": str(self.run)}

    def moved_to(self, run: Path) -> Origin:
        """Return where everything is now that the run is somewhere else.

        What stands before the part that both places of the run end with has changed, for the
        project as for the run.
        """
        before, now = self.run.parts, run.absolute().parts
        backwards = zip(before[::-1], now[::-1], strict=False)
        n_same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], backwards))
        old, new = (Path(*parts[: len(parts) - n_same]) for parts in (before, now))
        moved = _move(self.started_in, old, new)
        return Origin(moved if moved.is_dir() else self.started_in, run.absolute())


def place_paths(values: Mapping[str, Any], config: Path) -> dict[str, Any]:
    """Make the names of files in a configuration mean what they meant where it was written.

    Names that mean the same file here stay as they are. Images that were looked for in the
    working directory still are, through `datadir`.

    Args:
        values: What config.yaml says.
        config: The file.
    """
    placed = dict(values)
    noted = Origin.read(placed.pop(ORIGIN, None))
    if noted is None:
        noted = Origin(Path.cwd(), config.parent.absolute())
    origin = noted.moved_to(config.parent)
    for name in PATHS:
        match placed.get(name):
            case str(path):
                placed[name] = str(_place(Path(path), noted, origin))
            case list(paths):
                placed[name] = [
                    str(_place(Path(path), noted, origin)) if isinstance(path, str) else path
                    for path in paths
                ]
    stands_there = os.path.isdir(origin.started_in) and origin.started_in.samefile(Path.cwd())
    if placed.get("datadir") is None and os.path.isdir(origin.started_in) and not stands_there:
        placed["datadir"] = str(origin.started_in)
    return placed


def locate_images(run: RunDirectory) -> tuple[str, ...]:
    """Return the options that find the images of a table made from a run, wherever one is.

    Args:
        run: Its config.yaml tells where the images were found.

    Returns:
        Words of a command line; none where the images are not there, or are found without.
    """
    try:
        values = place_paths(read_yaml(run.config, CLASSIFY_AGAIN), run.config)
        source, datadir = Path(str(values.get("particles"))), values.get("datadir")
        folder = None if datadir is None else Path(datadir)
        located = find_image_folder(open_table(run.particles), source, folder)
    except InputError:
        return ()
    if located is None or located.folder in run.path.absolute().parents:
        return ()
    return ("--datadir", str(located.folder.absolute()))


def _place(path: Path, noted: Origin, origin: Origin) -> Path:
    """Find the file that a name meant; the name itself where nothing is found."""
    if path.is_absolute():
        moved = _move(path, noted.started_in, origin.started_in)
        return moved if os.path.exists(moved) and not os.path.exists(path) else path
    there = origin.started_in / path
    if not os.path.exists(there) or (os.path.exists(path) and path.samefile(there)):
        return path
    return there


def _move(path: Path, before: Path, now: Path) -> Path:
    """Bring a path from one folder into another; one that lies elsewhere stays."""
    return now / path.relative_to(before) if path.is_relative_to(before) else path
