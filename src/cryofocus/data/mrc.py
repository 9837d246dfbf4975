"""MRC files (MRC2014): read in either byte order, written little endian, whole or not at all.

Modes 0 (int8, or uint8 where IMOD stamped the file so, its largest value says so or its values
make sense in no other way), 1 (int16), 2 (float32), 6 (uint16) and 12 (float16) are read, 2 and 12
written. The size that the header announces is compared with the size of the file before anything
is believed. Sections are written as they arrive.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from cryofocus.complaints import say_unreadable
from cryofocus.data.atomic import atomic_file
from cryofocus.data.foreign.byte_sign import is_other_sign
from cryofocus.data.foreign.compressed import refuse_compressed
from cryofocus.data.foreign.kinds import name_kind
from cryofocus.errors import FormatError, InputError, OutputError

HEADER_BYTES = 1024
MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
# https://www.ccpem.ac.uk/mrc_format/mrc2014.php, word numbers counted from 0.
SIZE, MODE, START, SAMPLING, CELL, AXES, EXTENDED, ORIGIN = 0, 3, 4, 7, 10, 16, 23, 49
RANGE, IMOD_STAMP, IMOD_FLAGS = 19, 38, 39
N_LABELS, LABELS, LABEL_BYTES, MOST_LABELS = 55, 224, 80, 10
# https://bio3d.colorado.edu/imod/doc/mrc_format.txt: bytes are signed if the flag is set.
IMOD, SIGNED_BYTES = 1146047817, 1
LARGEST_SIGNED_BYTE = 127
# The first byte of the machine stamp: 0x44 little, 0x11 big.
BYTE_ORDER_STAMP = {0x44: "<", 0x11: ">"}
STAMP_BYTE = 212
# What programs write that do not know the pixel size.
UNSET_PIXEL_SIZES = (0.0, 1.0)
# What is larger is no size.
LARGEST_CELL_ANGSTROM = 1e9

Triple = tuple[float, float, float]

# A header as it is written: size, mode, start, sampling, cell, angles, axes, minimum, maximum,
# mean, space group, extended header, its type, version, origin, MAP, byte order, deviation, number
# of labels and the labels.
LAYOUT = struct.Struct("<3i i 3i 3i 3f 3f 3i 3f i i 8x 4s i 84x 3f 4s 4B f i 800s")
MODE_FLOAT32, MODE_FLOAT16 = 2, 12
FORMAT_VERSION = 20141
# Numbers that are written at a time, so few that they stay in a processor's cache.
VALUES_AT_ONCE = 2**18
CREATED = ("Created by cryofocus",)
LITTLE_ENDIAN_STAMP = (0x44, 0x44, 0, 0)


@dataclass(frozen=True)
class MrcHeader:
    """What a header says, checked against the file.

    Attributes:
        path: The file.
        shape: Sections, rows, columns: the order of the data on disk.
        dtype: Element type with byte order.
        data_offset_bytes: Where the data begin, behind header and extended header.
        voxel_size_angstrom: x, y, z; 0 where the header does not say.
        origin_angstrom: Position of voxel (0, 0, 0), x, y, z: the ORIGIN words or, where those are
            zero, the NSTART words times the voxel size, as ChimeraX has it.
        axes: Which of x (1), y (2), z (3) runs along columns, rows, sections.
        labels: What the program that wrote the file says of it.
        is_sign_mistaken: Whether bytes have another sign than the header says; that of the values
            holds.
    """

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]
    data_offset_bytes: int
    voxel_size_angstrom: Triple
    origin_angstrom: Triple
    axes: tuple[int, int, int]
    labels: tuple[str, ...] = ()
    is_sign_mistaken: bool = False

    def open(self) -> Shaped[np.ndarray, "sections rows columns"]:
        """Map the data into memory, read-only, in the file's own type and axis order."""
        return np.memmap(self.path, self.dtype, "r", self.data_offset_bytes, self.shape)


def read_header(path: Path) -> MrcHeader:
    """Read and check the header of an MRC file.

    Raises:
        InputError: If the file cannot be read.
        FormatError: If it is no MRC file, has a mode that is not supported, or its size
            contradicts its header.
    """
    try:
        with path.open("rb") as handle:
            raw = handle.read(HEADER_BYTES)
        n_bytes = path.stat().st_size
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder. Give the map, mask or stack in it.") from error
    except OSError as error:
        raise InputError(say_unreadable(path, error)) from error
    refuse_compressed(path, raw)
    if len(raw) < HEADER_BYTES:
        _refuse_other_kind(path, raw)
        raise FormatError(
            f"{path}: {len(raw)} bytes, expected an MRC header of {HEADER_BYTES}. "
            "The file is empty or cut short; copy it again."
        )
    header = _describe(path, raw, _byte_order(path, raw))
    _check_size(header, n_bytes)
    return header if header.dtype.itemsize > 1 else _with_sign_of_values(header)


def _with_sign_of_values(header: MrcHeader) -> MrcHeader:
    """Return the header of a file of bytes with the sign that these have."""
    is_signed = header.dtype == np.int8
    if not is_other_sign(header.open().view(np.int8).ravel(), is_signed=is_signed):
        return header
    dtype = np.dtype(np.uint8 if is_signed else np.int8)
    return replace(header, dtype=dtype, is_sign_mistaken=True)


def _byte_order(path: Path, raw: bytes) -> str:
    """Byte order by the machine stamp; where that is missing or wrong, by a plausible mode."""
    stamped = BYTE_ORDER_STAMP.get(raw[STAMP_BYTE], "<")
    found = []
    for order in (stamped, "<" if stamped == ">" else ">"):
        words = np.frombuffer(raw, order + "i4")
        mode = int(words[MODE])
        # A wrong byte order turns these small numbers into numbers above 2^16.
        if 0 <= mode < 1 << 16 and (words[SIZE : SIZE + 3] > 0).all():
            if mode in MODES:
                return order
            found.append(mode)
        columns, rows, sections = words[SIZE : SIZE + 3].tolist()
        if mode in MODES and 0 < columns < 1 << 16 and 0 < rows < 1 << 16 and sections == 0:
            raise FormatError(
                f"{path}: the header announces no section of {rows} x {columns}, so there are no "
                "data. The file was never finished; write it again."
            )
    if found:
        raise FormatError(
            f"{path}: MRC mode {found[0]}; expected 0, 1, 2, 6 or 12. "
            "Convert the file to 32-bit floating point (mode 2)."
        )
    _refuse_other_kind(path, raw)
    raise FormatError(
        f"{path}: not an MRC file; size or mode in its header make no sense in either byte "
        "order. Check that this is the right file."
    )


def _refuse_other_kind(path: Path, raw: bytes) -> None:
    """Name what a file is instead, if it can be told."""
    if kind := name_kind(path, raw):
        raise FormatError(
            f"{path}: is {kind}, not an MRC file; expected a map, a mask or a stack of images "
            "(.mrc, .mrcs). Give that file."
        )


def _describe(path: Path, raw: bytes, order: str) -> MrcHeader:
    words, reals = np.frombuffer(raw, order + "i4"), np.frombuffer(raw, order + "f4")
    columns, rows, sections = (int(n) for n in words[SIZE : SIZE + 3])
    with np.errstate(all="ignore"):  # a damaged header may hold any bit pattern
        cell, sampling = reals[CELL : CELL + 3], words[SAMPLING : SAMPLING + 3]
        is_known = (sampling > 0) & (cell > 0) & (cell < LARGEST_CELL_ANGSTROM)
        voxel = np.where(is_known, cell / np.maximum(sampling, 1), 0.0)
    origin = reals[ORIGIN : ORIGIN + 3].astype(np.float64)
    axes = tuple(int(a) for a in words[AXES : AXES + 3])
    if sorted(axes) != [1, 2, 3]:
        axes = (1, 2, 3)
    if not np.isfinite(origin).all() or not origin.any():
        start = np.zeros(3)
        # NSTART counts along columns, rows, sections; the origin along x, y, z.
        start[[axis - 1 for axis in axes]] = words[START : START + 3]
        origin = start * voxel
    return MrcHeader(
        path=path,
        shape=(sections, rows, columns),
        dtype=np.dtype(order + _element_type(words, reals)),
        data_offset_bytes=HEADER_BYTES + max(int(words[EXTENDED]), 0),
        voxel_size_angstrom=_triple(voxel),
        origin_angstrom=_triple(origin),
        axes=(axes[0], axes[1], axes[2]),
        labels=_read_labels(raw, int(words[N_LABELS])),
    )


def _read_labels(raw: bytes, n_labels: int) -> tuple[str, ...]:
    starts = range(LABELS, LABELS + min(max(n_labels, 0), MOST_LABELS) * LABEL_BYTES, LABEL_BYTES)
    texts = (raw[start : start + LABEL_BYTES].partition(b"\0")[0] for start in starts)
    return tuple(text.decode("utf-8", "replace").rstrip() for text in texts)


def _element_type(words: np.ndarray, reals: np.ndarray) -> str:
    """Type of the elements; bytes are signed by the standard, but not in all files."""
    mode = int(words[MODE])
    if mode != 0:
        return MODES[mode]
    if int(words[IMOD_STAMP]) == IMOD:
        return "i1" if int(words[IMOD_FLAGS]) & SIGNED_BYTES else "u1"
    smallest, largest = reals[RANGE : RANGE + 2].tolist()
    return "u1" if 0 <= smallest < LARGEST_SIGNED_BYTE < largest <= 255 else "i1"


def _triple(vector: np.ndarray) -> Triple:
    x, y, z = (float(v) for v in vector)
    return x, y, z


def _check_size(header: MrcHeader, n_bytes: int) -> None:
    """Refuse a file that is shorter than its header says, or longer by a section or more."""
    sections, rows, columns = header.shape
    section_bytes = rows * columns * header.dtype.itemsize
    data_bytes = n_bytes - header.data_offset_bytes
    # Some programs pad their files; less than a section more does no harm.
    if 0 <= data_bytes - sections * section_bytes < section_bytes:
        return
    found = max(data_bytes, 0)
    what = (
        f"{header.path}: the header announces {sections} sections of {rows} x {columns} "
        f"{header.dtype.name} ({sections * section_bytes} bytes), but the file holds {found} "
        f"bytes of data ({found // section_bytes} sections)"
    )
    if found < sections * section_bytes:
        raise FormatError(f"{what}. The file is damaged or was cut short; copy or write it again.")
    raise FormatError(
        f"{what}. It is longer than its header says: sections were added and the header was left "
        "as it was, or the header is wrong about the size, the mode or the extended header "
        f"({header.data_offset_bytes - HEADER_BYTES} bytes). Correct the header, or write the "
        "file again."
    )


@dataclass(frozen=True)
class MrcExtent:
    """Size and scale of what is written.

    Attributes:
        shape: Sections (z or particles), rows (y), columns (x).
        voxel_size_angstrom: Å per voxel or pixel.
        origin_angstrom: Position of voxel (0, 0, 0): x, y, z in Å.
        is_stack: Stack of images, or volume.
        mode: How numbers are stored: `MODE_FLOAT32` or `MODE_FLOAT16`.
        labels: What it says of itself, up to ten lines of 80 bytes.
    """

    shape: tuple[int, ...]
    voxel_size_angstrom: float
    origin_angstrom: Triple
    is_stack: bool
    mode: int = MODE_FLOAT32
    labels: tuple[str, ...] = CREATED

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"shape {self.shape}; expected sections, rows, columns")
        if not (self.voxel_size_angstrom > 0 and math.isfinite(self.voxel_size_angstrom)):
            raise ValueError(
                f"voxel size {self.voxel_size_angstrom} Å; expected a positive number"
            )


def write_stack(  # noqa: PLR0913  # what a header says, and how numbers are stored
    path: Path | str,
    chunks: Iterable[Float[np.ndarray, "_ box box"]],
    n_images: int,
    box: int,
    pixel_size_angstrom: float,
    *,
    float16: bool = False,
    labels: tuple[str, ...] = CREATED,
) -> None:
    """Write a stack of images that arrives in chunks.

    Args:
        path: Where to.
        chunks: Iterable of arrays (any, box, box): images in order, n_images in all.
        n_images: Number of images in the stack.
        box: Edge of the images in pixels.
        pixel_size_angstrom: Å per pixel.
        float16: Write 16-bit files, with three significant digits.
        labels: What the header says of it, up to ten lines of 80 bytes.

    Raises:
        OutputError: Disk full, no permission, or a value too large for float16.
        ValueError: If the chunks do not add up to n_images.
    """
    mode = MODE_FLOAT16 if float16 else MODE_FLOAT32
    shape, origin = (n_images, box, box), (0.0, 0.0, 0.0)
    extent = MrcExtent(shape, pixel_size_angstrom, origin, is_stack=True, mode=mode, labels=labels)
    write_sections(Path(path), extent, chunks)


def write_sections(
    path: Path, extent: MrcExtent, chunks: Iterable[Float[np.ndarray, "_ rows columns"]]
) -> None:
    """Write sections that arrive in chunks; see `write_stack`."""
    moments = _Moments()
    with atomic_file(path) as handle:
        handle.write(bytes(HEADER_BYTES))
        for chunk in chunks:
            if chunk.shape[1:] != extent.shape[1:]:
                raise ValueError(f"sections of {chunk.shape[1:]}; expected {extent.shape[1:]}")
            n = max(1, VALUES_AT_ONCE // max(1, math.prod(chunk.shape[1:])))
            for start in range(0, len(chunk), n):
                block = _encode(path, chunk[start : start + n], extent.mode)
                moments.add(block)
                handle.write(block.data)
        if moments.n_values != math.prod(extent.shape):
            raise ValueError(f"{moments.n_values} values; expected {math.prod(extent.shape)}")
        # The statistics are known only now.
        handle.seek(0)
        handle.write(_pack_header(extent, moments))


def _encode(
    path: Path, values: Float[np.ndarray, "n rows columns"], mode: int
) -> Float[np.ndarray, "n rows columns"]:
    """Bring values into the type of a mode, none of them beyond what it can hold."""
    dtype = np.dtype("<" + MODES[mode])
    if not np.can_cast(values.dtype, dtype):
        largest, bound = float(np.abs(values).max(initial=0)), float(np.finfo(dtype).max)
        if largest > bound:
            raise OutputError(
                f"{path}: float16 holds numbers up to {bound:.0f}, but a pixel of "
                f"{largest:.4g} is to be written. Write float32, or normalise the images first."
            )
    return np.ascontiguousarray(values, dtype=dtype)


class _Moments:
    """Extremes, mean and deviation of values that pass by."""

    def __init__(self) -> None:
        self.n_values, self.sum, self.sum_squares = 0, 0.0, 0.0
        self.minimum, self.maximum = math.inf, -math.inf

    def add(self, values: Float[np.ndarray, "sections rows columns"]) -> None:
        """Take note of some values."""
        if values.size:
            wide = values.astype(np.float64)
            self.n_values += values.size
            self.sum += float(wide.sum())
            self.sum_squares += float(np.square(wide, out=wide).sum())
            self.minimum = min(self.minimum, float(values.min()))
            self.maximum = max(self.maximum, float(values.max()))


def _pack_header(extent: MrcExtent, moments: _Moments) -> bytes:
    sections, rows, columns = extent.shape
    sampling = (columns, rows, 1 if extent.is_stack else sections)
    mean = moments.sum / moments.n_values
    deviation = math.sqrt(max(moments.sum_squares / moments.n_values - mean**2, 0.0))
    header: list[float] = [columns, rows, sections, extent.mode, 0, 0, 0, *sampling]
    header += [n * extent.voxel_size_angstrom for n in sampling]
    header += [90.0, 90.0, 90.0, 1, 2, 3, moments.minimum, moments.maximum, mean]
    space_group = 0 if extent.is_stack else 1
    return LAYOUT.pack(
        *header,
        space_group,
        0,
        b"",
        FORMAT_VERSION,
        *extent.origin_angstrom,
        b"MAP ",
        *LITTLE_ENDIAN_STAMP,
        deviation,
        len(extent.labels[:MOST_LABELS]),
        b"".join(map(_pack_label, extent.labels[:MOST_LABELS])),
    )


def _pack_label(label: str) -> bytes:
    return label.encode("utf-8", "replace")[:LABEL_BYTES].ljust(LABEL_BYTES)
