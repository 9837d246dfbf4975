"""MRC headers: modes, byte orders, extended headers, axis orders and lies."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryofocus.data.mrc import read_header, write_stack
from cryofocus.data.volume import read_volume, write_planes, write_volume
from cryofocus.errors import FormatError, InputError, OutputError

TYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}


def write_mrc(path: Path, order: str, mode: int) -> np.ndarray:
    """Write a small volume of one mode and byte order with mrcfile."""
    data = np.arange(3 * 4 * 5).reshape(3, 4, 5).astype(order + TYPES[mode])
    with mrcfile.new(path) as mrc:
        mrc.set_data(data)
        mrc.set_extended_header(np.zeros(52, "V1"))
        mrc.voxel_size = 1.5
        mrc.header.origin = (3.0, -4.5, 6.0)
    return data


def patch(path: Path, offset: int, raw: bytes) -> None:
    """Overwrite bytes of a file."""
    content = bytearray(path.read_bytes())
    content[offset : offset + len(raw)] = raw
    path.write_bytes(content)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", TYPES)
def test_every_mode_and_byte_order_is_read(tmp_path: Path, order: str, mode: int) -> None:
    """Data, voxel size and origin are those that mrcfile wrote, behind an extended header."""
    path = tmp_path / "a.mrc"
    data = write_mrc(path, order, mode)
    header = read_header(path)
    assert header.shape == (3, 4, 5)
    np.testing.assert_array_equal(header.open(), data)
    volume = read_volume(path)
    assert volume.data.dtype == np.float32
    np.testing.assert_array_equal(volume.data, data.astype(np.float32))
    assert volume.voxel_size_angstrom == pytest.approx(1.5)
    assert volume.origin_angstrom == (3.0, -4.5, 6.0)


@pytest.mark.parametrize("order", ["<", ">"])
def test_missing_machine_stamp_is_made_up_for(tmp_path: Path, order: str) -> None:
    """Without stamp and MAP string, as RELION 2 wrote, the mode tells the byte order."""
    path = tmp_path / "a.mrc"
    data = write_mrc(path, order, 2)
    patch(path, 208, bytes(8))
    np.testing.assert_array_equal(read_header(path).open(), data)


def test_axis_order_is_undone(tmp_path: Path) -> None:
    """A map whose sections run along x is turned into z, y, x, and its start with it."""
    path = tmp_path / "a.mrc"
    with mrcfile.new(path) as mrc:
        mrc.set_data(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
        mrc.voxel_size = 2.0
        mrc.header.mapc, mrc.header.mapr, mrc.header.maps = 3, 2, 1
        mrc.header.nxstart, mrc.header.nystart, mrc.header.nzstart = 5, 6, 7
    volume = read_volume(path)
    assert volume.data.shape == (4, 3, 2)
    assert volume.data[3, 1, 0] == 4 * 1 + 3
    assert volume.origin_angstrom == (14.0, 12.0, 10.0)


def test_written_maps_satisfy_mrcfile(tmp_path: Path) -> None:
    """A map written here is valid MRC2014 and has its data, size, origin and statistics."""
    data = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    write_volume(tmp_path / "a.mrc", data, 1.25, (1.0, 2.0, 3.0))
    assert mrcfile.validate(tmp_path / "a.mrc")
    with mrcfile.open(tmp_path / "a.mrc") as mrc:
        np.testing.assert_array_equal(mrc.data, data)
        assert mrc.is_volume()
        assert mrc.voxel_size.tolist() == (1.25, 1.25, 1.25)
        assert mrc.header.origin.tolist() == (1.0, 2.0, 3.0)
        assert float(mrc.header.rms) == pytest.approx(data.std(), rel=1e-5)
    volume = read_volume(tmp_path / "a.mrc")
    assert (volume.voxel_size_angstrom, volume.origin_angstrom) == (1.25, (1.0, 2.0, 3.0))


def test_written_stacks_satisfy_mrcfile(tmp_path: Path) -> None:
    """A stack written in chunks is a valid stack of the images in order."""
    images = np.random.default_rng(0).normal(size=(5, 6, 6)).astype(np.float32)
    write_stack(tmp_path / "a.mrcs", iter([images[:2], images[2:]]), 5, 6, 3.0)
    assert mrcfile.validate(tmp_path / "a.mrcs")
    with mrcfile.open(tmp_path / "a.mrcs") as mrc:
        np.testing.assert_array_equal(mrc.data, images)
        assert mrc.is_image_stack()
        assert float(mrc.voxel_size.x) == 3.0


def test_unfinished_stacks_leave_nothing(tmp_path: Path) -> None:
    """Too few images raise, and no file appears."""
    with pytest.raises(ValueError, match="72 values; expected 108"):
        write_stack(tmp_path / "a.mrcs", iter([np.zeros((2, 6, 6))]), 3, 6, 3.0)
    with pytest.raises(ValueError, match=r"voxel size 0\.0 Å; expected a positive number"):
        write_stack(tmp_path / "a.mrcs", iter([]), 3, 6, 0.0)
    assert not list(tmp_path.iterdir())


def test_planes_make_the_file_of_their_map(tmp_path: Path) -> None:
    """A few at a time, the bytes are those of the whole, statistics of the header included."""
    volume = np.random.default_rng(3).normal(2, 5, (7, 7, 7)).astype(np.float32)
    write_volume(tmp_path / "whole.mrc", volume, 1.5)
    write_planes(tmp_path / "planes.mrc", iter([volume[:3], volume[3:4], volume[4:]]), 7, 1.5)
    assert (tmp_path / "planes.mrc").read_bytes() == (tmp_path / "whole.mrc").read_bytes()


def test_truncated_file_is_refused(tmp_path: Path) -> None:
    """A file that lacks its last bytes says how much there is and how much was announced."""
    path = tmp_path / "a.mrc"
    write_mrc(path, "<", 2)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(FormatError) as caught:
        read_header(path)
    assert str(caught.value) == (
        f"{path}: the header announces 3 sections of 4 x 5 float32 (240 bytes), but the file "
        "holds 230 bytes of data (2 sections). The file is damaged or was cut short; copy or "
        "write it again."
    )


@pytest.mark.parametrize("n_sections", [2, 1000, 2**31 - 1])
def test_header_that_lies_about_its_size_is_refused(tmp_path: Path, n_sections: int) -> None:
    """More or fewer sections than the file holds are an error in either direction."""
    path = tmp_path / "a.mrc"
    write_mrc(path, ">", 1)
    patch(path, 8, n_sections.to_bytes(4, "big"))
    with pytest.raises(FormatError, match=rf"announces {n_sections} sections .* \(3 sections\)"):
        read_header(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes, expected an MRC header of 1024. The file is empty or cut short"),
        (b"text " * 1000, r"is a text, not an MRC file; expected a map, a mask or a stack"),
        (bytes(2000), "not an MRC file; size or mode in its header make no sense"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """What is no MRC file says so."""
    path = tmp_path / "a.mrc"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read_header(path)


def test_unsupported_mode_is_named(tmp_path: Path) -> None:
    """Packed 4-bit images say which mode they have and what to do."""
    path = tmp_path / "a.mrc"
    write_mrc(path, "<", 2)
    patch(path, 12, (101).to_bytes(4, "little"))
    with pytest.raises(FormatError, match=r"MRC mode 101; expected 0, 1, 2, 6 or 12\. Convert"):
        read_header(path)


def test_maps_have_to_be_finite_and_cubic(tmp_path: Path) -> None:
    """NaN voxels and voxels that are no cubes are refused, a missing file is named."""
    path = tmp_path / "a.mrc"
    data = np.zeros((4, 4, 4), np.float32)
    data[1, 2, 3] = np.nan
    write_volume(path, data, 1.0)
    with pytest.raises(FormatError, match="1 voxels are NaN or infinite"):
        read_volume(path)
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(np.zeros((4, 4, 4), np.float32))
        mrc.voxel_size = (1.0, 1.0, 2.0)
    with pytest.raises(FormatError, match=r"voxels of 1\.0000 x .* Å; expected cubes"):
        read_volume(path)
    with pytest.raises(InputError, match=r"none.mrc: cannot be read \(No such file"):
        read_volume(tmp_path / "none.mrc")


def test_float16_stack_has_mode_12(tmp_path: Path) -> None:
    """A stack of half the bytes is read alike here and by mrcfile."""
    images = np.random.default_rng(3).normal(size=(3, 6, 6)).astype(np.float32)
    path = tmp_path / "half.mrcs"
    write_stack(path, iter([images]), 3, 6, 2.0, float16=True)
    header = read_header(path)
    assert header.dtype == np.dtype("<f2")
    np.testing.assert_allclose(header.open(), images, rtol=1e-3, atol=1e-6)
    with mrcfile.open(path) as peer:
        np.testing.assert_array_equal(peer.data, header.open())


def test_values_too_large_for_float16_are_refused(tmp_path: Path) -> None:
    """A pixel that would become infinite stops the writing, and nothing is left."""
    images = np.full((1, 4, 4), 1e5, np.float32)
    with pytest.raises(OutputError, match="float16 holds numbers up to 65504, but a pixel of 1e"):
        write_stack(tmp_path / "half.mrcs", iter([images]), 1, 4, 2.0, float16=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("stamp", "flags", "largest", "unsigned"),
    [
        (b"IMOD", 0, 0.0, True),
        (b"IMOD", 1, 0.0, False),
        (bytes(4), 0, 200.0, True),
        (bytes(4), 0, 100.0, False),
    ],
    ids=["IMOD unsigned", "IMOD signed", "by its largest value", "the standard"],
)
def test_bytes_are_signed_unless_the_file_says_otherwise(
    tmp_path: Path, stamp: bytes, flags: int, largest: float, *, unsigned: bool
) -> None:
    """IMOD's stamp and the largest value in the header tell bytes from 0 to 255."""
    path = tmp_path / "a.mrc"
    write_mrc(path, "<", 0)
    raw = np.arange(250, 250 + 60).astype("u1").tobytes()
    patch(path, read_header(path).data_offset_bytes, raw)
    patch(path, 152, stamp + np.array(flags, "<i4").tobytes())
    patch(path, 76, np.array([0.0, largest], "<f4").tobytes())
    expected = np.frombuffer(raw, "u1" if unsigned else "i1").astype(np.float32)
    np.testing.assert_array_equal(read_volume(path).data.ravel(), expected)
