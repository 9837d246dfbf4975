"""Particle sets: every RELION version gives the same particles, and writes back its own rows."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.optics import OpticsGroup
from cryofocus.data.particles import ParticleSet
from cryofocus.data.relion.columns import read_particle_table
from cryofocus.data.relion.optics import read_optics
from cryofocus.data.star.document import StarDocument
from cryofocus.errors import InputError
from cryofocus.maths.ctf import Microscope
from cryofocus.maths.rotations import rotation_from_euler


def test_columns_of_a_relion_31_file(particle_file: Path) -> None:
    """Every column lands in its field, in Å and degrees, images counted from 0."""
    particles = ParticleSet.read(particle_file)
    assert len(particles) == 4
    assert (particles.box, particles.pixel_size_angstrom) == (8, 2.0)
    assert particles.stack_paths == (particle_file.parent / "stack.mrcs",)
    np.testing.assert_array_equal(particles.slice_of_particle, [0, 1, 2, 3])
    euler = np.array([[10.0 * i + 0.5, 20.0 + i, -30.0 * i] for i in range(4)])
    np.testing.assert_allclose(particles.rotation, rotation_from_euler(euler))
    np.testing.assert_array_equal(particles.shift_angstrom[2], [2.25, -2.75])
    np.testing.assert_array_equal(particles.ctf.defocus_u_angstrom, [1e4, 11e3, 12e3, 13e3])
    np.testing.assert_array_equal(particles.ctf.defocus_angle_degrees, [0, 15, 30, 45])
    np.testing.assert_array_equal(particles.ctf.ctf_scale, 1)
    np.testing.assert_array_equal(particles.half_set, [1, 2, 1, 2])
    np.testing.assert_array_equal(particles.micrograph_of_particle, [0, 0, 1, 1])
    assert particles.optics[0].microscope == Microscope(300.0, 2.7, 0.1)
    assert particles.optics[0].name == "opticsGroup1"


def test_optional_ctf_columns_and_premultiplied_images(edit: Callable[..., Path]) -> None:
    """Phase shift, B-factor, scale and the premultiplied flag are read where they are given."""
    row = "1 opticsGroup1 300.0 2.7 0.1 2.0 8"
    path = edit(
        ("_rlnImageSize #7", "_rlnImageSize #7\n_rlnCtfDataAreCtfPremultiplied #8"),
        (row, row + " 1"),
        ("_rlnDefocusAngle #10", "_rlnPhaseShift #10"),
        ("_rlnOriginXAngst #6", "_rlnCtfBfactor #6"),
        ("_rlnOriginYAngst #7", "_rlnCtfScalefactor #7"),
        ("_rlnRandomSubset #12", "_rlnDefocusAngle #12"),
    )
    particles = ParticleSet.read(path)
    np.testing.assert_array_equal(particles.ctf.phase_shift_degrees, [0, 15, 30, 45])
    np.testing.assert_array_equal(particles.ctf.b_factor_square_angstrom, [0.25, 1.25, 2.25, 3.25])
    np.testing.assert_array_equal(particles.ctf.ctf_scale, [-0.75, -1.75, -2.75, -3.75])
    np.testing.assert_array_equal(particles.shift_angstrom, 0)
    np.testing.assert_array_equal(particles.half_set, 0)
    assert particles.optics[0].ctf_premultiplied


def test_aberrations_of_a_relion_5_optics_table(shared_data: Path) -> None:
    """Beam tilt, Zernike vectors and magnification come group by group, in the table's order."""
    document_path = shared_data / "relion" / "relion31.6opticsgroups.star"
    optics = read_optics_only(document_path)
    assert [group.name for group in optics] == [f"opticsGroup{i}" for i in (5, 3, 2, 1, 4, 6)]
    assert [group.pixel_size_angstrom for group in optics] == [1.25, 1.24, 1.25, 1.25, 1.24, 1.25]
    first = optics[0].microscope
    assert first.beam_tilt_mrad == (0.657334, 0.884982)
    assert first.odd_zernike == (1.70554063513, 1.2131261042, 2.54522458134, 0, 0, 3.56183614819)
    assert len(first.even_zernike) == 9
    assert np.linalg.det(first.magnification_matrix) == pytest.approx(1, abs=0.05)
    assert optics[3].microscope.spherical_aberration_mm == 2.6


def read_optics_only(path: Path) -> tuple[OpticsGroup, ...]:
    """Optics groups of a file whose stacks are not there."""
    return read_optics(read_particle_table(StarDocument.read(path)))[0]


def test_relion_30_is_the_same_in_pixels(shared_data: Path) -> None:
    """Before 3.1: magnification instead of pixel size, origins in pixels, optics in every row."""
    path = shared_data / "relion" / "sample_particles_relion30.star"
    particles = ParticleSet.read(path)
    document = StarDocument.read(path)
    block = document.blocks[0]
    raw = document.numbers(
        block,
        ["rlnOriginX", "rlnOriginY", "rlnVoltage", "rlnMagnification", "rlnDetectorPixelSize"],
    )
    pixel_size = 1e4 * raw["rlnDetectorPixelSize"] / raw["rlnMagnification"]
    shift = np.stack([raw["rlnOriginX"], raw["rlnOriginY"]], axis=1) * pixel_size[:, None]
    np.testing.assert_allclose(particles.shift_angstrom, shift)
    assert particles.pixel_size_angstrom == pytest.approx(pixel_size[0])
    assert particles.box == 200
    voltage = [
        particles.optics[i].microscope.voltage_kilovolt for i in particles.optics_of_particle
    ]
    np.testing.assert_array_equal(voltage, raw["rlnVoltage"])
    assert len(particles.optics) == 2


def test_order_of_blocks_is_irrelevant(particle_file: Path) -> None:
    """Optics after particles, and a strange block between, change nothing."""
    expected = ParticleSet.read(particle_file)
    text = particle_file.read_text()
    cut = text.index("data_particles")
    optics, rest = text[text.index("data_optics") : cut], text[cut:]
    particle_file.write_text(f"{rest}\ndata_general\n\n_rlnThing 1\n\n{optics}")
    found = ParticleSet.read(particle_file)
    np.testing.assert_array_equal(found.rotation, expected.rotation)
    assert found.optics == expected.optics


def test_optics_may_be_pairs(edit: Callable[..., Path], particle_file: Path) -> None:
    """A table of a single group may be written without a loop."""
    expected = ParticleSet.read(particle_file)
    text = particle_file.read_text()
    start, end = text.index("loop_"), text.index("# version", 30)
    labels = [line.split()[0] for line in text[start:end].splitlines() if line.startswith("_")]
    values = ["1", "opticsGroup1", "300.0", "2.7", "0.1", "2.0", "8"]
    pairs = "".join(f"{a} {b}\n" for a, b in zip(labels, values, strict=True))
    path = edit((text[start:end], pairs + "\n"))
    assert ParticleSet.read(path).optics == expected.optics


def test_chosen_particles_keep_their_rows(particle_file: Path, tmp_path: Path) -> None:
    """A subset, in its own order, is written as exactly those rows of the file."""
    particles = ParticleSet.read(particle_file)
    chosen = particles.take(np.array([3, 1]))
    np.testing.assert_array_equal(chosen.rotation, particles.rotation[[3, 1]])
    np.testing.assert_array_equal(chosen.ctf.defocus_u_angstrom, [13e3, 11e3])
    chosen.write(tmp_path / "chosen.star", {"rlnClassNumber": [1, 2]})
    lines = particle_file.read_text().splitlines()
    rows = [line for line in lines if "stack.mrcs" in line]
    written = (tmp_path / "chosen.star").read_text().splitlines()
    assert [line for line in written if "stack.mrcs" in line] == [rows[3] + " 1", rows[1] + " 2"]
    assert "_rlnClassNumber #13" in written
    np.testing.assert_array_equal(
        ParticleSet.read(tmp_path / "chosen.star").rotation, chosen.rotation
    )


def test_writing_nothing_new_gives_the_same_file(particle_file: Path, tmp_path: Path) -> None:
    """The whole set without new columns is the file that was read, byte for byte."""
    ParticleSet.read(particle_file).write(tmp_path / "same.star", {})
    assert (tmp_path / "same.star").read_bytes() == particle_file.read_bytes()


def test_particles_prove_their_mathematics(particle_file: Path) -> None:
    """Matrices that are no rotations, and columns of other lengths, cannot make a set."""
    particles = ParticleSet.read(particle_file)
    with pytest.raises(ValueError, match="not orthogonal"):
        replace(particles, rotation=particles.rotation * 1.001)
    with pytest.raises(ValueError, match="reflection"):
        replace(particles, rotation=-particles.rotation)
    with pytest.raises(ValueError, match="none to edit"):
        replace(particles, table=None).write("x.star", {})


def test_particles_say_what_they_are_made_of(particle_file: Path) -> None:
    """A column of another length or kind costs one error; here, the test run is the first to see.

    So another process asks.
    """
    code = f"""
from dataclasses import replace
from cryofocus import ParticleSet
particles = ParticleSet.read({str(particle_file)!r})
for other in ({{"shift_angstrom": particles.shift_angstrom[1:]}}, {{"box": "64"}}, {{"box": 0}}):
    try:
        replace(particles, **other)
    except TypeError as error:
        print(error)
"""
    asked = [sys.executable, "-c", code]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    assert re.match(r"ParticleSet: shift_angstrom: .*shape \(n, 2\) with n = 4", said[0])
    assert said[1] == "ParticleSet: box: found '64' (str), expected a whole number above 0"
    assert said[2] == "ParticleSet: box: found 0 (int), expected a whole number above 0"


def test_choosing_particles(particle_file: Path) -> None:
    """Slices, truth values and numbers choose rows; their order is that asked for."""
    particles = ParticleSet.read(particle_file)
    chosen = particles[particles.half_set == 1]
    assert chosen.row_of_particle.tolist() == [0, 2]
    assert particles[1:3].row_of_particle.tolist() == [1, 2]
    assert particles[[3, 0]].row_of_particle.tolist() == [3, 0]
    assert particles[-1].row_of_particle.tolist() == [3]
    with pytest.raises(IndexError):
        particles[np.ones(3, bool)]
    with pytest.raises(IndexError):
        particles[4]


def test_chosen_particles_are_written(particle_file: Path) -> None:
    """A choice is written as its own rows, with nothing added."""
    some = particle_file.with_name("some.star")
    ParticleSet.read(particle_file)[1:3].write(some)
    assert len(ParticleSet.read(some)) == 2


def test_particles_say_what_they_are(particle_file: Path) -> None:
    """One line, and an escaped table for notebooks."""
    particles = ParticleSet.read(particle_file)
    assert repr(particles).startswith("ParticleSet(4 particles, box 8, 2 Å/pixel, 1 optics group")
    odd = particle_file.with_name("a <b>.star")
    odd.write_bytes(particle_file.read_bytes())
    shown = ParticleSet.read(odd)._repr_html_()
    assert "a &lt;b&gt;.star" in shown
    assert "<b>" not in shown


def test_particles_as_a_table(particle_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every column has its row's value; without pandas the message says what to install."""
    particles = ParticleSet.read(particle_file)
    table = particles.to_dataframe()
    assert len(table) == 4
    np.testing.assert_allclose(table["tilt_degrees"], [20, 21, 22, 23])
    np.testing.assert_array_equal(table["half_set"], particles.half_set)
    table.loc[0, "half_set"] = 7
    assert particles.half_set[0] == 1
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="needs pandas, which is not installed"):
        particles.to_dataframe()
