"""Write MRC files (MRC2014, mode 2, little endian), section by section and atomically."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cryofocus.data.atomic import atomic_file
from cryofocus.data.mrc import HEADER_BYTES, Triple

# https://www.ccpem.ac.uk/mrc_format/mrc2014.php: size, mode, start, sampling, cell, angles, axes,
# minimum, maximum, mean, space group, extended header, its type, version, origin, MAP, byte
# order, deviation, number of labels and the labels.
LAYOUT = struct.Struct("<3i i 3i 3i 3f 3f 3i 3f i i 8x 4s i 84x 3f 4s 4B f i 80s 720x")
MODE_FLOAT32 = 2
FORMAT_VERSION = 20141
LABEL = b"Created by cryofocus"
LITTLE_ENDIAN_STAMP = (0x44, 0x44, 0, 0)


@dataclass(frozen=True)
class MrcExtent:
    """Size and scale of what is written.

    Attributes
    ----------
    shape : tuple of 3
        Sections (z or particles), rows (y), columns (x).
    voxel_size_angstrom : float
        Å per voxel or pixel.
    origin_angstrom : tuple of 3
        Position of voxel (0, 0, 0): x, y, z in Å.
    is_stack : bool
        Stack of images, or volume.
    """

    shape: tuple[int, ...]
    voxel_size_angstrom: float
    origin_angstrom: Triple
    is_stack: bool

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"shape {self.shape}; expected sections, rows, columns")
        if not (self.voxel_size_angstrom > 0 and math.isfinite(self.voxel_size_angstrom)):
            raise ValueError(
                f"voxel size {self.voxel_size_angstrom} Å; expected a positive number"
            )


def write_stack(
    path: Path | str,
    chunks: Iterable[Float[np.ndarray, "_ box box"]],
    n_images: int,
    box: int,
    pixel_size_angstrom: float,
) -> None:
    """Write a stack of images that arrives in chunks.

    Parameters
    ----------
    path : Path
        Where to.
    chunks : iterable of arrays (any, box, box)
        Images in order, n_images in all.
    n_images, box : int
        Size of the stack.
    pixel_size_angstrom : float
        Å per pixel.

    Raises
    ------
    OutputError
        Disk full, no permission.
    ValueError
        If the chunks do not add up to n_images.
    """
    extent = MrcExtent((n_images, box, box), pixel_size_angstrom, (0.0, 0.0, 0.0), is_stack=True)
    write_sections(Path(path), extent, chunks)


def write_sections(
    path: Path, extent: MrcExtent, chunks: Iterable[Float[np.ndarray, "_ rows columns"]]
) -> None:
    """Write sections that arrive in chunks; see `write_stack`."""
    moments = _Moments()
    with atomic_file(path) as handle:
        handle.write(bytes(HEADER_BYTES))
        for chunk in chunks:
            block = np.ascontiguousarray(chunk, dtype="<f4")
            if block.shape[1:] != extent.shape[1:]:
                raise ValueError(f"sections of {block.shape[1:]}; expected {extent.shape[1:]}")
            moments.add(block)
            handle.write(block.data)
        if moments.n_values != math.prod(extent.shape):
            raise ValueError(f"{moments.n_values} values; expected {math.prod(extent.shape)}")
        # The statistics are known only now.
        handle.seek(0)
        handle.write(_pack_header(extent, moments))


class _Moments:
    """Extremes, mean and deviation of values that pass by."""

    def __init__(self) -> None:
        self.n_values, self.sum, self.sum_squares = 0, 0.0, 0.0
        self.minimum, self.maximum = math.inf, -math.inf

    def add(self, values: Float[np.ndarray, "sections rows columns"]) -> None:
        """Take note of some values."""
        if values.size:
            self.n_values += values.size
            self.sum += float(values.sum(dtype=np.float64))
            self.sum_squares += float(np.square(values, dtype=np.float64).sum())
            self.minimum = min(self.minimum, float(values.min()))
            self.maximum = max(self.maximum, float(values.max()))


def _pack_header(extent: MrcExtent, moments: _Moments) -> bytes:
    sections, rows, columns = extent.shape
    sampling = (columns, rows, 1 if extent.is_stack else sections)
    mean = moments.sum / moments.n_values
    deviation = math.sqrt(max(moments.sum_squares / moments.n_values - mean**2, 0.0))
    header: list[float] = [columns, rows, sections, MODE_FLOAT32, 0, 0, 0, *sampling]
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
        1,
        LABEL.ljust(80),
    )
