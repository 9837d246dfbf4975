"""Whatever is wrong with the input of `classify`: one clear message, exit 2, nothing written."""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import mrcfile
import numpy as np
import pytest

from cryofocus.workflows.run import writing as atomic

BOX, PIXEL_SIZE = 24, 17.5
BAD_PIXELS = (
    "{stack}: image 2 has pixels that are NaN or infinite. Remove this particle or extract it "
    "again.\n"
)
Invoke = Callable[..., Any]


@dataclass
class Case:
    """A sound set of particles that a test spoils, and the options to run it with."""

    folder: Path
    options: dict[str, str] = field(default_factory=dict)
    references: list[str] = field(default_factory=list)

    @property
    def table(self) -> Path:
        """The particle table."""
        return self.folder / "particles.star"

    @property
    def stack(self) -> Path:
        """The image stack."""
        return self.folder / "particles.mrcs"

    @property
    def output(self) -> Path:
        """The run directory."""
        return self.folder / "run"

    @property
    def arguments(self) -> list[str | Path]:
        """The command line."""
        options = [word for pair in self.options.items() for word in pair]
        if self.references:
            options += ["--references", *self.references]
        return ["classify", self.table, *options, "-o", self.output]

    @property
    def rows(self) -> list[str]:
        """Rows of the particle table."""
        return [line for line in self.table.read_text().splitlines() if "@" in line]

    def keep_rows(self, rows: list[str]) -> None:
        """Replace the rows of the particle table."""
        lines = [line for line in self.table.read_text().splitlines() if "@" not in line]
        self.table.write_text("\n".join([*lines, *rows, ""]))

    def replace(self, old: str, new: str) -> None:
        """Replace a text of the table that is there."""
        text = self.table.read_text()
        assert old in text
        self.table.write_text(text.replace(old, new, 1))

    def set_header(self, word: int, value: bytes) -> None:
        """Overwrite a word of the stack's header, counted from 0."""
        with self.stack.open("r+b") as handle:
            handle.seek(4 * word)
            handle.write(value)

    def set_pixel(self, value: float) -> None:
        """Overwrite one pixel of the second image."""
        with self.stack.open("r+b") as handle:
            handle.seek(1024 + 4 * (BOX**2 + 7))
            handle.write(struct.pack("<f", value))

    def write_slurm(self, line: str) -> str:
        """Write a file about SLURM beside the particles and return its path."""
        path = self.folder / "slurm.yaml"
        path.write_text(f"workers: 2\ncores: 4\nmemory: 8GB\n{line}\n")
        return str(path)

    def write_map(self, name: str, values: np.ndarray, voxel_size: float = PIXEL_SIZE) -> str:
        """Write a map beside the particles and return its path."""
        path = self.folder / name
        with mrcfile.new(path) as mrc:
            mrc.set_data(values.astype(np.float32))
            mrc.voxel_size = voxel_size
        return str(path)

    def use_mask(self, values: np.ndarray, voxel_size: float = PIXEL_SIZE) -> None:
        """Put a mask file in place of the sphere."""
        del self.options["--focus"]
        self.options["--mask"] = self.write_map("mask.mrc", values, voxel_size)

    def use_solvent_mask(self, values: np.ndarray) -> None:
        """Add a solvent mask."""
        self.options["--solvent-mask"] = self.write_map("solvent.mrc", values)

    def start_from(self, *maps: np.ndarray, voxel_size: float = PIXEL_SIZE) -> None:
        """Give maps to start from."""
        self.references = [
            self.write_map(f"reference{number}.mrc", values, voxel_size)
            for number, values in enumerate(maps, start=1)
        ]


def ball(box: int, height: float = 1.0) -> np.ndarray:
    """A ball in the middle of a box."""
    grid = np.indices((box,) * 3) - box // 2
    return np.where((grid**2).sum(axis=0) <= 16, height, 0.0)


def message_of(result: Any) -> str:
    """The one error message, which is the last thing on standard error."""
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("Error: ") == 1
    return str(result.stderr.partition("Error: ")[2])


def without_sphere(case: Case, mask: str) -> None:
    """Ask for a mask file by name."""
    case.options = {"--mask": mask, "--classes": "2"}


BAD: dict[str, tuple[Callable[[Case], object], str]] = {
    "missing stack": (
        lambda c: c.stack.unlink(),
        "{set}/particles.star: 1 of 1 image stacks were not found.\n  particles.mrcs, tried:\n",
    ),
    "truncated stack": (
        lambda c: os.truncate(c.stack, 30_000),
        "{set}/particles.mrcs: the header announces 60 sections of 24 x 24 float32 (138240 "
        "bytes), but the file holds 28976 bytes of data (12 sections). The file is damaged or was "
        "cut short; copy or write it again.",
    ),
    "header that lies": (
        lambda c: c.set_header(2, struct.pack("<i", 600)),
        "{set}/particles.mrcs: the header announces 600 sections of 24 x 24 float32 (1382400 "
        "bytes), but the file holds 138240 bytes of data (60 sections). The file is damaged or "
        "was cut short; copy or write it again.",
    ),
    "box against optics": (
        lambda c: c.replace("17.500000 24", "17.500000 32"),
        "{set}/particles.mrcs: images of 24 x 24 pixels, but optics group 1 has a box of 32. "
        "Correct the box in the table, or give the stack that belongs to the table.",
    ),
    "pixel size against optics": (
        lambda c: c.replace("17.500000 24", "16.000000 24"),
        "{set}/particles.mrcs: the header gives 17.5 Å per pixel, but optics group 1 of the table "
        "gives 16. If the table is right, as after a calibration of the pixel size, add "
        "--pixel-size-of table; if the stack is, --pixel-size-of stack.",
    ),
    "NaN angle": (
        lambda c: c.replace(c.rows[4].split()[3], "nan"),
        "{set}/particles.star, line 38: rlnAngleRot is nan, expected a finite number (rows like "
        "this: 1). Correct or remove these rows.",
    ),
    "mask above 1": (
        lambda c: c.use_mask(ball(BOX, 2.0)),
        "{set}/mask.mrc: values from 0 to 2; expected a mask from 0 to 1. Threshold the map and "
        "give it a soft edge: cryofocus mask threshold MAP.mrc --sigma 3 -o MASK.mrc",
    ),
    "mask off the grid": (
        lambda c: c.use_mask(ball(20)),
        "{set}/mask.mrc: a mask of 20 x 20 x 20 voxels, but the particles have 24 x 24 pixels; "
        "expected 24 voxels along each axis. Resample the mask onto the particles' grid.",
    ),
    "mask of other voxels": (
        lambda c: c.use_mask(ball(BOX), 8.0),
        "{set}/mask.mrc: voxels of 8.0000 Å, but the particles have pixels of 17.5000 Å. Resample "
        "the mask onto the particles' grid, or correct the voxel size in its header.",
    ),
    "empty mask": (
        lambda c: c.use_mask(ball(BOX, 0.0)),
        "{set}/mask.mrc: empty (largest value 0); expected a region that reaches 1. Check that "
        "the mask was not lost when it was resampled.",
    ),
    "missing mask": (
        lambda c: without_sphere(c, "no.mrc"),
        "no.mrc: cannot be read (No such file or directory). Check the path.",
    ),
    "sphere outside the box": (
        lambda c: c.options.update({"--focus": "900,200,200,60"}),
        "focus sphere 900,200,200,60: extends 557.5 Å outside the box, which spans 0 to 402.5, 0 "
        "to 402.5, 0 to 402.5 Å along x, y, z. Coordinates are Å in the map's frame, as ChimeraX "
        "shows them; if the map has a non-zero origin, give it with --map.",
    ),
    "sphere and mask": (
        lambda c: c.options.update({"--mask": "mask.mrc"}),
        "--focus and --mask: found both, expected one of them. Give a sphere with --focus X,Y,Z,R "
        "or a mask file with --mask.",
    ),
    "no region": (
        lambda c: c.options.pop("--focus"),
        "--focus and --mask: found neither, expected one of them. Give a sphere with --focus "
        "X,Y,Z,R or a mask file with --mask; --focus auto finds where the particles vary.",
    ),
    "nothing to subtract": (
        lambda c: (c.options.update({"--strategy": "subtract"}), c.use_mask(np.ones((BOX,) * 3))),
        "{set}/mask.mrc: keeps everything, so there is nothing to subtract; expected a mask that "
        "is 0 somewhere. Check that it is the mask of the region to keep.",
    ),
    "a focus where there is none": (
        lambda c: c.options.update({"--strategy": "global"}),
        "--focus: the strategy global compares whole maps and has no focus. Leave it out, or "
        "bound the particle with --solvent-mask.",
    ),
    "references of another box": (
        lambda c: c.start_from(ball(20), ball(20)),
        "{set}/reference1.mrc: a map of 20 x 20 x 20 voxels, but the particles have 24 x 24 "
        "pixels; expected 24 voxels along each axis. Resample the map onto the particles' grid.",
    ),
    "references of other voxels": (
        lambda c: c.start_from(ball(BOX), ball(BOX), voxel_size=8.0),
        "{set}/reference1.mrc: voxels of 8.0000 Å, but the particles have pixels of 17.5000 Å. "
        "Resample the map onto the particles' grid, or correct the voxel size in its header.",
    ),
    "an empty reference": (
        lambda c: c.start_from(ball(BOX), ball(BOX, 0.0)),
        "{set}/reference2.mrc: empty; expected a map of a class to start from.",
    ),
    "more references than classes": (
        lambda c: c.start_from(ball(BOX), ball(BOX), ball(BOX)),
        "--references: found 3 maps, expected 2, one per class. Give as many maps as classes.",
    ),
    "solvent mask off the grid": (
        lambda c: c.use_solvent_mask(ball(20)),
        "{set}/solvent.mrc: a mask of 20 x 20 x 20 voxels, but the particles have 24 x 24 pixels; "
        "expected 24 voxels along each axis. Resample the mask onto the particles' grid.",
    ),
    "more classes than particles": (
        lambda c: c.options.update({"--classes": "61"}),
        "--classes: 61 asked for, but {set}/particles.star holds only 60 particles; expected at "
        "least two per class. Ask for fewer classes or give more particles.",
    ),
    "one particle": (
        lambda c: c.keep_rows(c.rows[:1]),
        "--classes: 2 asked for, but {set}/particles.star holds only 1 particle; expected at "
        "least two per class. Ask for fewer classes or give more particles.",
    ),
    "no particle": (
        lambda c: c.keep_rows([]),
        "{set}/particles.star: data_particles has no rows, so there are no particles. Check the "
        "selection that made this file, or whether it was cut short.",
    ),
    "duplicate rows": (
        lambda c: c.keep_rows([*c.rows, c.rows[2]]),
        "{set}/particles.star: the image 000003@particles.mrcs stands in line 37 and line 95 with "
        "the same pose; expected every image once, or, in a symmetry-expanded set, once under "
        "each operator. Remove the duplicates.",
    ),
    "no poses": (
        lambda c: c.replace("_rlnAngleTilt", "_rlnOther"),
        "{set}/particles.star: data_particles has no poses: rlnAngleTilt missing. Refine the "
        "particles first, or find their poses against a map with 'cryofocus align search', or "
        "give the file that holds these columns.",
    ),
    "no CTF": (
        lambda c: c.replace("_rlnDefocusU", "_rlnOther"),
        "{set}/particles.star: data_particles has no CTF: rlnDefocusU missing. Estimate the CTF "
        "first, give --ctf none if the images show none, or give the file that holds these "
        "columns.",
    ),
    "no table": (
        lambda c: c.table.unlink(),
        "{set}/particles.star: cannot be read (No such file or directory). Check the path.",
    ),
    "resolution": (
        lambda c: c.options.update({"--max-resolution": "-3"}),
        "--max-resolution (max_resolution_angstrom): found -3.0, expected greater than 0",
    ),
    "SLURM file": (
        lambda c: c.options.update({"--cluster": c.write_slurm("walltime: 1:00:00")}),
        "{set}/slurm.yaml: walltime: found 3600, expected hours:minutes:seconds or another time "
        'of sbatch in quotes, such as "12:00:00" (without quotes YAML reads 1:00:00 as the '
        "number 3600). Correct the file; it may hold workers, cores, memory, walltime, queue, ",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input(
    particle_set: Path,
    focus: str,
    cryofocus: Invoke,
    spoil: Callable[[Case], object],
    message: str,
) -> None:
    """One message on standard error, nothing on standard output, exit 2, no run directory."""
    case = Case(particle_set, {"--focus": focus, "--classes": "2"})
    spoil(case)
    said = message_of(cryofocus(*case.arguments))
    assert said.startswith(message.replace("{set}", str(particle_set)))
    assert not case.output.exists()


def test_bad_pixels(particle_set: Path, focus: str, cryofocus: Invoke) -> None:
    """Pixels are read last; the message names the image, and no result is left."""
    case = Case(particle_set, {"--focus": focus, "--classes": "2"})
    case.set_pixel(np.nan)
    assert message_of(cryofocus(*case.arguments)) == BAD_PIXELS.format(stack=case.stack)
    assert not (case.output / "job.json").exists()


@pytest.fixture
def taken(particle_set: Path, focus: str) -> Case:
    """A case whose run directory holds a finished run (its job.json stands for it)."""
    case = Case(particle_set, {"--focus": focus, "--classes": "2"})
    case.output.mkdir()
    (case.output / "job.json").write_text("{}")
    return case


def test_bad_pixels_spare_an_earlier_run(taken: Case, cryofocus: Invoke) -> None:
    """A run that is to be replaced is given up only once all images are known to be sound."""
    taken.set_pixel(np.inf)
    said = message_of(cryofocus(*taken.arguments, "--overwrite"))
    assert said == BAD_PIXELS.format(stack=taken.stack)
    assert (taken.output / "job.json").read_text() == "{}"


def test_output_that_exists(taken: Case, cryofocus: Invoke) -> None:
    """A finished run is not touched unless the user says so."""
    assert message_of(cryofocus(*taken.arguments)) == (
        f"{taken.output}: exists and holds a finished run. Use --overwrite to "
        "replace it, or choose another place with -o.\n"
    )
    assert [path.name for path in taken.output.iterdir()] == ["job.json"]


def test_output_of_something_else(taken: Case, cryofocus: Invoke) -> None:
    """A directory of other files is never replaced, whatever the options say."""
    (taken.output / "job.json").rename(taken.output / "thesis.tex")
    assert message_of(cryofocus(*taken.arguments, "--overwrite")) == (
        f"{taken.output}: exists and was not written by cryofocus, so nothing in it is "
        "touched. Choose another place with -o.\n"
    )
    assert (taken.output / "thesis.tex").exists()


def test_disk_that_is_too_small(
    taken: Case, cryofocus: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results that will not fit are refused before the earlier run is given up."""
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    said = message_of(cryofocus(*taken.arguments, "--overwrite"))
    assert re.fullmatch(
        rf"{taken.folder}(/run)?: the results need [0-9]+ MB, but 0 MB are free on its "
        r"file system\. Free some space or choose another place with -o\.\n",
        said,
    )
    assert (taken.output / "job.json").read_text() == "{}"


def test_disk_that_fills_up(
    particle_set: Path, focus: str, cryofocus: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that the system refuses ends the run with one message."""

    def refuse(descriptor: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    case = Case(particle_set, {"--focus": focus, "--classes": "2"})
    monkeypatch.setattr(os, "fsync", refuse)
    said = message_of(cryofocus(*case.arguments))
    assert said.startswith(f"{case.output}/README.txt: disk full while writing")
    assert not list(case.output.iterdir())
