"""Damaged and unusable files of other programs: each gives its one message."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.particle_table import Supplement
from cryofocus.data.particles import ParticleSet
from cryofocus.errors import CryofocusError, FormatError, InputError, ParticleError
from cryofocus.maths.ctf import Microscope
from particle_files import cs_rows, save_cs

NONE = "Give --ctf none if the images show none."
AGAIN = "The file is damaged or was cut short; copy or export it again."
SOUND = "{file}: not a sound .cs file: "


def message_of(path: Path, supplement: Supplement | None = None) -> str:
    """The text with which opening and reading a table fails."""
    with pytest.raises(CryofocusError) as caught:
        open_table(path, supplement).columns()
    return str(caught.value)


def cs_bytes(rows: np.ndarray) -> bytes:
    """Content of a .cs file."""
    handle = io.BytesIO()
    np.save(handle, rows, allow_pickle=False)
    return handle.getvalue()


def with_header(header: str) -> bytes:
    """A NUMPY container with any header."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def stream(header: object, rest: bytes = b"") -> bytes:
    """A CSDAT container with any header."""
    text = json.dumps(header).encode()
    return b"\x95CSDAT" + len(text).to_bytes(4, "little") + text + rest


UID_STREAM = {"length": 2, "dtype": [["uid", "<u8"]], "compression": None, "compressed_fields": []}
OBJECTS = np.array([(1, "x")], dtype=[("uid", "<u8"), ("blob/path", object)])
DAMAGED = {
    "truncated": (
        cs_bytes(cs_rows())[:-10],
        SOUND
        + "it announces 4 rows of 110 bytes, but 430 bytes of rows follow, 3.9 rows. "
        + AGAIN,
    ),
    "cut in the header": (
        cs_bytes(cs_rows())[:100],
        SOUND + "its header ends after 90 of ",
    ),
    "huge header": (
        b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little") + b"{",
        SOUND + "its header would have 2147483648 bytes. " + AGAIN,
    ),
    "nested header": (
        with_header("(" * 5000 + ")" * 5000),
        SOUND + "its header does not describe a table. " + AGAIN,
    ),
    "header that calls": (
        with_header("{'descr': __import__('os').system('true'), 'shape': (1,)}"),
        SOUND + "its header does not describe a table. " + AGAIN,
    ),
    "objects": (
        b"\x93NUMPY\x01\x00"
        + (lambda t: len(t).to_bytes(2, "little") + t)(
            b"{'descr': [('uid', '<u8'), ('blob/path', '|O')], 'fortran_order': False, "
            b"'shape': (1,), }\n"
        )
        + pickle.dumps(OBJECTS),
        "{file}: field blob/path holds Python objects, which are never loaded: they could run any "
        "program. Export the particles again from cryoSPARC.",
    ),
    "plain array": (
        cs_bytes(np.zeros(3)),
        SOUND + "its header lists no fields, as it would for a plain array. " + AGAIN,
    ),
    "field twice": (
        with_header("{'descr': [('uid', '<u8'), ('uid', '<u4')], 'shape': (0,)}"),
        SOUND + "a field stands twice in its header. " + AGAIN,
    ),
    "unknown type": (
        with_header("{'descr': [('uid', '<u3')], 'shape': (0,)}"),
        SOUND + "field uid is of type '<u3'. " + AGAIN,
    ),
    "wrong magic": (
        b"PK\x03\x04 something else",
        "{file}: starts with b'PK\\x03\\x04 s', expected b'\\x93NUMPY' or b'\\x95CSDAT', with "
        "which cryoSPARC's .cs files start. Check that this is the right file.",
    ),
    "stream without columns": (
        stream(UID_STREAM),
        SOUND + "it ends before its columns do. " + AGAIN,
    ),
    "stream that promises too much": (
        stream({**UID_STREAM, "length": 10**9}, (16).to_bytes(4, "little") + bytes(16)),
        SOUND + "a file of 125 bytes would hold a table of 8000000000. " + AGAIN,
    ),
    "stream whose column promises too much": (
        stream({**UID_STREAM, "length": 10**6}, (16).to_bytes(4, "little") + bytes(16)),
        SOUND + "a column of 16 bytes cannot hold 1000000 rows. " + AGAIN,
    ),
    "stream with a wrong block": (
        stream(
            {**UID_STREAM, "compression": "lz4", "compressed_fields": ["uid"]},
            (4).to_bytes(4, "little") + b"\x1f\x00\x99\x99",
        ),
        "{file}: a compressed column is cut short. " + AGAIN,
    ),
    "stream of another compression": (
        stream({**UID_STREAM, "compression": "zip"}),
        SOUND + "its compression is 'zip', not lz4. " + AGAIN,
    ),
    "no rows": (
        cs_bytes(cs_rows()[:0]),
        "{file}: has no rows, so there are no particles. Check the job that made it.",
    ),
}


@pytest.mark.parametrize(("content", "message"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_cs_files(tmp_path: Path, content: bytes, message: str) -> None:
    """Every kind of damage is named; nothing is unpickled or executed."""
    path = tmp_path / "x.cs"
    path.write_bytes(content)
    said = message_of(path)
    assert said.startswith(message.replace("{file}", str(path)))


def drop(*names: str) -> Callable[[np.ndarray], np.ndarray]:
    """Leave fields out."""

    def apply(rows: np.ndarray) -> np.ndarray:
        kept = [n for n in rows.dtype.names if n not in names]
        out = np.empty(len(rows), [(n, rows.dtype[n].base, rows.dtype[n].shape) for n in kept])
        for name in kept:
            out[name] = rows[name]
        return out

    return apply


def put(name: str, row: int, value: object) -> Callable[[np.ndarray], np.ndarray]:
    """Set one value."""

    def apply(rows: np.ndarray) -> np.ndarray:
        rows[name][row] = value
        return rows

    return apply


def retype(name: str, values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Give a field another type."""

    def apply(rows: np.ndarray) -> np.ndarray:
        columns = {n: rows[n] for n in rows.dtype.names} | {name: values}
        out = np.empty(len(rows), [(k, v.dtype, v.shape[1:]) for k, v in columns.items()])
        for key, column in columns.items():
            out[key] = column
        return out

    return apply


ADVICE = "If the job's passthrough file holds them, give it with --passthrough."
UNUSABLE = {
    "no poses": (
        drop("alignments3D/pose"),
        "{file}: has no 3-D poses: alignments3D/pose missing. Refine the particles first, "
        "or find their poses against a map with 'cryofocus align search'. " + ADVICE,
    ),
    "no images": (
        drop("blob/path", "blob/idx"),
        "{file}: has no images: blob/path, blob/idx missing. " + ADVICE,
    ),
    "no CTF": (drop("ctf/df1_A"), f"{{file}}: has no CTF: ctf/df1_A missing. {NONE} {ADVICE}"),
    "no uid": (
        drop("uid"),
        "{file}: has no field uid of unsigned 64-bit numbers, so its particles have no identity. "
        "Give a particle file of a cryoSPARC job.",
    ),
    "uid twice": (
        put("uid", 1, 4),
        "{file}: uid 4 stands in rows 2 and 3; expected every uid once. Remove duplicate "
        "particles in cryoSPARC.",
    ),
    "NaN": (
        put("alignments3D/pose", 2, np.nan),
        "{file}, row 3: alignments3D/pose is [nan nan nan], expected a finite number (rows like "
        "this: 1). Correct or remove these rows.",
    ),
    "text for numbers": (
        retype("ctf/df1_A", np.array([b"1", b"2", b"3", b"4"])),
        "{file}: ctf/df1_A holds |S1, expected one number per particle. Export the particles "
        "again from cryoSPARC.",
    ),
    "gaps": (
        lambda rows: rows[["uid", "blob/idx", "ctf/df1_A"]],
        "{file}: its rows have gaps, as NumPy writes them of some fields of a table, rows[['uid', "
        "'blob/path']]. Save numpy.lib.recfunctions.repack_fields(rows) instead.",
    ),
    "one number for three": (
        retype("alignments3D/pose", np.zeros(4, np.float32)),
        "{file}: alignments3D/pose holds float32, expected 3 numbers per particle. Export the "
        "particles again from cryoSPARC.",
    ),
    "numbers for text": (
        retype("blob/path", np.zeros(4)),
        "{file}: blob/path holds float64, expected a text a particle. Export the particles again "
        "from cryoSPARC.",
    ),
    "half 2": (
        put("alignments3D/split", 3, 2),
        "{file}, row 4: alignments3D/split is 2, expected 0 or 1. Refine the particles again.",
    ),
    "two contrasts": (
        put("blob/sign", 2, 1),
        "{file}, row 3: blob/sign is 1, but -1 in row 1; expected images of one contrast. Split "
        "the particles by it.",
    ),
    "no square": (
        put("blob/shape", 0, (8, 9)),
        "{file}: exposure group 0: images of 9 x 8 pixels; expected square images. Extract the "
        "particles again.",
    ),
    "no voltage": (
        put("ctf/accel_kv", 1, 0),
        "{file}: exposure group 0: voltage 0.0 kV; expected a positive number. Correct it in "
        "cryoSPARC.",
    ),
    "tilt without Cs": (
        retype("ctf/tilt_A", np.full((4, 2), 9e9, np.float32)),
        "{file}: exposure group 0: a beam tilt of 9e+09 Å cannot come from a spherical aberration "
        "of 2.7 mm. Correct it in cryoSPARC.",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_unusable_cs_files(
    tmp_path: Path, spoil: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    """A field that is missing or makes no sense is named, with the row where there is one."""
    path = save_cs(tmp_path / "x.cs", spoil(cs_rows()))
    assert message_of(path) == message.replace("{file}", str(path))


def test_passthrough_of_another_job(tmp_path: Path) -> None:
    """A passthrough file that lacks particles is refused when named, and passed over when not."""
    rows = drop("ctf/df1_A")(cs_rows())
    path = save_cs(tmp_path / "x.cs", rows)
    other = save_cs(tmp_path / "other_passthrough.cs", cs_rows()[:2])
    assert message_of(path, Supplement(passthrough=(other,))) == (
        f"{other}: lacks 2 of the 4 particles of {path} (the first: uid 4). Give the passthrough "
        "file of the same job."
    )
    assert "ctf/df1_A missing" in message_of(path)


@pytest.mark.parametrize("name", [b"/etc/hostname", b"../../../etc/passwd", b">../x\x00y.mrc"])
def test_paths_are_only_looked_up(tmp_path: Path, name: bytes) -> None:
    """A path that leads anywhere is opened as an image stack or not found, and nothing else."""
    rows = retype("blob/path", np.array([name] * 4))(cs_rows())
    path = save_cs(tmp_path / "x.cs", rows)
    with pytest.raises(InputError):
        ParticleSet.read(path)


BINARY = np.array([1, 3], "<i4").tobytes() + np.array([1], "<i8").tobytes() + b"\x09" + bytes(12)
BAD_BINARY = {
    "empty": (b"", "0 bytes are too few for a table"),
    "cut": (BINARY[:-1], "it announces 3 rows of 4 bytes, but 11 bytes follow"),
    "longer": (BINARY + b"x", "it announces 3 rows of 4 bytes, but 13 bytes follow"),
    "many columns": (
        np.array([2**30, 3], "<i4").tobytes(),
        "it announces 1073741824 columns and 3 rows, and has 8 bytes",
    ),
    "identifier": (
        BINARY[:8] + np.array([3], "<i8").tobytes() + BINARY[16:],
        "a column has the identifier 3, expected a power of two",
    ),
    "type": (BINARY[:16] + b"\x07" + BINARY[17:], "a column is of type 7"),
    "text": (
        BINARY[:8] + np.array([2**60], "<i8").tobytes() + b"\x08" + b"\xff\xff\xff\x7f" * 3,
        "it ends before its 3 rows do",
    ),
    "text for a number": (BINARY[:16] + b"\x08" + bytes(12), "PositionInStack is of type 8"),
}


@pytest.mark.parametrize(("content", "message"), BAD_BINARY.values(), ids=BAD_BINARY.keys())
def test_damaged_cistem_files(tmp_path: Path, content: bytes, message: str) -> None:
    """A binary table whose header does not fit its size or types is refused."""
    path = tmp_path / "x.cistem"
    path.write_bytes(content)
    assert message_of(path) == (
        f"{path}: not a sound cisTEM table: {message}. The file is damaged or was cut short; copy "
        "or export it again."
    )


IDLE = {
    "stack": Supplement(stack=Path("s.mrc")),
    "microscope": Supplement(microscope=Microscope(300, 2.7, 0.07)),
    "pixel-size": Supplement(pixel_size_angstrom=1.0),
}


@pytest.mark.parametrize(("option", "supplement"), IDLE.items(), ids=IDLE.keys())
def test_what_a_file_says_itself(tmp_path: Path, option: str, supplement: Supplement) -> None:
    """An option without use for the format is refused, not passed over."""
    path = save_cs(tmp_path / "x.cs", cs_rows())
    assert message_of(path, supplement) == (
        f"--{option} is not needed: {path} already contains it. Leave it out."
    )


def test_cistem_star_without_columns(tmp_path: Path) -> None:
    """A cisTEM table without angles names what it lacks."""
    path = tmp_path / "x.star"
    path.write_text("data_\n\nloop_\n_cisTEMPositionInStack #1\n_cisTEMPixelSize #2\n1 1.0\n")
    with pytest.raises(ParticleError, match=r"has no AnglePhi, AngleTheta, AnglePsi, Defocus1"):
        open_table(path).columns()


@pytest.mark.parametrize("text", ["1 2 3\n", "\x00\x01\x02", ""])
def test_no_particle_file_at_all(tmp_path: Path, text: str) -> None:
    """A file without any table is refused."""
    (path := tmp_path / "x.star").write_text(text)
    with pytest.raises(FormatError, match=r"no table found; expected a STAR file"):
        open_table(path)
