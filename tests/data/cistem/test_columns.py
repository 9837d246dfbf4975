"""cisTEM's tables, text and binary, and Frealign's: conventions, rows kept, occupancies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.cistem.binary import new_column, write_binary
from cryofocus.data.formats import open_table
from cryofocus.data.particle_table import Supplement
from cryofocus.errors import ParticleError
from cryofocus.maths.ctf import Microscope
from cryofocus.maths.rotations import euler_from_rotation
from particle_files import par_text, write_stack_file

STACK = Supplement(stack=Path("stack.mrc"))
POSTERIORS = np.array([[0.25, 0.75], [1.0, 0.0], [1 / 3, 2 / 3]])


@pytest.fixture(params=["fixture.star", "fixture.cistem"])
def cistem_file(request: pytest.FixtureRequest, shared_data: Path) -> Path:
    """The same three particles in both of cisTEM's formats, as cisTEM wrote them."""
    return shared_data / "cistem" / str(request.param)


def test_cistems_own_files(cistem_file: Path) -> None:
    """Angles, shifts, phase shifts and halves land in our conventions, from text and binary."""
    found = open_table(cistem_file, STACK).columns()
    euler = euler_from_rotation(found.rotation)
    np.testing.assert_allclose(euler[1], [60.25, 40.5, 21.0], atol=1e-6)
    np.testing.assert_allclose(found.shift_angstrom, [[0, 0], [1.5, -2.5], [3, -5]])
    np.testing.assert_allclose(
        found.ctf.phase_shift_degrees, np.degrees([0.0, 0.1, 0.2]), atol=1e-5
    )
    np.testing.assert_allclose(found.ctf.defocus_v_angstrom, [14800, 14801, 14802])
    assert found.half_set.tolist() == [1, 2, 1]
    assert found.places.stacks == ("stack.mrc",)
    assert found.places.slice_of_particle.tolist() == [0, 1, 2]
    assert found.optics[0].pixel_size_angstrom == pytest.approx(1.03)
    assert found.optics[0].microscope.voltage_kilovolt == 300


def test_cistems_files_come_back_byte_for_byte(cistem_file: Path, tmp_path: Path) -> None:
    """Writing nothing new gives the file that was read."""
    table = open_table(cistem_file, STACK)
    copy = tmp_path / f"copy{table.suffix}"
    assert table.write(copy, {}, None) == ()
    assert copy.read_bytes() == cistem_file.read_bytes()


def occupancies(path: Path) -> np.ndarray:
    """The column of occupancies of a table."""
    if path.suffix == ".star":
        rows = [line.split() for line in path.read_text().splitlines() if len(line) > 150]
        return np.array([float(row[11]) for row in rows if row[0] != "#"])
    raw = path.read_bytes()
    n_columns, n_rows = np.frombuffer(raw, "<i4", 2)
    rows = np.frombuffer(raw, "<f4", offset=8 + 9 * n_columns).reshape(n_rows, -1)
    return rows[:, 11].astype(np.float64)


def test_one_file_a_class(cistem_file: Path, tmp_path: Path) -> None:
    """Posteriors become occupancies, one file per class, which sum to that of every particle."""
    before = occupancies(cistem_file)
    table = open_table(cistem_file, STACK)
    columns = {
        "rlnClassNumber": POSTERIORS.argmax(axis=1) + 1,
        "rlnMaxValueProbDistribution": POSTERIORS.max(axis=1),
        "rlnLogLikeliContribution": np.zeros(3),
        "cryofocusClassPosterior": POSTERIORS,
    }
    output = tmp_path / f"out{table.suffix}"
    assert table.write(output, columns, None) == ("rlnLogLikeliContribution",)
    files = [tmp_path / f"out_class00{k}{table.suffix}" for k in (1, 2)]
    found = np.stack([occupancies(path) for path in files], axis=1)
    np.testing.assert_allclose(found, before[:, None] * POSTERIORS, atol=1e-4)
    np.testing.assert_allclose(found.sum(axis=1), before, atol=1e-4)
    np.testing.assert_allclose(occupancies(output), before * POSTERIORS.max(axis=1), atol=1e-4)


def test_chosen_rows(cistem_file: Path, tmp_path: Path) -> None:
    """Chosen rows are written in the order asked for."""
    table = open_table(cistem_file, STACK)
    output = tmp_path / f"two{table.suffix}"
    table.write(output, {}, np.array([2, 0]))
    assert open_table(output, STACK).columns().places.slice_of_particle.tolist() == [2, 0]


def test_texts_in_binary_tables(tmp_path: Path) -> None:
    """Stack names of any length between numbers are read and written back."""
    path = tmp_path / "x.cistem"
    numbers = ["PositionInStack", "AnglePsi", "AngleTheta", "AnglePhi", "Defocus1", "Defocus2"]
    numbers += ["DefocusAngle", "PixelSize", "MicroscopeVoltagekV"]
    columns = [new_column(label, np.array([100, 200])) for label in numbers]
    columns.append(new_column("MicroscopeCsMM", np.array([2.7, 2.7])))
    columns.insert(3, new_column("StackFilename", [b"a.mrc", b"folder/longer.mrc"]))
    columns.append(new_column("AmplitudeContrast", np.array([0.1, 0.1])))
    write_binary(path, columns, 2)
    table = open_table(path)
    assert table.columns().places.stacks == ("a.mrc", "folder/longer.mrc")
    table.write(tmp_path / "y.cistem", {}, None)
    assert (tmp_path / "y.cistem").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("width", [17, 16])
def test_frealign_parameters(tmp_path: Path, images: np.ndarray, width: int) -> None:
    """Both widths of .par give the same particles but for the phase shift; rows are kept."""
    write_stack_file(tmp_path / "stack.mrc", images)
    path = tmp_path / "x.par"
    path.write_text(par_text(width))
    said = Supplement(tmp_path / "stack.mrc", Microscope(300, 2.7, 0.07))
    table = open_table(path, said)
    found = table.columns()
    np.testing.assert_allclose(
        euler_from_rotation(found.rotation)[:2], [[30, 20, 10], [31, 21, 11]], atol=1e-6
    )
    np.testing.assert_allclose(found.shift_angstrom[1], [-2.5, 1.5])
    expected = np.degrees([0.5, 0.6, 0.7, 0.8]) if width == 17 else np.zeros(4)
    np.testing.assert_allclose(found.ctf.phase_shift_degrees, expected)
    assert found.micrographs is not None
    assert found.micrographs.of_particle.tolist() == [0, 0, 1, 1]
    assert found.optics[0].pixel_size_angstrom == 2.0
    table.write(tmp_path / "same.par", {}, None)
    assert (tmp_path / "same.par").read_text() == par_text(width)
    posteriors = np.array([[0.125, 0.875], [1, 0], [0.5, 0.5], [0.0, 1.0]])
    table.write(tmp_path / "out.par", {"cryofocusClassPosterior": posteriors}, None)
    written = (tmp_path / "out_class002.par").read_text()
    assert written == par_text(width, occupancy=100 * posteriors[:, 1])


def test_a_stack_beside_the_table_is_found(
    shared_data: Path, tmp_path: Path, images: np.ndarray
) -> None:
    """A stack of the table's own name needs not be named; without one, the user is asked."""
    path = tmp_path / "particles.star"
    path.write_bytes((shared_data / "cistem" / "fixture.star").read_bytes())
    with pytest.raises(ParticleError) as caught:
        open_table(path).columns()
    assert str(caught.value) == (
        f"{path}: does not say in which stack its images are, and there is no particles.mrc or "
        ".mrcs beside it. Give the stack with --stack."
    )
    write_stack_file(tmp_path / "particles.mrcs", images)
    assert open_table(path).columns().places.stacks == (str(tmp_path / "particles.mrcs"),)


def test_particles_count_by_occupancy_unless_inactive(tmp_path: Path) -> None:
    """Occupancies weigh, films below zero do not count, and it is said."""
    text = par_text(occupancy=np.array([100.0, 25.0, 0.0, 100.0]))
    path = tmp_path / "a.par"
    path.write_text(text.replace("10000     2", "10000    -2"))
    write_stack_file(tmp_path / "a.mrc", np.zeros((4, 8, 8), np.float32))
    said = Supplement(tmp_path / "a.mrc", Microscope(300, 2.7, 0.1))
    columns = open_table(path, said).columns()
    assert columns.weight is not None
    assert columns.weight.tolist() == [1.0, 0.25, 0.0, 0.0]
    assert columns.notes[0] == (
        "of 4 particles 2 are inactive and 0 have an occupancy of 0, which do not count; 1 count "
        "by their occupancy"
    )
    path.write_text(par_text(occupancy=np.zeros(4)))
    with pytest.raises(ParticleError, match="no particle counts"):
        open_table(path, said).columns()
    path.write_text(par_text(occupancy=np.full(4, 250.0)))
    with pytest.raises(ParticleError, match="Occupancy is 250, expected 0 to 100"):
        open_table(path, said).columns()


def test_a_byte_order_mark_is_no_row(tmp_path: Path) -> None:
    """Editors write one before the first line, which is a comment all the same."""
    path = tmp_path / "a.par"
    path.write_text(par_text(), encoding="utf-8-sig")
    assert open_table(path).n_rows == 4
