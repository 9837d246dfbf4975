"""Headers of MRC files (MRC2014), in either byte order.

Modes 0 (int8), 1 (int16), 2 (float32), 6 (uint16) and 12 (float16) are read. The size that the
header announces is compared with the size of the file before anything is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from cryofocus.errors import FormatError, InputError

HEADER_BYTES = 1024
MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
# https://www.ccpem.ac.uk/mrc_format/mrc2014.php, word numbers counted from 0.
SIZE, MODE, START, SAMPLING, CELL, AXES, EXTENDED, ORIGIN = 0, 3, 4, 7, 10, 16, 23, 49
# The first byte of the machine stamp: 0x44 little, 0x11 big.
BYTE_ORDER_STAMP = {0x44: "<", 0x11: ">"}
STAMP_BYTE = 212
# What programs write that do not know the pixel size.
UNSET_PIXEL_SIZES = (0.0, 1.0)

Triple = tuple[float, float, float]


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
    """

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]
    data_offset_bytes: int
    voxel_size_angstrom: Triple
    origin_angstrom: Triple
    axes: tuple[int, int, int]

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
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
    if len(raw) < HEADER_BYTES:
        raise FormatError(
            f"{path}: {len(raw)} bytes, expected an MRC header of {HEADER_BYTES}. "
            "The file is empty or cut short; copy it again."
        )
    header = _describe(path, raw, _byte_order(path, raw))
    _check_size(header, n_bytes)
    return header


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
    if found:
        raise FormatError(
            f"{path}: MRC mode {found[0]}; expected 0, 1, 2, 6 or 12. "
            "Convert the file to 32-bit floating point (mode 2)."
        )
    raise FormatError(
        f"{path}: not an MRC file; size or mode in its header make no sense in either byte "
        "order. Check that this is the right file."
    )


def _describe(path: Path, raw: bytes, order: str) -> MrcHeader:
    words, reals = np.frombuffer(raw, order + "i4"), np.frombuffer(raw, order + "f4")
    columns, rows, sections = (int(n) for n in words[SIZE : SIZE + 3])
    with np.errstate(all="ignore"):  # a damaged header may hold any bit pattern
        cell, sampling = reals[CELL : CELL + 3], words[SAMPLING : SAMPLING + 3]
        voxel = np.where((sampling > 0) & (cell > 0), cell / np.maximum(sampling, 1), 0.0)
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
        dtype=np.dtype(order + MODES[int(words[MODE])]),
        data_offset_bytes=HEADER_BYTES + max(int(words[EXTENDED]), 0),
        voxel_size_angstrom=_triple(voxel),
        origin_angstrom=_triple(origin),
        axes=(axes[0], axes[1], axes[2]),
    )


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
    raise FormatError(
        f"{header.path}: the header announces {sections} sections of {rows} x {columns} "
        f"{header.dtype.name} ({sections * section_bytes} bytes), but the file holds "
        f"{max(data_bytes, 0)} bytes of data ({max(data_bytes, 0) // section_bytes} sections). "
        "The file is damaged or was cut short; copy or write it again."
    )
