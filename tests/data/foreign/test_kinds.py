"""Files that are no maps and no stacks are named for what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryofocus.data.foreign.kinds import name_kind
from cryofocus.data.volume import read_volume
from cryofocus.errors import FormatError, InputError

STAR = b"\n# version 50001\n\ndata_particles\n\nloop_\n_rlnImageName #1\n"
PDB = b"REMARK   2\nATOM      1  N   MET A   1      27.340  24.430   2.614\n"


@pytest.mark.parametrize(
    ("name", "start", "kind"),
    [
        ("differences.csv", b"map,peak,x\na_minus_b.mrc,3.2,1.0\n", "a table of comma-separated"),
        ("masks.mrc", b"region,x_angstrom,y\n1,2,3\n", "a table of comma-separated values (CSV)"),
        ("run_data.star", STAR, "a table in STAR format"),
        ("focus.mrc", STAR, "a table in STAR format"),
        ("model.pdb", PDB, "an atomic model (PDB)"),
        ("model.cif", b"data_1ABC\n#\n_entry.id 1ABC\n", "an atomic model (mmCIF)"),
        ("map.mrc", b"\x89PNG\r\n\x1a\n" + bytes(2000), "a picture (PNG)"),
        ("map.mrc", b"PK\x03\x04" + bytes(9), "a ZIP archive"),
        ("particles.cs", b"\x93NUMPY\x01" + bytes(9), "a particle table"),
        ("latent.npy", b"\x93NUMPY\x01" + bytes(9), "an array of NumPy"),
        ("job.json", b'{"version": 1}', "a JSON file"),
        ("report.html", b"<!DOCTYPE html>\n<html>", "a web page (HTML)"),
        ("fsc.xml", b'<?xml version="1.0"?>\n<fsc>', "an XML file"),
        ("README.txt", b"Particles written by\n", "a text"),
        ("map.mrc", bytes(1024), ""),
        ("map.mrc", b"", ""),
    ],
)
def test_kinds(name: str, start: bytes, kind: str) -> None:
    """Content tells, and the name where it does not; a damaged map is nothing else."""
    found = name_kind(Path(name), start)
    assert found.startswith(kind) if kind else found == ""


@pytest.mark.parametrize("length", [60, 3000])
def test_a_table_in_place_of_a_mask(tmp_path: Path, length: int) -> None:
    """Short or long, it is called a table, and what is expected is said; no word of damage."""
    path = tmp_path / "regions.csv"
    path.write_bytes((b"region,x,y\n" + b"1,2,3\n" * 1000)[:length])
    with pytest.raises(FormatError) as caught:
        read_volume(path)
    assert str(caught.value) == (
        f"{path}: is a table of comma-separated values (CSV), not an MRC file; expected a map, a "
        "mask or a stack of images (.mrc, .mrcs). Give that file."
    )


def test_a_folder_in_place_of_a_map(tmp_path: Path) -> None:
    """A folder is called one."""
    with pytest.raises(InputError, match=r"is a folder\. Give the map, mask or stack in it"):
        read_volume(tmp_path)
