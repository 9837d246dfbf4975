"""Damaged files of every kind: what is wrong is said in one message, and nothing grows."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryofocus.data.cistem.binary import BIT_OF_LABEL
from cryofocus.data.formats import open_table
from cryofocus.data.operator_file import read_operators
from cryofocus.data.particle_table import Supplement
from cryofocus.data.particles import ParticleSet
from cryofocus.data.shapes.markers import read_markers
from cryofocus.data.shapes.models import AtomicModel, DensityGrid, model_density
from cryofocus.errors import CryofocusError
from cryofocus.maths.ctf import Microscope
from cryofocus.workflows.classify.request import read_config
from cryofocus.workflows.machine.slurm_jobs import read_slurm_settings
from cryofocus.workflows.run.reading import read_numbers
from cryofocus.workflows.run.yaml_file import MAX_BYTES, read_yaml
from cryofocus.workflows.state_groups import StateGroups
from fuzz.corpus import (
    CISTEM_STAR,
    MARKERS,
    MMCIF,
    RELION_3,
    RELION_5,
    SLURM,
    build,
    cistem,
    pdb,
)
from particle_files import cs_rows, par_text, save_cs, stream_bytes, write_stack_file


def table(path: Path) -> None:
    """Read a particle table whole."""
    stack = path.with_name("s.mrcs")
    write_stack_file(stack, np.zeros((3, 8, 8), np.float32))
    supplement = {
        ".cistem": Supplement(stack),
        ".par": Supplement(stack, Microscope(300, 2.7, 0.1)),
    }.get(path.suffix)
    read = open_table(path, supplement)
    read.classes()
    read.columns()


def density(path: Path) -> None:
    """Draw an atomic model."""
    model_density(path, DensityGrid(8, 2.0, (2.0, 4.0, 4.0)))


def array(path: Path) -> None:
    """Read an array of a run."""
    read_numbers(path, (2, 2))


def swap(text: str, old: str, new: str, count: int = 1) -> bytes:
    """A sound file with something else in one place."""
    assert old in text
    return text.replace(old, new, count).encode("utf-8", "surrogateescape")


def _as_text(raw: bytes, label: str) -> bytes:
    """A binary table in which a column of numbers claims to hold texts."""
    place = raw.index((1 << BIT_OF_LABEL[label]).to_bytes(8, "little")) + 8
    return raw[:place] + b"\x08" + raw[place + 1 :]


ARRAY = build()["posteriors/x.npy"]
BEFORE_GROUPS, _, AFTER_GROUPS = RELION_5.partition('1 "group 1"')
EMPTY_OPTICS = BEFORE_GROUPS + AFTER_GROUPS[AFTER_GROUPS.index("\n\n\n") :]
CASES: dict[str, tuple[str, bytes, Callable[[Path], object], str]] = {
    "no optics groups": (
        *("x.star", EMPTY_OPTICS.encode(), table),
        "x.star, data_optics: has no rows, expected one for each group",
    ),
    "group number": (
        *("x.star", swap(RELION_5, "\n2 group2", "\n1e30 group2"), table),
        "rlnOpticsGroup is 1e.30, expected a whole number",
    ),
    "box": (
        *("x.star", swap(RELION_5, "2.0 8 2", "2.0 1e30 2"), table),
        "optics group 1: a box of 1000000000000000019884624838656 pixels",
    ),
    "shift in pixels": (
        *("x.star", swap(RELION_3, " 0.5 1 0 1", " 1e308 1 0 1"), table),
        "x.star, line 22: the shift along x, in Å, is inf; expected at most 1e.06",
    ),
    "phase shift": (
        *("x.star", swap(RELION_3, " 0.5 1 0 1", " 0.5 1 nan 1"), table),
        "x.star, line 22: rlnPhaseShift is nan, expected a finite number",
    ),
    "magnification of zero": (
        *("x.star", swap(RELION_3, "0.1 10000 2", "0.1 0 2"), table),
        "rlnMagnification is 0; expected that of the detector",
    ),
    "class": (
        *("x.star", swap(RELION_3, " 0 1 1\n", " 0 1 1e30\n"), table),
        "rlnClassNumber is 1e.30, expected a whole number from 1",
    ),
    "copy": (
        *("x.star", swap(RELION_5, "1 1 1 1 1\n", "1 1 1 1 1e30\n"), table),
        "cryofocusOperator is 1e.30, expected a whole number from 1",
    ),
    "a number without end": (
        *("x.star", swap(RELION_3, "1.1e4", "x" * 5000), table),
        r"rlnDefocusV is 'x{199}\.\.\., expected a number",
    ),
    "an escape in a name": (
        *("x.star", swap(RELION_3, "1@s.mrcs", "1@\x1b[2Js.mrcs"), table),
        r"line 22: the image stack is '\\x1b\[2Js.mrcs', which has characters that no name has",
    ),
    "an endless name": (
        *("x.star", swap(RELION_3, "1@s.mrcs", f"1@{'s' * 5000}"), table),
        r"line 22: the image stack is 's{199}\.\.\., which has 5000 characters",
    ),
    "a root for a name": (
        *("x.star", swap(RELION_3, "1@s.mrcs", "1@/"), ParticleSet.read),
        "x.star: 2 of 2 image stacks were not found",
    ),
    "cisTEM's row": (
        *("x.star", swap(CISTEM_STAR, "1e4 1e4", "1e4"), table),
        "x.star, line 18: 13 values, expected 14",
    ),
    "cisTEM's binary": ("x.cistem", cistem()[:-30], table, "x.cistem: "),
    "cisTEM's numbers in texts": (
        *("x.cistem", _as_text(cistem(), "AnglePsi"), table),
        "AnglePsi is of type 8",
    ),
    "image number": (
        *("x.par", swap(par_text(), "      1   10.00", "   1e30   10.00"), table),
        r"x.par, line 2: PositionInStack is 1e.30, expected images counted from 1",
    ),
    "defocus": (
        *("x.par", swap(par_text(), "15000.0", "1.5e300"), table),
        r"x.par, line 2: the first defocus, in Å, is 1.5e.300; expected at most 1e.07",
    ),
    "atom nowhere": (
        *("x.pdb", swap(pdb(), "   2.000   4.000", "     nan   4.000"), AtomicModel.read),
        r"x.pdb: atom 2 of 3 has coordinates that are no numbers",
    ),
    "atom at infinity": (
        *("x.cif", swap(MMCIF, "4.000 6.000", "infinity 6.000"), AtomicModel.read),
        r"x.cif: atom 2 of 3 has coordinates that are no numbers",
    ),
    "atom everywhere": (
        *("x.cif", swap(MMCIF, "1.0 20.0 2", "1.0 1e30 2"), density),
        r"x.cif: atom 2 has the occupancy 1 and the B factor 1e.30",
    ),
    "chain that is no text": (
        *("x.pdb", swap(pdb(), "ALA B", "ALA \udcff"), AtomicModel.read),
        "x.pdb: the name of a chain is no text",
    ),
    "compressed without end": (
        *("x.pdb.gz", gzip.compress(bytes(4_000_000)), AtomicModel.read),
        "x.pdb.gz: unpacks to more than 20 times its size",
    ),
    "cut while compressed": (
        *("x.pdb.gz", gzip.compress(pdb().encode())[:-20], AtomicModel.read),
        "x.pdb.gz: cannot be unpacked",
    ),
    "a number only to Python": (
        *("x.cmm", MARKERS.replace('x="8"', 'x="1_0"').encode(), read_markers),
        "x is 1_0",
    ),
    "markers in UTF-16": ("x.cmm", MARKERS.encode("utf-16"), read_markers, "no text in UTF-8"),
    "markers with entities in UTF-16": (
        *("x.cmm", f'<!DOCTYPE m [<!ENTITY a "b">]>{MARKERS}'.encode("utf-16"), read_markers),
        "no text in UTF-8",
    ),
    "markers with entities": (
        *("x.cmm", f'<!DOCTYPE m [<!ENTITY a "b">]>{MARKERS}'.encode(), read_markers),
        "not a marker file",
    ),
    "an operator that moves too far": (
        *("x.txt", b"-1 0 0 0 -1 0 0 0 1 0 0 1e99\n", read_operators),
        r"x.txt, line 1: found 1e.99, but nothing is moved by more than 1e.06 Å",
    ),
    "operators without end": (
        *("x.txt", b"".join(b"1 0 0 0 1 0 0 0 1 0 0 %d\n" % i for i in range(1, 2000))),
        *(read_operators, "x.txt, line 1001: more than 1000 operators"),
    ),
    "a state too many": (
        *("x.csv", b"state,group\n1,a\n4294967296,b\n", StateGroups.read),
        "x.csv: found '4294967296' in column state, expected whole numbers from 1",
    ),
    "an array that promises too much": (
        *("x.npy", ARRAY.replace(b"(2, 2), }        ", b"(99999999999,), }"), array),
        r"x.npy: missing or damaged \(.*\)\. Run the classification again",
    ),
    "an array whose header does not end": (
        *("x.npy", ARRAY.replace(b", }", b",  "), array),
        r"x.npy: missing or damaged \(.*\)\. Run the classification again",
    ),
    "a tag": (
        *("x.yaml", b"particles: !!bool x\n", read_config),
        "x.yaml, line 1: the tag tag:yaml.org,2002:bool; expected plain texts",
    ),
    "an alias": (
        *("x.yaml", b"a: &a [x]\nparticles: *a\n", read_config),
        r"x.yaml, line 2: the alias \*a; expected values written out",
    ),
    "brackets without end": (
        *("x.yaml", SLURM.encode() + b"account: " + b"[" * 40_000, read_slurm_settings),
        "x.yaml, line 10: lists within lists, more than 20 deep",
    ),
    "a number of thousands of digits": (
        *("x.yaml", b"workers: 0x" + b"f" * 5000, read_slurm_settings),
        "x.yaml, line 1: a value of 5002 characters",
    ),
    "a date that is none": ("x.yaml", b"a: 2001-99-99", read_config, "cannot be read as YAML"),
    "a novel": (
        *("x.yaml", b"# " + bytes(MAX_BYTES).replace(b"\0", b"x"), read_config),
        f"x.yaml: more than {MAX_BYTES} bytes, which settings never are",
    ),
    "settings in Latin-1": ("x.yaml", b"particles: \xe9", read_config, "cannot be read as YAML"),
}


@pytest.mark.parametrize(("name", "content", "read", "message"), CASES.values(), ids=CASES.keys())
def test_damage_is_named(
    tmp_path: Path, name: str, content: bytes, read: Callable[[Path], object], message: str
) -> None:
    """Each kind of damage gives one message of our own, of modest length, with its place."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CryofocusError, match=message) as caught:
        read(path)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("blob/path", b"a\nb", r"row 1: the image stack is 'a\\nb', which has characters"),
        ("blob/psize_A", 1e-30, "pixel size 1e-30 Å; expected 0.001 to 10000"),
        ("alignments3D/psize_A", 0, "row 1: alignments3D/psize_A is 0, expected a pixel size"),
        ("alignments3D/shift", np.inf, "row 1: alignments3D/shift is .*, expected a finite"),
        ("alignments3D/shift", 1e30, "row 1: the shift along x, in Å, is 2e.30; expected at most"),
        ("ctf/phase_shift_rad", np.nan, "row 1: ctf/phase_shift_rad is nan, expected a finite"),
        ("ctf/cs_mm", 1e30, "a spherical aberration of 1e.30 mm"),
        ("ctf/accel_kv", 1e-30, "voltage 1e-30 kV; expected 1 to 10000"),
        ("blob/shape", 2**32 - 1, "a box of 4294967295 pixels; expected at most 65536"),
        ("blob/idx", 2**32 - 1, "row 1: blob/idx is .*; expected images counted from 0"),
    ],
)
def test_impossible_fields_are_refused(
    tmp_path: Path, field: str, value: Any, message: str
) -> None:
    """Numbers beyond every microscope, and names that are none, are named by field and row."""
    rows = cs_rows()
    rows[field][0] = value
    with pytest.raises(CryofocusError, match=message):
        table(save_cs(tmp_path / "x.cs", rows))


def stream(header: dict[str, Any], columns: list[bytes], heap: bytes = b"") -> bytes:
    """A CSDAT stream."""
    text = json.dumps({"compression": "lz4", "compressed_fields": [], **header}).encode()
    body = b"".join(len(column).to_bytes(4, "little") + column for column in columns)
    return b"\x95CSDAT" + len(text).to_bytes(4, "little") + text + body + heap


UIDS = np.arange(1000, dtype="<u8").tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        # 1,000 texts, each of which begins one character behind the one before: 300 MB.
        (
            stream(
                {"length": 1000, "dtype": [["uid", "<u8"], ["blob/path", "|O"]]},
                [UIDS, UIDS],
                b"x" * 300_000,
            ),
            "a file of .* bytes would hold a table of 300",
        ),
        # A column of zeros that an LZ4 block of its size cannot be.
        (
            stream(
                {"length": 10**8, "dtype": [["uid", "<u8"]], "compressed_fields": ["uid"]},
                [b"\x1f\x00\x01\x00" + b"\xff" * 10_000],
            ),
            "a file of .* bytes would hold a table of 800000000",
        ),
        (
            stream({"length": 4, "dtype": [["uid", "<u8"], ["a", "<f4", [65535] * 3]]}, [UIDS]),
            r"its fields make no row \(|would hold a table",
        ),
        (stream({"length": 4, "dtype": [["uid", "|S0"]]}, [b""]), r"field uid is of type '\|S0'"),
        (stream({"length": 1, "dtype": [["u\nid", "<u8"]]}, [UIDS]), "does not describe a table"),
        (stream_bytes()[:-300] + b"\xff" * 4, "it ends before its columns do|cannot reshape"),
    ],
)
def test_streams_never_grow_without_bound(tmp_path: Path, content: bytes, message: str) -> None:
    """A small stream that claims to hold a large table is refused before memory is spent."""
    path = tmp_path / "x.cs"
    path.write_bytes(content)
    with pytest.raises(CryofocusError, match=message):
        table(path)


def test_texts_of_a_stream_may_share_their_bytes(tmp_path: Path) -> None:
    """Texts end at the next zero or the end of the heap, wherever they begin, in any order."""
    offsets = np.array([4, 0, 2, 0], "<u8").tobytes()
    uids = UIDS[:32]
    path = tmp_path / "x.cs"
    path.write_bytes(
        stream({"length": 4, "dtype": [["uid", "<u8"], ["t", "|O"]]}, [uids, offsets], b"abc\0de")
    )
    rows = open_table(path).dataset.column("t")  # type: ignore[attr-defined]
    assert rows.tolist() == [b"de", b"abc", b"c", b"abc"]


def test_encodings_that_markers_claim_to_have_mean_nothing(tmp_path: Path) -> None:
    """Files are read as UTF-8, with or without a byte order mark, whatever their first line."""
    path = tmp_path / "x.cmm"
    for start in ('<?xml version="1.0" encoding="rot13"?>', "\ufeff"):
        path.write_text(start + MARKERS, "utf-8")
        assert len(read_markers(path)) == 2


def test_yaml_is_read_as_it_is_written(tmp_path: Path) -> None:
    """Plain values, quoted texts with marks in them and a byte order mark are no harm."""
    path = tmp_path / "x.yaml"
    path.write_text("\ufeffa: [1, 2.5, yes, ~]\nb: '!x *y &z'\n", "utf-8")
    assert read_yaml(path, "") == {"a": [1, 2.5, True, None], "b": "!x *y &z"}
