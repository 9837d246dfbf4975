"""cryoSPARC's .cs files: both containers, other programs' readings, passthrough, rows kept."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryofocus.data.cryosparc.containers import read_cs
from cryofocus.data.cryosparc.lz4_block import decompress_block
from cryofocus.data.cryosparc.optics import make_microscope, tilt_angstrom, trefoil_angstrom
from cryofocus.data.formats import open_table
from cryofocus.data.particle_table import Supplement
from cryofocus.data.particles import ParticleSet
from cryofocus.maths.ctf import Microscope, aberration_phase, specimen_frequencies
from particle_files import cs_rows, save_cs, write_stack_file

# Three rows as cryosparc-tools 5.0.3 saves them with format=CSDAT_FORMAT.
STREAM = base64.b85decode(
    b"l|xfRK~&HH004U;Y-Mg|bZ8<vATul=B4l)VaAhJoAX{4^b!lWGEFdC0bvPnjEFfDVVr*|>FK}UWXd)~iB79FGT`VA5"
    b"B4TWBVlQcAcp@wyB0P08B3&#XTOwg>X=iS2Wo~qHGej?NZ*yfLEFdC0W;7x!AX_tCU0p07B4clDaB^jHb7^mGB03-<Y"
    b"<e^zEFdCdZ*6dLWpi_7WM5`!Wo%?~B03;jB4TWBVlQxEbZ8<hAR=OHZ(=WLWOyPhAR=LGX=iS2Wo~qHGej?NZ*yfLU4"
    b"0k;000XB00000000aC00000000dD00000000^Q008g_0RR91000003jhEB000000RR91000004FCWDzyJUM0096100IC"
    b"203-ka01*HI0PqihKL7v#KmY(hKmY)MKmY)sKmY*1KmY*XKmY&$K>$8VF)v{*ZE|A(K1wk!Vqz|Ba$^7"
)
# A text as the lz4 library (4.4) compresses it: repeats that overlap, long lengths, literals.
TEXT = b"abc" * 120 + bytes(range(40)) + b"z" * 300 + b"abcabc0123456789"
BLOCK = base64.b85decode(
    b"KVf2H0|5V1{~7=R0s{mE1_uZU3JVMk4i69!5)%{^78e*98XFuP9v>hfA|oUvCMS9U0RI^RxdNatF)}kWH8wXmIR"
)


@pytest.fixture
def cs_file(tmp_path: Path, images: np.ndarray) -> Path:
    """A sound .cs file beside its stack."""
    write_stack_file(tmp_path / "stack.mrcs", images)
    return save_cs(tmp_path / "particles.cs", cs_rows())


def test_stream_container_of_cryosparc_tools(tmp_path: Path) -> None:
    """A compressed stream that cryoSPARC's own library wrote is read, texts and vectors too."""
    path = tmp_path / "x.cs"
    path.write_bytes(STREAM)
    rows = read_cs(path)
    assert rows["uid"].tolist() == [11, 12, 13]
    assert rows["blob/path"].tolist() == [b">J1/a.mrc", b">J1/bb.mrc", b">J1/a.mrc"]
    np.testing.assert_array_equal(rows["alignments3D/pose"], np.arange(9).reshape(3, 3))


def test_lz4_blocks_of_another_library() -> None:
    """Overlapping repeats and lengths above 15 are undone."""
    assert decompress_block(BLOCK, len(TEXT)) == TEXT


@pytest.mark.parametrize("n_bytes", [0, 10, 715, 717])
def test_lz4_block_of_another_size(n_bytes: int) -> None:
    """A block that does not hold what was announced is refused."""
    with pytest.raises(ValueError, match="compressed column"):
        decompress_block(BLOCK, n_bytes)


def test_columns_land_in_our_conventions(cs_file: Path) -> None:
    """Pixels become Å, radians degrees, counts from 0 stay, halves count from 1, > is dropped."""
    particles = ParticleSet.read(cs_file)
    rows = cs_rows()
    np.testing.assert_allclose(particles.shift_angstrom, rows["alignments3D/shift"] * 2.0)
    active = Rotation.from_rotvec(rows["alignments3D/pose"]).as_matrix()
    np.testing.assert_allclose(particles.rotation, np.swapaxes(active, 1, 2), atol=1e-12)
    np.testing.assert_allclose(
        particles.ctf.defocus_angle_degrees, np.degrees(rows["ctf/df_angle_rad"])
    )
    np.testing.assert_allclose(
        particles.ctf.phase_shift_degrees, np.degrees(rows["ctf/phase_shift_rad"])
    )
    assert particles.half_set.tolist() == [1, 2, 1, 2]
    assert particles.slice_of_particle.tolist() == [0, 1, 2, 3]
    assert particles.stack_paths == (cs_file.parent / "stack.mrcs",)
    assert (particles.box, particles.pixel_size_angstrom) == (8, 2.0)


def test_poses_are_as_another_program_reads_them(shared_data: Path) -> None:
    """Rotations and shifts of 2,019 real particles are those that cryoDRGN derived."""
    folder = shared_data / "cryosparc"
    found = open_table(folder / "cryosparc_P12_J24_001_particles.cs").columns()
    oracle = np.load(folder / "P12_J24_poses_oracle.npz")
    np.testing.assert_allclose(found.rotation, oracle["rotation"], atol=1e-6)
    fraction = found.shift_angstrom / (180 * found.optics[0].pixel_size_angstrom)
    np.testing.assert_allclose(fraction, oracle["translation_fraction"], atol=1e-7)


def test_real_rows_come_back_as_they_were(shared_data: Path, tmp_path: Path) -> None:
    """Every byte of every row of a job is kept where nothing is written."""
    path = shared_data / "cryosparc" / "cryosparc_P12_J24_001_particles.cs"
    open_table(path).write(tmp_path / "same.cs", {}, None)
    before, after = np.load(path), np.load(tmp_path / "same.cs")
    assert before.dtype == after.dtype
    assert before.tobytes() == after.tobytes()


def test_only_class_fields_change(cs_file: Path, tmp_path: Path) -> None:
    """Classes and their probabilities go into cryoSPARC's fields; all others keep their bytes."""
    columns = {
        "rlnClassNumber": np.array([1, 2, 3, 1]),
        "rlnMaxValueProbDistribution": np.array([0.9, 0.8, 0.7, 0.6]),
        "cryofocusClassPosterior": np.full((4, 3), 1 / 3),
        "cryofocusOutlier": np.array([0.5, -0.5, 1.0, 6.0]),
        "rlnUnheardOf": np.zeros(4),
    }
    lost = ParticleSet.read(cs_file).write(tmp_path / "out.cs", columns)
    before, after = np.load(cs_file), np.load(tmp_path / "out.cs")
    assert lost == ("rlnUnheardOf",)
    assert after["alignments3D/class"].tolist() == [0, 1, 2, 0]
    np.testing.assert_allclose(after["alignments3D/class_posterior"], [0.9, 0.8, 0.7, 0.6])
    assert after["cryofocus/class_posterior"].shape == (4, 3)
    np.testing.assert_allclose(after["cryofocus/outlier"], [0.5, -0.5, 1.0, 6.0])
    changed = {"alignments3D/class", "alignments3D/class_posterior"}
    for name in set(before.dtype.names) - changed:
        np.testing.assert_array_equal(before[name], after[name])
    assert after.dtype.names[: len(before.dtype.names)] == before.dtype.names


def test_chosen_rows_in_their_order(cs_file: Path, tmp_path: Path) -> None:
    """A subset keeps its uids, in the order asked for."""
    ParticleSet.read(cs_file).take(np.array([2, 0])).write(tmp_path / "two.cs", {})
    assert np.load(tmp_path / "two.cs")["uid"].tolist() == cs_rows()["uid"][[2, 0]].tolist()


def test_new_poses_are_said_as_vectors_and_pixels(cs_file: Path, tmp_path: Path) -> None:
    """Euler angles and origins in Å come back as the same pose."""
    angles = {"rlnAngleRot": 10.0, "rlnAngleTilt": 20.0, "rlnAnglePsi": -30.0}
    columns = {label: np.full(4, value) for label, value in angles.items()}
    columns |= {"rlnOriginXAngst": np.arange(4.0), "rlnOriginYAngst": -np.arange(4.0)}
    ParticleSet.read(cs_file).write(tmp_path / "out.cs", columns)
    found = open_table(tmp_path / "out.cs").columns()
    expected = Rotation.from_euler("ZYZ", list(angles.values()), degrees=True).as_matrix().T
    np.testing.assert_allclose(found.rotation, np.tile(expected, (4, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(found.shift_angstrom[:, 1], -np.arange(4.0))


def repack(rows: np.ndarray, names: list[str]) -> np.ndarray:
    """The named fields as a table of their own."""
    out = np.empty(len(rows), [(n, rows.dtype[n].base, rows.dtype[n].shape) for n in names])
    for name in names:
        out[name] = rows[name]
    return out


@pytest.mark.parametrize("how", ["named", "found beside"])
def test_passthrough_files_are_joined_on_uid(cs_file: Path, tmp_path: Path, how: str) -> None:
    """Fields of a passthrough file in another order, with more rows, reach their particles."""
    expected = ParticleSet.read(cs_file)
    rows = cs_rows()
    names = [n for n in rows.dtype.names if n.startswith("alignments3D/")]
    others = [n for n in rows.dtype.names if n not in names]
    save_cs(tmp_path / "particles.cs", repack(rows, ["uid", *names]))
    stranger = rows[:1].copy()
    stranger["uid"] = 99
    shuffled = np.concatenate([rows[[3, 1]], stranger, rows[[0, 2]]])
    passthrough = save_cs(tmp_path / "J1_passthrough_particles.cs", repack(shuffled, others))
    supplement = Supplement(passthrough=(passthrough,) if how == "named" else ())
    found = ParticleSet.read(cs_file, supplement=supplement)
    np.testing.assert_array_equal(found.rotation, expected.rotation)
    np.testing.assert_array_equal(found.slice_of_particle, expected.slice_of_particle)
    assert found.optics == expected.optics
    found.write(tmp_path / "joined.cs", {})
    joined = np.load(tmp_path / "joined.cs")
    assert set(joined.dtype.names) == set(rows.dtype.names)
    for name in rows.dtype.names:
        np.testing.assert_array_equal(joined[name], rows[name])


def test_exposure_groups_become_optics_groups(tmp_path: Path, images: np.ndarray) -> None:
    """Particles of one exposure group, or of other optics within it, share a group."""
    write_stack_file(tmp_path / "stack.mrcs", images)
    rows = cs_rows()
    rows["ctf/exp_group_id"] = [7, 3, 7, 3]
    optics = open_table(save_cs(tmp_path / "a.cs", rows)).columns()
    assert [group.number for group in optics.optics] == [7, 3]
    assert optics.optics_of_particle.tolist() == [0, 1, 0, 1]
    rows["ctf/cs_mm"][0] = 2.0
    optics = open_table(save_cs(tmp_path / "b.cs", rows)).columns()
    assert [group.number for group in optics.optics] == [1, 2, 3]
    assert optics.optics_of_particle.tolist() == [0, 1, 2, 1]


def test_copies_under_operators_are_recognised_and_marked(cs_file: Path, tmp_path: Path) -> None:
    """Expanded copies get uids of their own, say whose copies they are, and are read as such."""
    rows = np.array([0, 0, 1, 1])
    columns = {
        "cryofocusParent": rows + 1,
        "cryofocusOperator": np.array([1, 2, 1, 2]),
    }
    open_table(cs_file).write(tmp_path / "expanded.cs", columns, rows)
    saved = np.load(tmp_path / "expanded.cs")
    assert saved["sym_expand/src_uid"].tolist() == cs_rows()["uid"][rows].tolist()
    assert saved["sym_expand/idx"].tolist() == [0, 1, 0, 1]
    assert len(set(saved["uid"].tolist())) == 4
    expansion = open_table(tmp_path / "expanded.cs").columns().expansion
    assert expansion is not None
    assert expansion.parent_of_particle.tolist() == [0, 0, 1, 1]
    assert expansion.operator_of_particle.tolist() == [0, 1, 0, 1]


def test_halves_that_are_all_alike_are_none(tmp_path: Path) -> None:
    """cryoSPARC writes the same half for all where it has not split the particles."""
    rows = cs_rows()
    rows["alignments3D/split"] = 0
    assert open_table(save_cs(tmp_path / "a.cs", rows)).columns().half_set.tolist() == [0] * 4


def test_third_order_aberrations_are_one_wave() -> None:
    """Tilt and trefoil are lengths in one wave aberration, minus which is RELION's odd phase."""
    base = Microscope(300.0, 2.7, 0.07)
    tilt, trefoil = (2700.0, -900.0), (5000.0, 3000.0)
    microscope = make_microscope(base, tilt, trefoil, (0.0,) * 4)
    phase = aberration_phase(microscope, 16, 1.5)
    assert phase is not None
    fx, fy = specimen_frequencies(microscope, 16, 1.5)
    s, a = np.hypot(fx, fy), np.arctan2(fy, fx)
    wave = tilt[0] * np.cos(a) + tilt[1] * np.sin(a)
    wave = wave + trefoil[0] / 3 * np.cos(3 * a) + trefoil[1] / 3 * np.sin(3 * a)
    expected = np.exp(-2j * np.pi * base.wavelength_angstrom**2 * s**3 * wave)
    np.testing.assert_allclose(phase, expected, atol=1e-4)
    np.testing.assert_allclose(tilt_angstrom(microscope), tilt)
    np.testing.assert_allclose(trefoil_angstrom(microscope), trefoil)


def test_poses_need_not_be_there_where_they_are_not_wanted(cs_file: Path, tmp_path: Path) -> None:
    """An extraction has no poses: read without, written with those that were found."""
    rows = cs_rows()
    posed = ("alignments3D/pose", "alignments3D/shift")
    bare = save_cs(
        cs_file.parent / "bare.cs", repack(rows, [n for n in rows.dtype.names if n not in posed])
    )
    particles = ParticleSet.read(bare, supplement=Supplement(needs_poses=False))
    np.testing.assert_array_equal(particles.rotation, np.tile(np.eye(3), (len(rows), 1, 1)))
    assert not particles.shift_angstrom.any()
    labels = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst")
    columns = {label: np.linspace(3, 40, len(rows)) for label in labels}
    assert particles.write(tmp_path / "found.cs", columns) == ()
    found = ParticleSet.read(tmp_path / "found.cs", datadir=cs_file.parent)
    np.testing.assert_allclose(found.shift_angstrom[:, 0], columns["rlnOriginXAngst"], rtol=1e-5)
