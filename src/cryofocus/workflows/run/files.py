"""The files of a run directory: their names, and what each is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, overload, runtime_checkable

from cryofocus.data.formats import table_suffixes


@runtime_checkable
class _Directory(Protocol):
    @property
    def path(self) -> Path: ...


@dataclass(frozen=True)
class RunFile:
    """One file of a run directory and its purpose in a line; of a directory, its path there."""

    name: str
    purpose: str

    @overload
    def __get__(self, directory: None, owner: type) -> RunFile: ...
    @overload
    def __get__(self, directory: _Directory, owner: type) -> Path: ...
    def __get__(self, directory: _Directory | None, owner: type) -> RunFile | Path:
        """Give the path in a directory."""
        return self if directory is None else directory.path / self.name


class RunFiles:
    """Every file that is there once; those of single classes come on top."""

    report = RunFile("report.html", "the page to start with: classes, maps, how sure they are")
    view = RunFile("view.cxc", "opens class maps, consensus and mask in ChimeraX")
    region = RunFile(
        "region.cmm", "the sphere in focus as a marker to move in ChimeraX, and to give back"
    )
    _table = RunFile(
        "particles.*", "your particle table, in its own format, with class and probability added"
    )
    posteriors = RunFile(
        "posteriors.npy",
        "probabilities of the classes, float32 (particle, class); 0 in rows that do not count",
    )
    poses = RunFile("poses.npz", "poses that moved; cryofocus align combine makes a table of them")
    agreement = RunFile(
        "agreement.npy", "fraction of runs that agree on a particle, float32 (particle,)"
    )
    outliers = RunFile(
        "outliers.npy", "how far each image is from showing the consensus, float32 (particle,)"
    )
    classes = RunFile("classes.csv", "particles, weight, resolution and certainty of each class")
    consensus = RunFile("consensus.mrc", "map from all particles together")
    focus_mask = RunFile(
        "focus_mask.mrc", "the region in focus, from 0 to 1, on the particles' grid"
    )
    proposed_region = RunFile(
        "proposed_region.mrc", "mask of all that differs, where the region in focus cuts it"
    )
    fsc = RunFile("fsc.star", "Fourier shell correlation of the half maps of each class")
    convergence = RunFile("convergence.csv", "objective and posterior change by run and cycle")
    moves = RunFile("moves.csv", "particles that changed class, by run and cycle")
    run_classes = RunFile(
        "run_classes.csv", "where the classes of every run are in the reported ones"
    )
    variance = RunFile(
        "variance", "where the particles vary, with its own page, if the region was to be found"
    )
    regions = RunFile(
        "regions",
        "what was found in regions that cut what differs, before this one, if it was to be found",
    )
    job = RunFile(
        "job.json", "everything about this run for programs: results, machine, time, memory"
    )
    config = RunFile("config.yaml", "every setting as it was used; repeat the run with --config")
    command = RunFile("command.txt", "the command that started this run")
    log = RunFile("run.log", "what happened, line by line")
    checkpoint = RunFile(
        "checkpoint.npz", "state of an unfinished run; --resume continues from it"
    )
    search = RunFile(
        "search.npz", "state of an unfinished search for the region; --resume continues from it"
    )
    readme = RunFile("README.txt", "this list")


RUN_FILES = tuple(file for file in vars(RunFiles).values() if isinstance(file, RunFile))

NUMBERED_FILES = (
    RunFile("class001.mrc ...", "map of each class over the whole box, Wiener-filtered"),
    RunFile(
        "class001_half1.mrc ...", "unfiltered half maps of each class, within the box's sphere"
    ),
    RunFile("class001_control.mrc ...", "map of equally many particles drawn at random"),
    RunFile(
        "particles_class001.* ...", "table of each class, for programs that want one per class"
    ),
)
"""The numbered files, as the README lists them."""

LOCK_NAME = ".cryofocus.lock"
FORMER_NAME = ".cryofocus.former"
"""Folder of a run that is being replaced."""
README_TITLE = "Run directory of cryofocus classify"

_FIXED_NAMES = frozenset(file.name for file in RUN_FILES) | {LOCK_NAME}
_MAP_NAME = re.compile(r"class\d{3,}(_half[12]|_control)?\.mrc")
_TABLE_NAME = re.compile(r"particles(?:_class\d{3,})?(\.\w+)")


def table_name(suffix: str) -> str:
    """Name the particle table of the format whose files end so."""
    return f"particles{suffix}"


def class_map_name(class_number: int) -> str:
    """Name the map of a class; classes count from 1."""
    return f"class{class_number:03d}.mrc"


def half_map_name(class_number: int, half_set: int) -> str:
    """Name a half map of a class; classes and half sets count from 1."""
    return f"class{class_number:03d}_half{half_set}.mrc"


def control_map_name(class_number: int) -> str:
    """Name the map from equally many particles as a class has, drawn at random."""
    return f"class{class_number:03d}_control.mrc"


def is_run_file(name: str) -> bool:
    """Tell whether cryofocus itself writes a file of this name into a run directory.

    These are the fixed names and the numbered maps and tables.
    """
    table = _TABLE_NAME.fullmatch(name)
    is_table = table is not None and table[1] in table_suffixes()
    is_map = _MAP_NAME.fullmatch(name) is not None
    return name in _FIXED_NAMES or is_map or is_table


def readme_text() -> str:
    """Compose README.txt: one line a file."""
    files = (*RUN_FILES[:7], *NUMBERED_FILES, *RUN_FILES[7:])
    width = max(len(file.name) for file in files) + 2
    lines = [f"{file.name:<{width}}{file.purpose}" for file in files]
    rules = (
        "Maps are float32 MRC, protein positive, on the grid of the particles. Classes count\n"
        "from 1 in names and tables; rows of the arrays follow the rows of the particle table.\n"
        "Not every run writes every file."
    )
    return "\n".join([README_TITLE, "", *lines, "", rules, ""])
