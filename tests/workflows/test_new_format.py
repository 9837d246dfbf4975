"""A format that is added: its own code and one entry in the list are all it takes."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Int

from cryofocus.data import formats
from cryofocus.data.labels import ANGLE_LABELS, SHIFT_LABELS, pose_columns
from cryofocus.data.optics import OpticsGroup
from cryofocus.data.particle_format import Format, ParticleFile
from cryofocus.data.particle_table import (
    Classes,
    ClassifiedRows,
    Column,
    ParticleColumns,
    Supplement,
    read_classified,
)
from cryofocus.data.stack_paths import parse_image_names
from cryofocus.errors import FormatError, ParticleError
from cryofocus.maths.ctf import CtfParameters, Microscope
from cryofocus.maths.rotations import rotation_from_euler
from cryofocus.workflows.classify.run import classify
from cryofocus.workflows.convert import convert
from cryofocus.workflows.expand import choose_operators, expand
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.files import is_run_file
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from cryofocus.workflows.subtract.run import subtract
from make_request import MakeRequest

MARK = "toy image"
OPTICS = ("voltage", "cs", "contrast", "pixel")
CTF = tuple(CtfParameters.__dataclass_fields__)
PLACES = (*ANGLE_LABELS, *SHIFT_LABELS, "rlnClassNumber")


@dataclass(frozen=True, eq=False)
class ToyTable:
    """Rows of numbers, separated by commas, under a line of names; a `ParticleTable`."""

    path: Path
    labels: list[str]
    cells: list[list[str]]

    suffix = ".csv"
    copies = None
    subtracted = None

    @classmethod
    def open(cls, file: ParticleFile, supplement: Supplement) -> ToyTable:
        """Read a file."""
        del supplement
        with file.path.open(newline="") as handle:
            labels, *cells = csv.reader(handle)
        return cls(file.path, labels, cells)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.cells)

    def columns(self) -> ParticleColumns:
        """Read the particles."""
        n = self.n_rows
        names = [row[0] for row in self.cells]
        voltage, cs, contrast, pixel = (float(self._numbers(label)[0]) for label in OPTICS)
        return ParticleColumns(
            places=parse_image_names(names, self.path),
            rotation=rotation_from_euler(np.stack([self._numbers(a) for a in ANGLE_LABELS], 1)),
            shift_angstrom=np.stack([self._numbers(label) for label in SHIFT_LABELS], 1),
            ctf=CtfParameters(*(self._numbers(name) for name in CTF)),
            optics=(
                OpticsGroup(
                    number=1,
                    name="toy",
                    pixel_size_angstrom=pixel,
                    box=0,
                    microscope=Microscope(voltage, cs, contrast),
                    ctf_premultiplied=False,
                ),
            ),
            optics_of_particle=np.zeros(n, np.int32),
            half_set=np.zeros(n, np.int8),
            micrographs=None,
            expansion=None,
            protein_sign=1,
        )

    def classes(self) -> Classes | None:
        """Read the classes, if there are any."""
        if "rlnClassNumber" not in self.labels:
            return None
        return Classes(self._numbers("rlnClassNumber").astype(np.int64) - 1, None)

    def classified(self) -> ClassifiedRows | None:
        """Read what a classification found."""
        return read_classified(self)

    def first_stack(self) -> str:
        """Name the stack of the first row."""
        return self.columns().places.stacks[0]

    def unread(self) -> tuple[str, ...]:
        """Name what is only kept."""
        return ()

    def row_name(self, row: int) -> str:
        """Name a row by its line."""
        return f"line {row + 2}"

    def write(
        self, path: Path, columns: Mapping[str, Column], rows: Int[np.ndarray, " m"] | None
    ) -> tuple[str, ...]:
        """Write rows with columns changed."""
        chosen = range(self.n_rows) if rows is None else rows.tolist()
        own = {
            label: [self.cells[row][i] for row in chosen] for i, label in enumerate(self.labels)
        }
        said = {label: values for label, values in columns.items() if label in PLACES}
        write_csv(path, own | said)
        return tuple(label for label in columns if label not in PLACES)

    def _numbers(self, label: str) -> np.ndarray:
        place = self.labels.index(label)
        return np.array([float(row[place]) for row in self.cells])


def write_csv(path: Path, columns: Mapping[str, Column]) -> None:
    """Write columns under their names."""
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def write_toy(path: Path, columns: ParticleColumns, classes: Classes | None) -> list[str]:
    """Write particles of any format."""
    del classes
    group, n = columns.optics[0], len(columns.rotation)
    microscope = group.microscope
    optics = (
        microscope.voltage_kilovolt,
        microscope.spherical_aberration_mm,
        microscope.amplitude_contrast,
        group.pixel_size_angstrom,
    )
    names = {MARK: [columns.places.name(row) for row in range(n)]}
    ctf = {name: getattr(columns.ctf, name) for name in CTF}
    shared = {name: [value] * n for name, value in zip(OPTICS, optics, strict=True)}
    write_csv(path, names | pose_columns(columns.rotation, columns.shift_angstrom) | ctf | shared)
    return ["half sets"]


TOY = Format(
    name="toy",
    title="toy .csv",
    suffix=".csv",
    recognises=lambda file: file.start.startswith(MARK.encode()),
    open=ToyTable.open,
    write=write_toy,
    mistaken={".xls": "is a workbook. Save its sheet as .csv."},
)


@pytest.fixture
def toy_table(small_set: SimulatedSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small set in a format that the package does not have."""
    monkeypatch.setattr(formats, "FORMATS", (TOY, *formats.FORMATS))
    made = convert(small_set.directory / "particles.star", tmp_path / "particles.csv")
    assert (made.title, made.lost[0]) == ("toy .csv", "half sets")
    return made.path


def test_an_added_format_is_classified(
    toy_table: Path,
    small_set: SimulatedSet,
    finished: RunDirectory,
    ask: MakeRequest,
    tmp_path: Path,
) -> None:
    """A classification of it finds the same classes, and writes them in it."""
    request = ask(small_set, particles=toy_table, datadir=small_set.directory)
    run = classify(request, tmp_path / "RUN")
    assert run.particles == run.path / "particles.csv"
    assert all(is_run_file(path.name) for path in run.path.iterdir())
    classes = formats.open_table(run.particles).classes()
    assert classes is not None
    labels = np.load(run.posteriors).argmax(axis=1)
    np.testing.assert_array_equal(classes.class_index, labels)
    same = labels == np.load(finished.posteriors).argmax(axis=1)
    assert max(same.mean(), 1 - same.mean()) > 0.9


def test_an_added_format_is_converted(
    toy_table: Path, small_set: SimulatedSet, tmp_path: Path
) -> None:
    """To it and back, poses and defoci stay the same."""
    back = convert(toy_table, tmp_path / "back.star")
    found, expected = (
        formats.open_table(path).columns()
        for path in (back.path, small_set.directory / "particles.star")
    )
    np.testing.assert_allclose(found.rotation, expected.rotation, atol=1e-6)
    np.testing.assert_allclose(found.ctf.defocus_u_angstrom, expected.ctf.defocus_u_angstrom)


def test_an_added_format_says_what_it_has_no_place_for(
    toy_table: Path, small_set: SimulatedSet, tmp_path: Path
) -> None:
    """What needs more than it can hold refuses it in the words of any other such format."""
    with pytest.raises(ParticleError, match="has no place for parents and operators"):
        expand(toy_table, choose_operators("C2"), tmp_path / "expanded.csv")
    with pytest.raises(ParticleError, match="has no place to say what subtracted"):
        subtract(toy_table, small_set.directory / "focus_mask.mrc", tmp_path / "sub")
    with pytest.raises(FormatError, match="is a workbook"):
        formats.open_table(tmp_path / "particles.xls")
