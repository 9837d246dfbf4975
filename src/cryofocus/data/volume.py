"""Read and write density maps and masks (MRC)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from cryofocus.calls import checked
from cryofocus.data.mrc import MrcExtent, Triple, read_header, write_sections
from cryofocus.errors import FormatError, RegionError

VOXEL_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class DensityMap:
    """A map on a grid of cubic voxels.

    Attributes:
        data: Density.
        voxel_size_angstrom: Å per voxel; 0 if the file does not say.
        origin_angstrom: Position of voxel (0, 0, 0): x, y, z in Å.
    """

    data: Float32[np.ndarray, "nz ny nx"]
    voxel_size_angstrom: float
    origin_angstrom: Triple


@checked
def read_volume(path: Path | str) -> DensityMap:
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
    with np.errstate(invalid="ignore"):  # NaN is refused below, whatever its bits
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
    return DensityMap(data, known[0] if known else 0.0, header.origin_angstrom)


def read_volume_on_grid(
    path: Path | str, box: int, voxel_size_angstrom: float, kind: str = "map"
) -> DensityMap:
    """Read a map that lies on the particles' grid.

    Args:
        path: MRC file.
        box: Edge of the particles' images in pixels.
        voxel_size_angstrom: Å per pixel; holds too for a file that does not give its own.
        kind: What messages call it.

    Raises:
        InputError: As `read_volume`.
        FormatError: As `read_volume`.
        RegionError: When box or voxel size differ.
    """
    volume = read_volume(path)
    voxel = volume.voxel_size_angstrom or voxel_size_angstrom
    require_grid((volume.data.shape, voxel), (box, voxel_size_angstrom), str(path), kind)
    return replace(volume, voxel_size_angstrom=voxel)


def read_density_on_grid(
    path: Path, box: int, voxel_size_angstrom: float
) -> Float32[np.ndarray, "box box box"]:
    """Read a map that lies on the particles' grid and is not empty.

    Args:
        path: MRC file.
        box: Edge of the particles' images in pixels.
        voxel_size_angstrom: Å per pixel.

    Raises:
        FormatError: When the file is no map or holds values that are not finite.
        RegionError: When it is empty or its grid is not the particles'.
    """
    volume = read_volume_on_grid(path, box, voxel_size_angstrom)
    if not volume.data.any():
        raise RegionError(f"{path}: empty; expected a map of a class to start from.")
    return volume.data


def require_grid(
    found: tuple[tuple[int, ...], float], grid: tuple[int, float], name: str, kind: str
) -> None:
    """Check that a map or mask lies on the particles' grid.

    Args:
        found: Shape and voxel size (Å) of the map.
        grid: Box and pixel size (Å) of the particles' images.
        name: Of the file, for messages.
        kind: What messages call it.

    Raises:
        RegionError: When box or voxel size differ.
    """
    (shape, voxel), (box, pixel) = found, grid
    if shape != (box,) * 3:
        edges = " x ".join(str(n) for n in reversed(shape))
        raise RegionError(
            f"{name}: a {kind} of {edges} voxels, but the particles have {box} x {box} pixels; "
            f"expected {box} voxels along each axis. Resample the {kind} onto the particles' "
            "grid. In ChimeraX: volume resample #2 onGrid #1, with a map of these particles as "
            "#1."
        )
    if abs(voxel - pixel) > VOXEL_TOLERANCE * pixel:
        raise RegionError(
            f"{name}: voxels of {voxel:.4f} Å, but the particles have pixels of {pixel:.4f} Å. "
            f"Resample the {kind} onto the particles' grid, or correct the voxel size in its "
            "header."
        )


@checked
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
    write_sections(Path(path), extent, [data])


def write_planes(
    path: Path | str,
    planes: Iterable[Float[np.ndarray, "_ box box"]],
    box: int,
    voxel_size_angstrom: float,
) -> None:
    """Write a cubic map of which some planes (z) come at a time; see `write_volume`."""
    extent = MrcExtent((box,) * 3, voxel_size_angstrom, (0.0, 0.0, 0.0), is_stack=False)
    write_sections(Path(path), extent, planes)
