"""Particle files and stacks that cannot be used: each gives its one message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.images import ImageReader
from cryofocus.data.particle_table import Supplement
from cryofocus.data.particles import ParticleSet
from cryofocus.errors import CryofocusError, FormatError, InputError, ParticleError
from particle_files import write_stack_file

WRONG_TABLES = [
    pytest.param(
        [("_rlnImageName", "_rlnOther")],
        "{file}: no table has a column rlnImageName, so there are no particle images. "
        "Give a particle STAR file, such as run_data.star.",
        id="no images",
    ),
    pytest.param(
        [("_rlnAngleRot", "_rlnX"), ("_rlnAnglePsi", "_rlnY")],
        "{file}: data_particles has no poses: rlnAngleRot, rlnAnglePsi missing. "
        "Refine the particles first, or find their poses against a map with "
        "'cryofocus align search', or give the file that holds these columns.",
        id="no poses",
    ),
    pytest.param(
        [("_rlnDefocusV", "_rlnX")],
        "{file}: data_particles has no CTF: rlnDefocusV missing. "
        "Estimate the CTF first, give --ctf none if the images show none, or give the file that "
        "holds these columns.",
        id="no defocus",
    ),
    pytest.param(
        [("_rlnVoltage", "_rlnX"), ("_rlnImagePixelSize", "_rlnY")],
        "{file}: data_optics has no CTF: rlnVoltage, rlnImagePixelSize (or rlnDetectorPixelSize "
        "and rlnMagnification) missing. Add the columns, or give --ctf none if the images show no "
        "CTF.",
        id="no optics",
    ),
    pytest.param(
        [("mic0.mrc 10.5", "mic0.mrc nan")],
        "{file}, line 33: rlnAngleRot is nan, expected a finite number (rows like this: 1). "
        "Correct or remove these rows.",
        id="NaN angle",
    ),
    pytest.param(
        [("12000.0", "inf")],
        "{file}, line 34: rlnDefocusU is inf, expected a finite number (rows like this: 1). "
        "Correct or remove these rows.",
        id="infinite defocus",
    ),
    pytest.param(
        [("-0.75", "nan")],
        "{file}, line 32: rlnOriginYAngst is nan, expected a finite number (rows like this: 1). "
        "Correct or remove these rows.",
        id="NaN shift",
    ),
    pytest.param(
        [
            ("000003@", "000001@"),
            ("20.5 22.0 -60.0 2.25 -2.75", "0.5 20.0 0.0 0.25 -0.75"),
        ],
        "{file}: the image 000001@stack.mrcs stands in line 32 and line 34 with the same pose; "
        "expected every image once, or, in a symmetry-expanded set, once under each operator. "
        "Remove the duplicates.",
        id="duplicate",
    ),
    pytest.param(
        [("15.0 1 2", "15.0 7 2")],
        "{file}, line 33: rlnOpticsGroup is 7, but the optics table holds 1. "
        "Add the group or correct the number.",
        id="unknown optics group",
    ),
    pytest.param(
        [("1 opticsGroup1 300.0 2.7 0.1 2.0 8\n", "1 a 300.0 2.7 0.1 2.0 8\n1 b 300 2 0.1 2 8\n")],
        "{file}, data_optics: rlnOpticsGroup 1 stands twice. Correct the table.",
        id="optics group twice",
    ),
    pytest.param(
        [("300.0 2.7 0.1 2.0 8", "300.0 2.7 0.1 0 8")],
        "{file}, data_optics: optics group 1: pixel size 0.0 Å; expected a positive number. "
        "Correct it.",
        id="pixel size 0",
    ),
    pytest.param(
        [("15.0 1 2", "15.0 1 3")],
        "{file}, line 33: rlnRandomSubset is 3, expected 1 or 2. Correct or remove the column.",
        id="half set 3",
    ),
    pytest.param(
        [("000002@stack.mrcs", "000000@stack.mrcs")],
        "{file}: rlnImageName of row 2 is '000000@stack.mrcs'; expected NUMBER@STACK with images "
        "counted from 1. Correct the table.",
        id="image 0",
    ),
]


def message_of(path: Path, error: type[CryofocusError]) -> str:
    """The text with which reading and checking a file fails."""
    with pytest.raises(error) as caught:
        ParticleSet.read(path)
    return str(caught.value)


@pytest.mark.parametrize(("replacements", "message"), WRONG_TABLES)
def test_wrong_tables(
    edit: Callable[..., Path], replacements: list[tuple[str, str]], message: str
) -> None:
    """A table that lacks or contradicts something says where, what and what to do."""
    path = edit(*replacements)
    assert message_of(path, ParticleError) == message.format(file=path)


def test_no_particles(particle_file: Path) -> None:
    """A table without rows has no particles."""
    lines = particle_file.read_text().splitlines(keepends=True)
    particle_file.write_text("".join(line for line in lines if "stack.mrcs" not in line))
    assert message_of(particle_file, ParticleError) == (
        f"{particle_file}: data_particles has no rows, so there are no particles. "
        "Check the selection that made this file, or whether it was cut short."
    )


def test_particles_without_group_among_several(edit: Callable[..., Path]) -> None:
    """Several optics groups and no column that tells them apart is an error."""
    row = "1 opticsGroup1 300.0 2.7 0.1 2.0 8\n"
    path = edit((row, row + row.replace("1 opticsGroup1", "2 b")), ("_rlnOpticsGroup #11", "_x"))
    assert message_of(path, ParticleError) == (
        f"{path}: 2 optics groups, but the particles have no rlnOpticsGroup. Add the column."
    )


@pytest.mark.parametrize("vector", ["[1,x]", "[1,,2]", "[1_0]"])
def test_damaged_zernike_vector(edit: Callable[..., Path], vector: str) -> None:
    """A vector of aberrations that is none is named."""
    path = edit(("opticsGroup1", vector), ("_rlnOpticsGroupName", "_rlnOddZernike"))
    assert message_of(path, FormatError) == (
        f"{path}, data_optics: rlnOddZernike is {vector!r}, expected numbers as in [0.1,0.2]."
    )


def test_missing_stacks_list_every_place_tried(
    edit: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three missing stacks are listed with their places, the fourth is counted."""
    path = edit(*((f"00000{i}@stack.mrcs", f"1@job/{i}.mrcs") for i in range(1, 5)))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    with pytest.raises(ParticleError) as caught:
        ParticleSet.read(path, datadir=tmp_path / "work")
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}: 4 of 4 image stacks were not found."
    assert lines[1:4] == [
        "  job/1.mrcs, tried:",
        f"    {work}/job/1.mrcs",
        f"    {tmp_path}/job/1.mrcs",
    ]
    assert "    /job/1.mrcs" in lines
    assert f"    {work}/1.mrcs" in lines
    assert lines[-2:] == [
        "  and 1 more",
        "Give the folder that holds them with --datadir, or start in the project's folder.",
    ]
    assert not any("4.mrcs" in line for line in lines)


def test_missing_datadir(particle_file: Path, tmp_path: Path) -> None:
    """A folder that does not exist is named."""
    with pytest.raises(InputError, match=r"no such folder\. Give the folder of the stacks"):
        ParticleSet.read(particle_file, datadir=tmp_path / "none")


@pytest.mark.parametrize("name", ["1@particles.star", "1@/etc/hostname", "1@../x\x00.mrcs"])
def test_names_are_only_looked_up(edit: Callable[..., Path], name: str) -> None:
    """A name that points to no stack of images gives an error and nothing else."""
    path = edit(("000002@stack.mrcs", name))
    message_of(path, InputError)


def test_box_of_stack_and_optics_disagree(edit: Callable[..., Path]) -> None:
    """The stack's box and the table's box are both given."""
    path = edit(("0.1 2.0 8", "0.1 2.0 16"))
    assert message_of(path, ParticleError) == (
        f"{path.parent}/stack.mrcs: images of 8 x 8 pixels, but optics group 1 has a box of 16. "
        "Correct the box in the table, or give the stack that belongs to the table."
    )


def test_the_user_says_whose_pixel_size_holds(
    edit: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """The table's or the stack's, with shifts that stay the same number of pixels; it is said."""
    path = edit(("0.1 2.0 8", "0.1 2.5 8"))
    caplog.set_level("INFO")
    table, stack = (
        ParticleSet.read(path, supplement=Supplement(pixel_size_of=who))
        for who in ("table", "stack")
    )
    assert (table.pixel_size_angstrom, stack.pixel_size_angstrom) == (2.5, 2.0)
    np.testing.assert_allclose(stack.shift_angstrom, table.shift_angstrom * 2.0 / 2.5)
    assert (
        "has 2.5 Å per pixel, the header of stack.mrcs 2; that of the stack holds" in caplog.text
    )


def test_images_that_are_not_square_are_told_so(edit: Callable[..., Path]) -> None:
    """The box in the table is not blamed."""
    path = edit()
    write_stack_file(path.parent / "stack.mrcs", np.zeros((4, 6, 8), np.float32))
    assert "images of 8 x 6 pixels; expected square images" in message_of(path, ParticleError)


def test_views_from_one_direction_are_those_of_2d_classification(
    edit: Callable[..., Path],
) -> None:
    """Particles that were never refined in 3-D are refused, unless poses are about to be found."""
    rows = [(f" {10 * i}.5 {20 + i}.0 ", " 0.0 0.0 ") for i in range(4)]
    path = edit(*rows)
    assert "seen from one direction" in message_of(path, ParticleError)
    assert len(ParticleSet.read(path, supplement=Supplement(needs_poses=False))) == 4


def test_pixel_size_of_stack_and_optics_disagree(edit: Callable[..., Path]) -> None:
    """The stack's pixel size and the table's are both given."""
    path = edit(("0.1 2.0 8", "0.1 2.1 8"))
    assert message_of(path, ParticleError) == (
        f"{path.parent}/stack.mrcs: the header gives 2 Å per pixel, but optics group 1 of the "
        "table gives 2.1. If the table is right, as after a calibration of the pixel size, add "
        "--pixel-size-of table; if the stack is, --pixel-size-of stack."
    )


def test_stack_with_too_few_images(edit: Callable[..., Path]) -> None:
    """An image beyond the end of its stack is an error when the table is read."""
    path = edit(("000002@", "000005@"))
    line = 1 + path.read_text("utf-8").partition("000005@")[0].count("\n")
    assert message_of(path, ParticleError) == (
        f"{path.parent}/stack.mrcs: holds 4 images, but line {line} of {path} asks for image 5. "
        "Give the stack that belongs to the table."
    )


def test_stack_that_loses_images_later(particle_file: Path, images: np.ndarray) -> None:
    """An image beyond the end of a stack that was replaced since is an error when it is read."""
    particles = ParticleSet.read(particle_file)
    write_stack_file(particle_file.parent / "stack.mrcs", images[:2])
    with pytest.raises(ParticleError, match="asks for image 4 of 8 x 8 pixels"):
        ImageReader(particles).read(np.array([3]))


def test_truncated_stack(particle_file: Path) -> None:
    """A stack that was cut short says so."""
    stack = particle_file.parent / "stack.mrcs"
    stack.write_bytes(stack.read_bytes()[:-100])
    assert "the header announces 4 sections of 8 x 8 float32" in message_of(
        particle_file, FormatError
    )


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_pixels_that_are_not_finite(particle_file: Path, images: np.ndarray, value: float) -> None:
    """The first image with a NaN or infinite pixel is named."""
    stack = particle_file.parent / "stack.mrcs"
    images[2, 3, 4] = value
    header = stack.read_bytes()[:1024]
    stack.write_bytes(header + images.tobytes())
    reader = ImageReader(ParticleSet.read(particle_file))
    with pytest.raises(ParticleError) as caught:
        reader.read(np.arange(4))
    assert str(caught.value) == (
        f"{stack}: image 3 has pixels that are NaN or infinite. "
        "Remove this particle or extract it again."
    )


def test_pixel_sizes_that_cannot_be_matched(edit: Callable[..., Path], images: np.ndarray) -> None:
    """Groups whose pixel sizes no resampling brings together are an error with advice."""
    row = "1 opticsGroup1 300.0 2.7 0.1 2.0 8\n"
    path = edit((row, row + "2 b 300.0 2.7 0.1 99 8\n"), ("45.0 1 2", "45.0 2 2"))
    write_stack_file(path.parent / "stack.mrcs", images, pixel_size=1.0)  # which says nothing
    assert message_of(path, ParticleError) == (
        "optics group 2: images of 8 pixels of 99 Å cannot be brought to 2 Å per pixel. "
        "Resample these particles first, or classify the optics groups apart."
    )


def in_rows(label: str, value: float) -> list[tuple[str, str]]:
    """Edits that add a column to the particles."""
    rows = [(f" 1 {half}\n", f" 1 {half} {value}\n") for half in (1, 2)]
    return [("_rlnRandomSubset #12", f"_rlnRandomSubset #12\n_{label} #13"), *rows]


def in_optics(first: str, second: str, values: str) -> list[tuple[str, str]]:
    """Edits that add two columns to the optics table."""
    return [
        ("_rlnImageSize #7", f"_rlnImageSize #7\n_{first}\n_{second}"),
        ("2.0 8\n", f"2.0 8 {values}\n"),
    ]


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (in_rows("rlnVoltage", 200.0), r"rlnVoltage is 200, but .*line 13 says rlnVoltage 300"),
        (
            in_optics("rlnDetectorPixelSize", "rlnMagnification", "5.0 10000.0"),
            r"rlnDetectorPixelSize over rlnMagnification.* is 5, but .* rlnImagePixelSize 2;",
        ),
        (
            in_rows("rlnPixelSize", 4.0),
            r"line 3\d: rlnPixelSize is 4, but the pixel size by the other columns is 2 Å; e",
        ),
        (
            in_rows("rlnOriginX", 7.0),
            r"rlnOriginXAngst is .* and rlnOriginX is 7 at 2 Å per pixel, which contradict",
        ),
        (
            in_rows("rlnBeamTiltX", 0.7),
            r"rlnBeamTiltX is 0.7, but the optics table, from which RELION takes it, has no such",
        ),
        (
            in_optics("rlnCtfDataArePhaseFlipped", "rlnCtfDataAreCtfCorrected", "1 1"),
            r"group 1: rlnCtfDataAreCtfCorrected and rlnCtfDataArePhaseFlipped are both 1",
        ),
    ],
    ids=["optics", "pixel size", "other pixel size", "shifts", "only in rows", "flags"],
)
def test_contradictions_are_refused_with_both_places(
    edit: Callable[..., Path], edits: list[tuple[str, str]], message: str
) -> None:
    """A table that says one thing in two ways does not leave the choice to the program."""
    with pytest.raises(ParticleError, match=message):
        ParticleSet.read(edit(*edits))


def test_a_magnification_of_nothing(edit: Callable[..., Path]) -> None:
    """It is named, where a division would fail."""
    path = edit(
        ("_rlnImagePixelSize", "_rlnDetectorPixelSize"),
        *in_optics("rlnMagnification", "rlnBeamTiltX", "0 0"),
    )
    with pytest.raises(ParticleError, match=r"optics group 1: rlnMagnification is 0; expected"):
        ParticleSet.read(path)


@pytest.mark.parametrize("name", ["particles", "optics"])
def test_two_tables_of_one_kind_are_refused(particle_file: Path, name: str) -> None:
    """Files that were joined by putting one behind the other have two of each table."""
    text = particle_file.read_text()
    start = text.index(f"data_{name}")
    end = text.index("data_particles") if name == "optics" else len(text)
    particle_file.write_text(text + "\n" + text[start:end])
    with pytest.raises(
        ParticleError,
        match=rf"lines \d+ and \d+: two {'optics ' if name == 'optics' else ''}tables",
    ):
        ParticleSet.read(particle_file)


@pytest.mark.parametrize(
    ("magic", "name"),
    [(b"\x1f\x8b\x08\x00", "gzip"), (b"BZh91AY", "bzip2"), (b"\xfd7zXZ\x00", "xz")],
)
def test_compressed_files_are_told_for_what_they_are(
    particle_file: Path, magic: bytes, name: str
) -> None:
    """A compressed stack or table is no damaged one."""
    (particle_file.parent / "stack.mrcs").write_bytes(magic + bytes(2000))
    assert f"stack.mrcs: is compressed with {name}" in message_of(particle_file, FormatError)
    particle_file.write_bytes(magic + bytes(2000))
    assert f"particles.star: is compressed with {name}" in message_of(particle_file, FormatError)


def test_a_stack_longer_than_its_header_says_is_not_called_short(particle_file: Path) -> None:
    """Sections were added, or the header is wrong: the file was not cut."""
    stack = particle_file.parent / "stack.mrcs"
    stack.write_bytes(stack.read_bytes() + bytes(8 * 8 * 4 * 2))
    message = message_of(particle_file, FormatError)
    assert "announces 4 sections" in message
    assert "(6 sections). It is longer than its header says" in message


def test_volumes_are_not_taken_for_images(particle_file: Path) -> None:
    """One cube per particle, named without a number: subtomograms that nothing marks."""
    folder, text = particle_file.parent, particle_file.read_text()
    for i in range(1, 5):
        text = text.replace(f"00000{i}@stack.mrcs", f"sub{i}.mrc")
        write_stack_file(folder / f"sub{i}.mrc", np.zeros((8, 8, 8), np.float32))
    particle_file.write_text(text)
    assert "is a volume of 8 sections" in message_of(particle_file, ParticleError)
