"""Read and write density maps and masks (MRC)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from cryofocus.data.mrc import Triple, read_header
from cryofocus.data.mrc_write import MrcExtent, write_sections
from cryofocus.errors import FormatError, RegionError

VOXEL_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Volume:
    """A map on a grid of cubic voxels.

    Attributes:
        data: Density.
        voxel_size_angstrom: Å per voxel; 0 if the file does not say.
        origin_angstrom: Position of voxel (0, 0, 0): x, y, z in Å.
    """

    data: Float32[np.ndarray, "nz ny nx"]
    voxel_size_angstrom: float
    origin_angstrom: Triple


def read_volume(path: Path | str) -> Volume:
    """Read a map.

    Args:
        path: MRC file, any supported mode, byte order and axis order.

    Returns:
        Axes in the order z, y, x.

    Raises:
        InputError: If the file cannot be read.
        FormatError: If it is damaged, has voxels that are not cubes or holds numbers that are not
            finite.
    """
    path = Path(path)
    header = read_header(path)
    # On disk the axes are sections, rows, columns; header.axes names them in reverse.
    position = {axis: 3 - 1 - i for i, axis in enumerate(header.axes)}
    data = header.open().transpose([position[3], position[2], position[1]])
    data = np.ascontiguousarray(data, dtype=np.float32)
    sizes = header.voxel_size_angstrom
    known = [size for size in sizes if size > 0]
    if known and max(known) > min(known) * (1 + VOXEL_TOLERANCE):
        raise FormatError(
            f"{path}: voxels of {sizes[0]:.4f} x {sizes[1]:.4f} x {sizes[2]:.4f} Å; expected "
            "cubes. Resample the map on a cubic grid."
        )
    if not np.isfinite(data).all():
        raise FormatError(
            f"{path}: {np.count_nonzero(~np.isfinite(data))} voxels are NaN or infinite. "
            "Write the map again without them."
        )
    return Volume(data, known[0] if known else 0.0, header.origin_angstrom)


def read_volume_on_grid(path: Path | str, box: int, voxel_size_angstrom: float) -> Volume:
    """Read a map that lies on the particles' grid.

    Args:
        path: MRC file.
        box: Edge of the particles' images in pixels.
        voxel_size_angstrom: Å per pixel; holds too for a file that does not give its own.

    Raises:
        InputError: As `read_volume`.
        FormatError: As `read_volume`.
        RegionError: When box or voxel size differ.
    """
    path, volume = Path(path), read_volume(path)
    if volume.data.shape != (box,) * 3:
        shape = " x ".join(str(n) for n in reversed(volume.data.shape))
        raise RegionError(
            f"{path}: a map of {shape} voxels, but the particles have {box} x {box} pixels; "
            f"expected {box} voxels along each axis. Resample the map onto the particles' grid."
        )
    voxel = volume.voxel_size_angstrom or voxel_size_angstrom
    if abs(voxel - voxel_size_angstrom) > VOXEL_TOLERANCE * voxel_size_angstrom:
        raise RegionError(
            f"{path}: voxels of {voxel:.4f} Å, but the particles have pixels of "
            f"{voxel_size_angstrom:.4f} Å. Resample the map onto the particles' grid, or correct "
            "the voxel size in its header."
        )
    return replace(volume, voxel_size_angstrom=voxel)


def write_volume(
    path: Path | str,
    data: Float[np.ndarray, "nz ny nx"],
    voxel_size_angstrom: float,
    origin_angstrom: Triple = (0.0, 0.0, 0.0),
) -> None:
    """Write a map as MRC mode 2, atomically.

    Args:
        path: Where to.
        data: Density.
        voxel_size_angstrom: Å per voxel.
        origin_angstrom: Position of voxel (0, 0, 0): x, y, z in Å.

    Raises:
        OutputError: Disk full, no permission.
        ValueError: If the voxel size is not a positive number.
    """
    extent = MrcExtent(data.shape, voxel_size_angstrom, origin_angstrom, is_stack=False)
    write_sections(Path(path), extent, iter([data]))
