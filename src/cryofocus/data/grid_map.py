"""Maps that are worked on together: cubes on one grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryofocus.arrays import Volume
from cryofocus.data.mask import FocusMask
from cryofocus.data.mrc import Triple
from cryofocus.data.volume import VOXEL_TOLERANCE, read_volume, write_volume
from cryofocus.errors import FormatError, InputError


@dataclass(frozen=True, eq=False)
class GridMap:
    """A cubic map and the grid that its partners have to share.

    Attributes:
        path: File it was read from.
        data: `(box, box, box)` float32, axes z, y, x.
        voxel_size_angstrom: Å per voxel.
        origin_angstrom: (x, y, z) of voxel (0, 0, 0) in the map's frame.
    """

    path: Path
    data: Volume
    voxel_size_angstrom: float
    origin_angstrom: Triple

    @property
    def box(self) -> int:
        """Edge in voxels."""
        return int(self.data.shape[0])

    @classmethod
    def read(cls, path: Path | str) -> GridMap:
        """Read a map that has to be a cube of known voxel size.

        Raises:
            InputError: When the file cannot be read.
            FormatError: When it is damaged, no cube, has no voxel size, or holds NaN.
        """
        path = Path(path)
        volume = read_volume(path)
        if len(set(volume.data.shape)) != 1:
            shape = " x ".join(str(n) for n in reversed(volume.data.shape))
            raise FormatError(
                f"{path}: {shape} voxels; expected as many along each axis. Pad or cut the map "
                "to a cube."
            )
        if volume.voxel_size_angstrom <= 0:
            raise FormatError(
                f"{path}: its header gives no voxel size; expected one in Å. Write it into the "
                "header."
            )
        return cls(path, volume.data, volume.voxel_size_angstrom, volume.origin_angstrom)

    def read_partner(self, path: Path | str) -> GridMap:
        """Read another map, which has to lie on the same grid.

        Raises:
            InputError: As `read`; also when box or voxel size differ.
        """
        other = GridMap.read(path)
        if other.box != self.box:
            raise InputError(
                f"{other.path}: a box of {other.box} voxels, but {self.path} has {self.box}; "
                "expected one grid. Resample one of the maps onto the grid of the other."
            )
        allowed = VOXEL_TOLERANCE * self.voxel_size_angstrom
        if abs(other.voxel_size_angstrom - self.voxel_size_angstrom) > allowed:
            raise InputError(
                f"{other.path}: voxels of {other.voxel_size_angstrom:.4f} Å, but {self.path} has "
                f"{self.voxel_size_angstrom:.4f} Å; expected one grid. Resample one of the maps, "
                "or correct the voxel size in its header."
            )
        return other

    def read_mask(self, path: Path | str) -> Volume:
        """Read a mask from 0 to 1 on the same grid.

        Raises:
            InputError: As `read_partner`.
            RegionError: When its values leave [0, 1] or it is empty.
        """
        other = self.read_partner(path)
        mask = FocusMask(
            other.data, other.voxel_size_angstrom, other.origin_angstrom, path=other.path
        )
        return mask.data

    def write(self, path: Path, data: Volume) -> None:
        """Write a map in this one's place: its voxel size and origin.

        Raises:
            OutputError: Disk full, no permission.
        """
        write_volume(path, data, self.voxel_size_angstrom, self.origin_angstrom)
