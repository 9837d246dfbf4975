"""convert: the same particles, whatever program's words they are said in."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.particle_table import ParticleColumns, Supplement
from cryofocus.data.particles import ParticleSet
from cryofocus.errors import CryofocusError, OutputError, ParticleError, SettingError
from cryofocus.maths.ctf import Microscope
from cryofocus.maths.rotations import geodesic_degrees
from cryofocus.workflows.convert import ConvertSettings, convert
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.reconstruct import ReconstructSettings, reconstruct
from cryofocus.workflows.simulate.humanoid import SimulatedSet
from particle_files import cs_rows, save_cs, write_stack_file

CTF_FIELDS = (
    *("defocus_u_angstrom", "defocus_v_angstrom", "defocus_angle_degrees"),
    *("phase_shift_degrees", "b_factor_square_angstrom", "ctf_scale"),
)
TARGETS = {"x.cs": None, "x.cistem": None, "x.star": "cistem-star"}
BRIGHT = (
    "the contrast: protein is bright in the images, by what the source says or the habit of its "
    "program, and cisTEM and Frealign expect it dark. Choose to invert it there"
)


@pytest.fixture
def plain_table(small_set: SimulatedSet, tmp_path: Path) -> Path:
    """The small set without an envelope, which cisTEM has no word for, and with phase shifts."""
    particles = ParticleSet.read(small_set.directory / "particles.star")
    n = len(particles)
    particles.write(
        tmp_path / "plain.star",
        {
            "rlnCtfBfactor": np.zeros(n),
            "rlnPhaseShift": np.linspace(0, 90, n),
            "rlnRandomSubset": 1 + np.arange(n) % 2,
            "rlnClassNumber": 1 + np.arange(n) % 3,
            "cryofocusClassPosterior": np.tile([[0.5, 0.25, 0.25]], (n, 1)),
        },
    )
    return tmp_path / "plain.star"


def require_same(found: ParticleColumns, expected: ParticleColumns) -> None:
    """Poses within 1e-4 degrees and 1e-3 Å, CTF within 1e-6, everything else equal."""
    assert geodesic_degrees(found.rotation, expected.rotation).max() < 1e-4
    np.testing.assert_allclose(found.shift_angstrom, expected.shift_angstrom, atol=1e-3)
    for name in CTF_FIELDS:
        given, wanted = getattr(found.ctf, name), getattr(expected.ctf, name)
        np.testing.assert_allclose(given, wanted, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(found.half_set, expected.half_set)
    np.testing.assert_array_equal(
        found.places.slice_of_particle, expected.places.slice_of_particle
    )
    groups = [
        (
            columns.optics[group].microscope.voltage_kilovolt,
            columns.optics[group].microscope.spherical_aberration_mm,
            columns.optics[group].microscope.amplitude_contrast,
            columns.optics[group].pixel_size_angstrom,
            *columns.optics[group].microscope.beam_tilt_mrad,
        )
        for columns in (found, expected)
        for group in columns.optics_of_particle
    ]
    n = len(groups) // 2
    np.testing.assert_allclose(groups[:n], groups[n:], rtol=1e-6)


@pytest.mark.parametrize(("name", "to"), TARGETS.items(), ids=["cs", "cistem", "cistem-star"])
def test_there_and_back(plain_table: Path, tmp_path: Path, name: str, to: str | None) -> None:
    """RELION to another format and back changes nothing beyond single precision."""
    made = convert(plain_table, tmp_path / name, ConvertSettings(to=to))
    assert made.n_particles == 240
    back = convert(tmp_path / name, tmp_path / "back.star")
    require_same(open_table(back.path).columns(), open_table(plain_table).columns())
    if name == "x.cs":
        assert made.lost == ()
        classes = open_table(back.path).classes()
        assert classes is not None
        np.testing.assert_array_equal(classes.class_index, np.arange(240) % 3)
        np.testing.assert_allclose(classes.posterior, np.tile([[0.5, 0.25, 0.25]], (240, 1)))
    else:
        assert made.lost == (BRIGHT,)
        files = [tmp_path / f"x_class00{k}{Path(name).suffix}" for k in (1, 2, 3)]
        assert all(path.is_file() for path in files)


def test_aberrations_there_and_back(shared_data: Path, tmp_path: Path) -> None:
    """Six optics groups of a RELION 5 file keep tilt, trefoil and magnification in a .cs file."""
    source = shared_data / "relion" / "relion31.6opticsgroups.star"
    made = convert(source, tmp_path / "x.cs")
    assert made.lost[:2] == ("odd Zernike terms other than trefoil", "even Zernike terms")
    back = convert(made.path, tmp_path / "back.star")
    found, expected = (open_table(path).columns() for path in (back.path, source))
    require_same(found, expected)
    for one, other in zip(found.optics_of_particle, expected.optics_of_particle, strict=True):
        given, wanted = found.optics[one].microscope, expected.optics[other].microscope
        np.testing.assert_allclose(
            given.magnification_matrix, wanted.magnification_matrix, atol=1e-6
        )
        odd = np.array(wanted.odd_zernike)
        np.testing.assert_allclose(np.array(given.odd_zernike)[[2, 5]], odd[[2, 5]], rtol=1e-5)
        assert found.optics[one].number == expected.optics[other].number


@pytest.fixture(scope="module")
def plain_map(small_set: SimulatedSet, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The map that the small set reconstructs without its envelope."""
    folder = tmp_path_factory.mktemp("plain")
    return make_map(without_envelope(small_set, folder / "a.star"), folder / "a.mrc", small_set)


def without_envelope(small_set: SimulatedSet, path: Path) -> Path:
    """Write the set's table with a B-factor of 0."""
    particles = ParticleSet.read(small_set.directory / "particles.star")
    particles.write(path, {"rlnCtfBfactor": np.zeros(len(particles))})
    return path


def make_map(table: Path, output: Path, small_set: SimulatedSet) -> np.ndarray:
    """Reconstruct and read the unfiltered half map."""
    settings = ReconstructSettings(datadir=small_set.directory, invert="no")
    made = reconstruct(table, output, settings, machine=Machine(threads=2))
    with mrcfile.open(made.halves[0]) as mrc:
        return np.array(mrc.data)


@pytest.mark.parametrize(("name", "to"), TARGETS.items(), ids=["cs", "cistem", "cistem-star"])
def test_the_same_map(
    small_set: SimulatedSet, plain_map: np.ndarray, tmp_path: Path, name: str, to: str | None
) -> None:
    """A converted set reconstructs the same map to 1e-5."""
    table = without_envelope(small_set, tmp_path / "plain.star")
    convert(table, tmp_path / name, ConvertSettings(to=to, datadir=small_set.directory))
    found = make_map(tmp_path / name, tmp_path / "x.mrc", small_set)
    assert np.abs(found - plain_map).max() < 1e-5 * np.abs(plain_map).max()


def test_frealign_with_a_stack_of_its_own(
    plain_table: Path, small_set: SimulatedSet, tmp_path: Path
) -> None:
    """Images are gathered in the order of the rows; two decimals of the poses are kept."""
    stack = tmp_path / "x.mrc"
    settings = ConvertSettings(write_stack=stack, datadir=small_set.directory)
    made = convert(plain_table, tmp_path / "x.par", settings)
    assert made.lost == (
        "angles and shifts finer than 0.01 degrees or Å, defoci finer than 0.1 Å",
        f"the name of the stack ({stack}), the pixel size (17.5 Å) and the microscope "
        "(--microscope 300,2.7,0.07)",
        "half sets",
        BRIGHT,
    )
    said = Supplement(stack, Microscope(300, 2.7, 0.07))
    found, expected = open_table(made.path, said).columns(), open_table(plain_table).columns()
    assert geodesic_degrees(found.rotation, expected.rotation).max() < 0.02
    assert np.abs(found.shift_angstrom - expected.shift_angstrom).max() < 0.0051
    with mrcfile.open(stack) as new, mrcfile.open(small_set.directory / "particles.mrcs") as old:
        np.testing.assert_array_equal(new.data, old.data)


def test_the_images_that_are_read_are_never_replaced(
    plain_table: Path, small_set: SimulatedSet, tmp_path: Path
) -> None:
    """A new stack cannot take the place of one of the images' own, whatever the options say."""
    stack = small_set.directory / "particles.mrcs"
    before = stack.read_bytes()
    settings = ConvertSettings(write_stack=stack, datadir=small_set.directory)
    with pytest.raises(OutputError, match=r"holds images that are to be read"):
        convert(plain_table, tmp_path / "x.par", settings, overwrite=True)
    assert stack.read_bytes() == before


def test_stacks_are_named_as_relion_wants_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """RELION takes .mrc for volumes: the table says .mrcs, and what to link; images are found."""
    (tmp_path / "set").mkdir()
    rows = cs_rows()
    rows["blob/path"] = b"stack.mrc"
    source = save_cs(tmp_path / "set" / "a.cs", rows)
    images = np.random.default_rng(1).normal(size=(4, 8, 8)).astype(np.float32)
    write_stack_file(tmp_path / "set" / "stack.mrc", images)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    caplog.set_level("INFO", "cryofocus")
    made = convert(source, tmp_path / "other" / "b.star")
    assert "000001@stack.mrcs" in made.path.read_text()
    assert any("ln -s stack.mrc stack.mrcs" in what for what in made.lost)
    assert f"add --datadir {tmp_path / 'set'}" in caplog.text
    found = ParticleSet.read(made.path, datadir=tmp_path / "set")
    assert found.stack_paths == (tmp_path / "set" / "stack.mrc",)


@pytest.mark.parametrize("name", ["b.star", "b.cs", "b.cistem"])
def test_what_images_show_of_their_ctf_is_kept_or_said(tmp_path: Path, name: str) -> None:
    """RELION has a word for it; of other formats, the option that says it is named."""
    save_cs(tmp_path / "a.cs", cs_rows())
    made = convert(tmp_path / "a.cs", tmp_path / name, ConvertSettings(ctf_shown="flipped"))
    found = open_table(made.path).columns().optics[0].ctf_shown
    assert found == ("flipped" if name == "b.star" else "full")
    assert any("--ctf flipped" in what for what in made.lost) is (name != "b.star")


REFUSED = {
    "stack for RELION": (
        "x.star",
        {"write_stack": "x.mrc"},
        SettingError,
        r"have to end in \.mrcs. Give --write-stack x\.mrcs",
    ),
    "same file": ("plain.star", {}, OutputError, r"is the table to read"),
    "ending": ("x.txt", {}, SettingError, r"ends in \.star or \.par or \.cistem or \.cs"),
    "ending of the format": ("x.cs", {"to": "frealign"}, SettingError, r"ends in \.par"),
    "format": ("x.cs", {"to": "imagic"}, SettingError, r"found 'imagic', expected one of relion"),
    "folder": ("no/x.cs", {}, OutputError, r"no such folder"),
}


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"), REFUSED.values(), ids=REFUSED.keys()
)
def test_refused(
    plain_table: Path,
    name: str,
    settings: dict[str, str],
    error: type[CryofocusError],
    message: str,
) -> None:
    """Names and formats that make no sense are refused before anything is written."""
    with pytest.raises(error, match=message):
        convert(plain_table, plain_table.parent / name, ConvertSettings(**settings))


def test_class_files_are_not_overwritten(plain_table: Path, tmp_path: Path) -> None:
    """A file of one class that is there stops the conversion, unless it may be replaced."""
    (tmp_path / "x_class002.cistem").write_text("mine")
    with pytest.raises(OutputError, match=r"x_class002\.cistem: exists"):
        convert(plain_table, tmp_path / "x.cistem")
    assert not (tmp_path / "x.cistem").exists()
    convert(plain_table, tmp_path / "x.cistem", overwrite=True)


def test_box_that_nobody_knows(tmp_path: Path) -> None:
    """A cisTEM table without its images cannot become a .cs file, which gives the box."""
    save_cs(tmp_path / "a.cs", cs_rows())
    convert(tmp_path / "a.cs", tmp_path / "b.cistem")
    with pytest.raises(ParticleError) as caught:
        convert(tmp_path / "b.cistem", tmp_path / "c.cs")
    assert str(caught.value) == (
        f"{tmp_path}/c.cs: a .cs file gives the box of the images, which this table does not, and "
        "the images were not found. Give the folder that holds them with --datadir."
    )
    made = convert(tmp_path / "b.cistem", tmp_path / "c.star")
    assert "rlnImageSize" not in made.path.read_text()


def test_several_stacks_for_frealign(tmp_path: Path) -> None:
    """A .par file counts the images of one stack; more are refused with advice."""
    rows = cs_rows()
    rows["blob/path"][2] = b"other.mrc"
    save_cs(tmp_path / "a.cs", rows)
    with pytest.raises(ParticleError, match=r"these are in 2\. Write them into one with --write"):
        convert(tmp_path / "a.cs", tmp_path / "b.par")
