"""Write MRC files (MRC2014, modes 2 and 12, little endian), section by section, atomically."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cryofocus.data.atomic import atomic_file
from cryofocus.data.mrc import HEADER_BYTES, MODES, Triple
from cryofocus.errors import OutputError

# https://www.ccpem.ac.uk/mrc_format/mrc2014.php: size, mode, start, sampling, cell, angles, axes,
# minimum, maximum, mean, space group, extended header, its type, version, origin, MAP, byte
# order, deviation, number of labels and the labels.
LAYOUT = struct.Struct("<3i i 3i 3i 3f 3f 3i 3f i i 8x 4s i 84x 3f 4s 4B f i 80s 720x")
MODE_FLOAT32, MODE_FLOAT16 = 2, 12
FORMAT_VERSION = 20141
LABEL = b"Created by cryofocus"
LITTLE_ENDIAN_STAMP = (0x44, 0x44, 0, 0)


@dataclass(frozen=True)
class MrcExtent:
    """Size and scale of what is written.

    Attributes:
        shape: Sections (z or particles), rows (y), columns (x).
        voxel_size_angstrom: Å per voxel or pixel.
        origin_angstrom: Position of voxel (0, 0, 0): x, y, z in Å.
        is_stack: Stack of images, or volume.
        mode: How numbers are stored: `MODE_FLOAT32` or `MODE_FLOAT16`.
    """

    shape: tuple[int, ...]
    voxel_size_angstrom: float
    origin_angstrom: Triple
    is_stack: bool
    mode: int = MODE_FLOAT32

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
    *,
    float16: bool = False,
) -> None:
    """Write a stack of images that arrives in chunks.

    Args:
        path: Where to.
        chunks: Iterable of arrays (any, box, box): images in order, n_images in all.
        n_images: Number of images in the stack.
        box: Edge of the images in pixels.
        pixel_size_angstrom: Å per pixel.
        float16: Write 16-bit files, with three significant digits.

    Raises:
        OutputError: Disk full, no permission, or a value too large for float16.
        ValueError: If the chunks do not add up to n_images.
    """
    mode = MODE_FLOAT16 if float16 else MODE_FLOAT32
    shape, origin = (n_images, box, box), (0.0, 0.0, 0.0)
    extent = MrcExtent(shape, pixel_size_angstrom, origin, is_stack=True, mode=mode)
    write_sections(Path(path), extent, chunks)


def write_sections(
    path: Path, extent: MrcExtent, chunks: Iterable[Float[np.ndarray, "_ rows columns"]]
) -> None:
    """Write sections that arrive in chunks; see `write_stack`."""
    moments = _Moments()
    with atomic_file(path) as handle:
        handle.write(bytes(HEADER_BYTES))
        for chunk in chunks:
            block = _encode(path, chunk, extent.mode)
            if block.shape[1:] != extent.shape[1:]:
                raise ValueError(f"sections of {block.shape[1:]}; expected {extent.shape[1:]}")
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
        1,
        LABEL.ljust(80),
    )
