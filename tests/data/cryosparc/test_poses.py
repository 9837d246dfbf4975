"""Poses of cryoSPARC's jobs, and the files beside a table that may hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.errors import ParticleError
from particle_files import cs_rows, save_cs, with_fields


def test_numbers_of_double_precision_are_read(tmp_path: Path) -> None:
    """Poses in 64 bits lie in the mapped file as they are, and are not written to."""
    rows = cs_rows()
    assert rows["alignments3D/pose"].dtype == np.float32
    wide = with_fields(rows, {"alignments3D/pose": rows["alignments3D/pose"].astype("<f8")})
    found, expected = (
        open_table(save_cs(tmp_path / name, one)).columns().rotation
        for name, one in (("wide.cs", wide), ("a.cs", rows))
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_poses_against_several_references_need_one_class(tmp_path: Path) -> None:
    """They are read where all particles are of one class, and refused where they are not."""
    plain = cs_rows()
    pose, shift = plain["alignments3D/pose"], plain["alignments3D/shift"]
    nothing = {name: None for name in plain.dtype.names if name.startswith("alignments3D/")}
    multi = nothing | {
        "alignments3D_multi/pose": np.stack([-pose, pose], axis=1),
        "alignments3D_multi/shift": np.stack([-shift, shift], axis=1),
        "alignments3D_multi/class_posterior": np.array([[0.2, 0.8]] * 4, "<f4"),
    }
    of_class = nothing | {
        f"alignments_class_{k}/{name}": values
        for k, sign in ((0, -1), (1, 1))
        for name, values in (
            ("pose", sign * pose),
            ("shift", sign * shift),
            ("class_posterior", np.full(4, 0.5 + 0.1 * sign, "<f4")),
        )
    }
    expected = open_table(save_cs(tmp_path / "a.cs", plain)).columns()
    for fields in (multi, of_class):
        found = open_table(save_cs(tmp_path / "b.cs", with_fields(plain, fields))).columns()
        np.testing.assert_allclose(found.rotation, expected.rotation, atol=1e-6)
        np.testing.assert_allclose(found.shift_angstrom, expected.shift_angstrom, atol=1e-6)
    mixed = np.array([[0.2, 0.8], [0.9, 0.1], [0.1, 0.9], [0.5, 0.6]], "<f4")
    for fields in (
        multi | {"alignments3D_multi/class_posterior": mixed},
        of_class | {f"alignments_class_{k}/class_posterior": mixed[:, k] for k in (0, 1)},
    ):
        path = save_cs(tmp_path / "c.cs", with_fields(plain, fields))
        with pytest.raises(ParticleError, match=r"against 2 references.*not all of one class"):
            open_table(path).columns()


def split_fields(folder: Path, name: str) -> Path:
    """Save particles whose CTF stands in a passthrough file of that name beside them."""
    plain = cs_rows()
    ctf = {field: None for field in plain.dtype.names if field.startswith("ctf/")}
    others = {field: None for field in plain.dtype.names if not field.startswith(("ctf/", "uid"))}
    save_cs(folder / name, with_fields(plain, others))
    return save_cs(folder / "P1_J5_particles.cs", with_fields(plain, ctf))


def test_passthrough_files_of_others_are_left_alone(tmp_path: Path) -> None:
    """A damaged or empty file beside the table stops nothing if it is not needed."""
    path = split_fields(tmp_path, "P1_J5_passthrough_particles.cs")
    (tmp_path / "P1_J5_passthrough_particles_excluded.cs").write_bytes(b"")
    (tmp_path / "P1_J9_passthrough_particles.cs").write_bytes(b"nothing of the kind")
    assert open_table(path).columns().optics[0].microscope.voltage_kilovolt == 300


def test_a_damaged_passthrough_file_that_is_needed_is_named(tmp_path: Path) -> None:
    """What is wrong with it is said, not that it has to be given."""
    path = split_fields(tmp_path, "P1_J5_passthrough_particles.cs")
    other = tmp_path / "P1_J5_passthrough_particles.cs"
    rows = np.load(other)
    rows["uid"][1] = rows["uid"][0]
    save_cs(other, rows)
    with pytest.raises(ParticleError, match=r"P1_J5_passthrough_particles\.cs: uid \d+ stands in"):
        open_table(path).columns()
