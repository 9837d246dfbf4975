"""What programs and people mix up in tables: units, links, names, headers. Refused, or said."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.images import ImageReader
from cryofocus.data.particle_table import Supplement
from cryofocus.data.particles import ParticleSet
from cryofocus.errors import CryofocusError
from cryofocus.maths.ctf import Microscope
from particle_files import cs_rows, par_text, save_cs, with_fields, write_stack_file

Edit = Callable[..., Path]


def refused(path: Path) -> str:
    """Read particles, which have to be refused, and give the message."""
    with pytest.raises(CryofocusError) as caught:
        ParticleSet.read(path)
    return str(caught.value)


def test_defoci_in_micrometres_are_refused(edit: Edit, particle_file: Path) -> None:
    """No image is taken 2 Å from focus."""
    rows = [f"1{i}{end}00.0" for i in range(4) for end in ("0", "5")]
    path = edit(*((row, f"{float(row) / 1e4:.3f}") for row in rows))
    assert "defoci of at most 1.3 Å; expected thousands. They may be in µm" in refused(path)


@pytest.mark.parametrize(
    ("field", "factor", "message"),
    [
        ("alignments3D/pose", 57.3, r"a pose is a rotation by 1\d\d.\d radians; expected at most"),
        ("ctf/phase_shift_rad", 57.3 * 10, "the phase shift, in degrees, is .* at most 720"),
        ("ctf/df_angle_rad", 57.3, "the angle of the defocus, in degrees, is .* at most 720"),
        ("ctf/df1_A", 1e-4, "defoci of at most 1.3 Å; expected thousands"),
    ],
)
def test_cryosparc_fields_in_other_units_are_refused(
    tmp_path: Path, field: str, factor: float, message: str
) -> None:
    """Degrees where radians are due, and micrometres where Å are."""
    rows = cs_rows()
    path = save_cs(tmp_path / "p.cs", with_fields(rows, {field: rows[field] * factor}))
    with pytest.raises(CryofocusError, match=message):
        open_table(path).columns()


def test_angles_in_radians_are_refused(particle_file: Path) -> None:
    """Of many particles, some are turned by more than a few degrees."""
    text = particle_file.read_text()
    head, row = text[: text.index("000001@")], "{:06d}@stack.mrcs m.mrc {} {} {} 0 0 1e4 1e4 0 1 1"
    angles = np.random.default_rng(1).uniform(-3.14, 3.14, (24, 3))
    rows = [row.format(i % 4 + 1, *one) for i, one in enumerate(angles)]
    particle_file.write_text(head + "\n".join(rows) + "\n")
    assert "Angles in radians look like this: multiply them by 57.3" in refused(particle_file)


def test_what_is_hardly_meant_is_said(edit: Edit, caplog: pytest.LogCaptureFixture) -> None:
    """Overfocus throughout, and a particle outside its image."""
    with caplog.at_level(logging.INFO, "cryofocus"):
        path = edit((" 1.25 ", " 8125 "), *((f" 1{i}000.0", f" -1{i}000.0") for i in range(4)))
        ParticleSet.read(path)
    assert "all defoci are negative, which means overfocus" in caplog.text
    assert "1 of 4 particles lie outside their images by their shifts" in caplog.text
    assert "such as that of row 2, (8125, -1.75) Å" in caplog.text


@pytest.mark.parametrize(("spread", "n_said"), [(1.0, 1), (57.3, 0), (0.1, 0)])
def test_defocus_angles_that_may_be_in_radians_are_said(
    tmp_path: Path, spread: float, n_said: int
) -> None:
    """All directions within three degrees; but not angles that are nearly the same."""
    angles = np.random.default_rng(1).uniform(0, np.pi * spread, 30)
    rows = np.resize(cs_rows(), 30)
    uids = np.arange(1, 31, dtype=np.uint64)
    changed = {"ctf/df_angle_rad": np.radians(angles).astype(np.float32), "uid": uids}
    path = save_cs(tmp_path / "p.cs", with_fields(rows, changed))
    notes = open_table(path).columns().notes
    assert sum("defocus angles of 0." in one and "in radians" in one for one in notes) == n_said


def test_defoci_that_may_be_in_nanometres_are_said(
    edit: Edit, caplog: pytest.LogCaptureFixture
) -> None:
    """Few sets are taken 0.1 µm from focus; the same numbers in nm are what most have."""
    rows = [f"1{i}{end}00.0" for i in range(4) for end in ("0", "5")]
    with caplog.at_level(logging.INFO, "cryofocus"):
        ParticleSet.read(edit())
        assert "nm" not in caplog.text
        ParticleSet.read(edit(*((row, f"{float(row) / 10:.1f}") for row in rows)))
    assert "closer to focus than most without a phase plate; if they are in nm" in caplog.text


@pytest.mark.parametrize(
    ("label", "value", "message"),
    [
        ("rlnMagMat00", "1.02", "a magnification matrix without rlnMagMat01, rlnMagMat10, rln"),
        ("rlnOddZernike", "[1,2,3", r"rlnOddZernike is '\[1,2,3', expected numbers as in"),
    ],
)
def test_half_of_a_value_is_refused(edit: Edit, label: str, value: str, message: str) -> None:
    """A matrix without some of its elements, a vector that is cut short."""
    last = "_rlnImageSize #7\n"
    path = edit((last, f"{last}_{label} #8\n"), ("2.0 8\n", f"2.0 8 {value}\n"))
    with pytest.raises(CryofocusError, match=message):
        ParticleSet.read(path)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ctf/df2_A": 60000.0}, "4 of 4 particles have two defoci that differ by up to 50000 Å"),
        ({"ctf/scale": -1.0}, "4 scale factors of the CTF are negative, which inverts"),
        ({"ctf/bfactor": -50.0}, "4 B factors of the CTF are negative, which lets it grow"),
    ],
)
def test_what_no_microscope_does_is_said(
    tmp_path: Path, images: np.ndarray, fields: dict[str, float], said: str
) -> None:
    """Astigmatism, scale and envelope that are possible, but hardly meant."""
    write_stack_file(tmp_path / "stack.mrcs", images)
    changed = {name: np.full(4, value, np.float32) for name, value in fields.items()}
    columns = open_table(save_cs(tmp_path / "p.cs", with_fields(cs_rows(), changed))).columns()
    assert any(said in note for note in columns.notes)


def test_a_ctf_of_zero_is_refused(tmp_path: Path) -> None:
    """Images of which none shows anything."""
    rows = with_fields(cs_rows(), {"ctf/scale": np.zeros(4, np.float32)})
    with pytest.raises(CryofocusError, match="scale factor of the CTF is 0 in all rows"):
        open_table(save_cs(tmp_path / "p.cs", rows)).columns()


def test_occupancies_as_fractions_are_said(tmp_path: Path) -> None:
    """cisTEM and Frealign count them up to 100."""
    (tmp_path / "p.par").write_text(par_text(occupancy=np.array([1.0, 0.5, 1.0, 0.25])))
    scope = Microscope(300.0, 2.7, 0.1)
    given = Supplement(stack=tmp_path / "s.mrc", microscope=scope, pixel_size_angstrom=2.0)
    notes = open_table(tmp_path / "p.par", given).columns().notes
    assert any("of at most 1 %; if these are fractions, multiply them by 100" in n for n in notes)


@pytest.mark.parametrize("matrix", ["100 0 0 100", "-1 0 0 1", "0.1 0 0 0.1"])
def test_magnifications_that_are_none_are_refused(edit: Edit, matrix: str) -> None:
    """Images differ by a few per cent, and are not mirrored."""
    labels = "".join(f"_rlnMagMat{i // 2}{i % 2} #{8 + i}\n" for i in range(4))
    last = "_rlnImageSize #7\n"
    path = edit((last, last + labels), ("2.0 8\n", f"2.0 8 {matrix}\n"))
    assert "a magnification matrix [" in refused(path)


def test_a_group_that_nobody_uses_harms_nobody(edit: Edit) -> None:
    """Selections leave groups in the optics table that no particle belongs to."""
    used = "1 opticsGroup1 300.0 2.7 0.1 2.0 8\n"
    path = edit((used, used + "2 none 0 2.7 0.1 2.0 8\n"))
    assert [group.number for group in ParticleSet.read(path).optics] == [1]
    path = edit(("15.0 1 2", "15.0 2 2"))
    assert "optics group 2: voltage 0" in refused(path)


def test_one_file_under_several_names_is_one(edit: Edit, caplog: pytest.LogCaptureFixture) -> None:
    """Copies of an image are noticed, whatever the table calls its stack."""
    path = edit(("000002@stack.mrcs", "1@./stack.mrcs"), ("000003@stack.mrcs", "1@link.mrcs"))
    (path.parent / "link.mrcs").symlink_to("stack.mrcs")
    particles = ParticleSet.read(path)
    assert "4 rows show 2 images" in caplog.text
    assert len(set(particles.stack_of_particle.tolist())) == 1


def test_images_lie_beside_the_table_that_a_link_leads_to(
    particle_file: Path, tmp_path: Path
) -> None:
    """A table may be linked into another folder."""
    (tmp_path / "other").mkdir()
    link = tmp_path / "other" / "linked.star"
    (tmp_path / "far" / "job").mkdir(parents=True)
    for file in (particle_file, tmp_path / "stack.mrcs"):
        file.rename(tmp_path / "far" / "job" / file.name)
    link.symlink_to(tmp_path / "far" / "job" / particle_file.name)
    assert len(ParticleSet.read(link)) == 4


def test_names_with_accents_are_found_as_either_system_writes_them(
    edit: Edit, tmp_path: Path
) -> None:
    """A table written on a Mac, whose letters are two characters, and the stack copied since."""
    (tmp_path / "stack.mrcs").rename(tmp_path / "st\u00e4ck.mrcs")
    path = edit(("@stack.mrcs", "@sta\u0308ck.mrcs"))
    assert len(ParticleSet.read(path)) == 4


def test_what_lies_at_the_place_of_a_stack_is_named(particle_file: Path) -> None:
    """A folder, or a pipe that would never end."""
    stack = particle_file.parent / "stack.mrcs"
    stack.unlink()
    stack.mkdir()
    assert f"{stack} (a folder)" in refused(particle_file)
    stack.rmdir()
    os.mkfifo(stack)
    assert f"{stack} (no plain file)" in refused(particle_file)


def test_angles_of_many_turns_are_refused(edit: Edit) -> None:
    """Programs add up a few turns; a hundred thousand degrees are a damaged cell."""
    assert "an angle of the pose is 100000 degrees; expected -180 to 180" in refused(
        edit((" -30.0", " 1e5"))
    )


def test_one_pose_for_all_is_said(particle_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No map can be made of them."""
    text = particle_file.read_text()
    head = text[: text.index("000001@")]
    row = "{:06d}@stack.mrcs m.mrc 10 20 30 {} 0 1e4 1e4 0 1 1\n"
    particle_file.write_text(head + "".join(row.format(i % 4 + 1, i) for i in range(24)))
    with caplog.at_level(logging.INFO, "cryofocus"):
        ParticleSet.read(particle_file)
    assert "all particles have one and the same pose, which makes no map" in caplog.text


def test_fields_of_the_other_byte_order_are_named(tmp_path: Path) -> None:
    """NumPy writes what it is given; nothing is damaged."""
    rows = cs_rows()
    path = save_cs(tmp_path / "p.cs", rows.astype(rows.dtype.newbyteorder(">")))
    with pytest.raises(CryofocusError, match=r"numbers of the other byte order .*expected '<'"):
        open_table(path)


def test_columns_that_run_together_are_named(tmp_path: Path) -> None:
    """Numbers too wide for their columns leave no space."""
    first, *rest = par_text().splitlines()
    words = rest[0].split()
    rest[0] = " ".join([*words[:3], f"{words[3]}-100.25", *words[4:]])
    (tmp_path / "p.par").write_text("\n".join([first, *rest]) + "\n")
    scope = Microscope(300.0, 2.7, 0.1)
    given = Supplement(stack=tmp_path / "s.mrc", microscope=scope, pixel_size_angstrom=2.0)
    with pytest.raises(CryofocusError, match=r"columns run together in '.*-100.25': part them"):
        open_table(tmp_path / "p.par", given).columns()


@pytest.mark.parametrize("number", ["-1", "+2", "1.0", "1.5"])
def test_numbers_of_images_count(edit: Edit, number: str) -> None:
    """A number that counts nothing is not taken for the name of a file."""
    path = edit(("000002@stack.mrcs", f"{number}@stack.mrcs"))
    expected = f"rlnImageName of row 2 is '{number}@stack.mrcs'; expected NUMBER@STACK"
    assert expected in refused(path)


def test_headers_of_stacks_that_no_program_means_are_refused(
    particle_file: Path, images: np.ndarray
) -> None:
    """Columns along y, oblong pixels, and a stack that was never finished."""
    stack = particle_file.parent / "stack.mrcs"
    for field, value, message in (
        ("mapc", 2, "columns, rows and sections along axes 2, 1, 3; expected 1, 2, 3"),
        ("cella", (8 * 2.0, 8 * 4.0, 8.0), "the header gives pixels of 2 x 4 Å; expected square"),
        ("nz", 0, "the header announces no section of 8 x 8, so there are no data"),
    ):
        write_stack_file(stack, images)
        with mrcfile.open(stack, "r+", permissive=True) as mrc:
            mrc.header[field] = value
            if field == "mapc":
                mrc.header.mapr = 1
        assert message in refused(particle_file)


def test_pixels_whose_squares_overflow_are_refused(
    particle_file: Path, images: np.ndarray
) -> None:
    """Sums of squares stay finite in single precision."""
    images[1] *= 1e30
    with np.errstate(over="ignore"):
        write_stack_file(particle_file.parent / "stack.mrcs", images)
    reader = ImageReader(ParticleSet.read(particle_file))
    with pytest.raises(CryofocusError, match=r"image 2 has pixels that reach \d\.?\d*e\+30"):
        reader.read(np.arange(4))
    assert reader.read(np.array([0, 2])).shape == (2, 8, 8)


def test_endless_names_of_tables_are_cut(edit: Edit) -> None:
    """A damaged line after `data_` does not fill the terminal."""
    path = edit(("data_particles", "data_part" + 'a"' * 10000), ("-30.0", "-30.0 surplus"))
    assert len(refused(path)) < 1000


def test_a_shift_along_one_axis_is_refused(edit: Edit) -> None:
    """The other column has another name, or was lost."""
    path = edit(("_rlnOriginYAngst", "_rlnOriginYAngstrom"))
    assert "has rlnOriginXAngst, but no rlnOriginYAngst; expected shifts alo" in refused(path)


@pytest.mark.parametrize("label", ["rlnAngleTilt", "rlnDefocusV"])
def test_a_misspelt_name_is_shown(edit: Edit, label: str) -> None:
    """What is missing may be there, in capitals."""
    path = edit((f"_{label}", f"_{label.upper()}"))
    assert f"{label} missing (is {label.upper()} misspelt?)" in refused(path)


def test_blocks_in_upper_case_are_what_they_are(edit: Edit) -> None:
    """STAR files do not tell upper from lower case in the names of their blocks."""
    path = edit(("data_optics", "DATA_OPTICS"), ("data_particles", "DATA_PARTICLES"))
    assert ParticleSet.read(path).optics[0].microscope.voltage_kilovolt == 300


def test_a_stack_without_numbers_is_refused(edit: Edit) -> None:
    """Not every particle is the first image of one stack."""
    path = edit(*((f"{i + 1:06d}@stack.mrcs", "stack.mrcs") for i in range(4)))
    assert "holds 4 images, but several rows name it without a number; exp" in refused(path)


@pytest.mark.parametrize("name", ["C:\\data\\job5\\stack.mrcs", "\\\\srv\\all\\stack.mrcs"])
def test_windows_paths_are_followed_to_their_ends(edit: Edit, name: str) -> None:
    """With --datadir the end is enough, whichever way the strokes lean."""
    path = edit(("@stack.mrcs", f"@{name}"))
    assert len(ParticleSet.read(path, datadir=path.parent)) == 4


def test_relative_windows_paths_are_read(edit: Edit, tmp_path: Path) -> None:
    """As cryoSPARC or a script on Windows writes them."""
    path = edit(("@stack.mrcs", "@job\\stack.mrcs"))
    (tmp_path / "job").mkdir()
    (tmp_path / "stack.mrcs").rename(tmp_path / "job" / "stack.mrcs")
    assert len(ParticleSet.read(path)) == 4


def test_links_that_lead_nowhere_are_named(particle_file: Path) -> None:
    """The stack was moved after it was linked."""
    stack = particle_file.parent / "stack.mrcs"
    stack.unlink()
    stack.symlink_to("gone.mrcs")
    assert f"{stack} (a link that leads nowhere)" in refused(particle_file)
