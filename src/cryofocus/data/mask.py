"""The region in focus: a sphere or a mask file, brought onto the particles' grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from cryofocus.calls import checked, require_kinds
from cryofocus.data.volume import read_volume_on_grid, require_grid
from cryofocus.errors import RegionError
from cryofocus.maths.masks import sphere_mask

Point = tuple[float, float, float]
Sphere = tuple[float, float, float, float]

# A mask this close to 1 everywhere leaves nothing outside.
NOTHING = 1e-3
# Values this far outside of 0 to 1 are there by rounding, as in files of 16 bits.
ROUNDING = 1e-3
# Lengths beyond are mistakes, and are written with an exponent.
FAR_ANGSTROM = 1e6


@dataclass(frozen=True, eq=False)
class FocusMask:
    """The region classes may differ in.

    Attributes:
        data: `(box, box, box)` float32 in [0, 1], axes z, y, x, on the particles' grid.
        voxel_size_angstrom: Å per voxel.
        origin_angstrom: (x, y, z) of voxel (0, 0, 0) in the map's frame.
        centre_angstrom: Centre of a sphere, in the map's frame; None for a mask file.
        radius_angstrom: Its radius; None for a mask file.
        path: Of a mask file; None for a sphere.

    Raises:
        RegionError: When values leave [0, 1] or none reaches 0.5.
    """

    data: Float32[np.ndarray, "box box box"] = field(repr=False)
    voxel_size_angstrom: float
    origin_angstrom: Point = (0.0, 0.0, 0.0)
    centre_angstrom: Point | None = None
    radius_angstrom: float | None = None
    path: Path | None = None

    def __post_init__(self) -> None:
        """Check that the mask is a mask, but for rounding, which is clipped."""
        require_kinds(self)
        if self.data.min() > -ROUNDING and self.data.max() < 1 + ROUNDING:
            object.__setattr__(self, "data", np.clip(self.data, 0, 1))
        if not np.isfinite(self.data).all() or self.data.min() < 0 or self.data.max() > 1:
            raise RegionError(
                f"{self.name}: values from {np.nanmin(self.data):.7g} to "
                f"{np.nanmax(self.data):.7g}; expected a mask from 0 to 1. Threshold the map and "
                "give it a soft edge: cryofocus mask threshold MAP.mrc --sigma 3 -o MASK.mrc"
            )
        if self.data.max() < 0.5:
            raise RegionError(
                f"{self.name}: empty (largest value {self.data.max():.3g}); expected a region "
                "that reaches 1. Check that the mask was not lost when it was resampled."
            )

    @property
    def name(self) -> str:
        """How to speak of the mask in messages."""
        return str(self.path) if self.path is not None else "focus sphere"

    @property
    def sphere(self) -> Sphere | None:
        """Centre and radius of a sphere, as `--focus` takes them; None for a mask file."""
        if self.centre_angstrom is None or self.radius_angstrom is None:
            return None
        return (*self.centre_angstrom, self.radius_angstrom)

    @property
    def described(self) -> str:
        """Its name, with the numbers of a sphere."""
        if self.sphere is None:
            return self.name
        return f"{self.name} {','.join(f'{value:g}' for value in self.sphere)}"

    @classmethod
    @checked
    def from_sphere(
        cls,
        sphere_angstrom: Sphere,
        box: int,
        voxel_size_angstrom: float,
        *,
        soft_edge_angstrom: float,
        origin_angstrom: Point = (0.0, 0.0, 0.0),
    ) -> FocusMask:
        """Draw a sphere with a raised-cosine edge outside its radius.

        Args:
            sphere_angstrom: x, y, z, radius in the map's frame, as `--focus` takes them.
            box: Edge of the particles' grid in voxels.
            voxel_size_angstrom: Å per voxel.
            soft_edge_angstrom: Width of the edge; where the box ends, it is cut off.
            origin_angstrom: (x, y, z) of voxel (0, 0, 0) in the map's frame.

        Raises:
            RegionError: When the radius is not positive, or the sphere extends outside the box.
        """
        *centre, radius = sphere_angstrom
        shown = ",".join(f"{value:g}" for value in sphere_angstrom)
        if not np.isfinite(sphere_angstrom).all():
            raise RegionError(
                f"focus sphere {shown}: not all of these are numbers; expected X,Y,Z,R in Å."
            )
        if radius <= 0:
            raise RegionError(
                f"focus sphere {shown}: the radius is {radius:g} Å; expected more than 0. Give "
                "the fourth number as a radius in Å."
            )
        low = np.asarray(origin_angstrom, float)
        high = low + (box - 1) * voxel_size_angstrom
        outside = max((low - centre + radius).max(), (centre - high + radius).max())
        # A sphere may touch the outer faces of the outermost voxels.
        if outside > voxel_size_angstrom / 2:
            far = f"{outside:.1f}" if outside < FAR_ANGSTROM else f"{outside:.3g}"
            ranges = ", ".join(f"{a:g} to {b:.1f}" for a, b in zip(low, high, strict=True))
            raise RegionError(
                f"focus sphere {shown}: extends {far} Å outside the box, which spans "
                f"{ranges} Å along x, y, z. Coordinates are Å in the map's frame, as ChimeraX "
                "shows them; if the map has a non-zero origin, give it with --map. "
                f"{_say_fitting(sphere_angstrom, box, voxel_size_angstrom, low)}".rstrip()
            )
        middle = low + (box // 2) * voxel_size_angstrom
        x, y, z = (float(c - m) for c, m in zip(centre, middle, strict=True))
        data = sphere_mask(box, voxel_size_angstrom, (x, y, z), radius, soft_edge_angstrom)
        if data.max() < 0.5:
            raise RegionError(
                f"focus sphere {shown}: falls between the voxels of {voxel_size_angstrom:g} Å; "
                "expected a region of several voxels. Centre and radius are in Å, not in voxels; "
                "give a larger radius. "
                f"{_say_fitting(sphere_angstrom, box, voxel_size_angstrom, low)}".rstrip()
            )
        return cls(
            data,
            voxel_size_angstrom,
            origin_angstrom,
            centre_angstrom=(centre[0], centre[1], centre[2]),
            radius_angstrom=radius,
        )

    @classmethod
    @checked
    def whole(
        cls, box: int, voxel_size_angstrom: float, *, soft_edge_angstrom: float
    ) -> FocusMask:
        """Return the largest sphere that fits the box with its soft edge: no focus at all."""
        radius = (box // 2 - 1) * voxel_size_angstrom - soft_edge_angstrom
        data = sphere_mask(box, voxel_size_angstrom, (0, 0, 0), radius, soft_edge_angstrom)
        return cls(data, voxel_size_angstrom)

    @classmethod
    @checked
    def from_file(cls, path: Path | str, box: int, voxel_size_angstrom: float) -> FocusMask:
        """Read a mask that lies on the particles' grid.

        Args:
            path: MRC file with values from 0 to 1; what rounding put outside is clipped.
            box: Edge of the particles' grid in voxels.
            voxel_size_angstrom: Å per voxel; holds too for a file that does not give its own.

        Raises:
            InputError: When the file cannot be read or is damaged.
            RegionError: When box or voxel size differ, values leave [0, 1], or the mask is empty.
        """
        volume = read_volume_on_grid(path, box, voxel_size_angstrom, kind="mask")
        voxel = volume.voxel_size_angstrom
        return cls(volume.data, voxel, volume.origin_angstrom, path=Path(path))

    def require_outside(self) -> None:
        """Check that something lies outside the mask, which can then be subtracted.

        Raises:
            RegionError: When the mask is 1 everywhere.
        """
        if float((1 - self.data).max()) < NOTHING:
            raise RegionError(
                f"{self.name}: keeps everything, so there is nothing to subtract; expected a mask "
                "that is 0 somewhere. Check that it is the mask of the region to keep."
            )

    def require_grid(self, box: int, voxel_size_angstrom: float) -> None:
        """Check that the mask lies on a grid.

        Raises:
            RegionError: When box or voxel size differ.
        """
        found = (self.data.shape, self.voxel_size_angstrom)
        require_grid(found, (box, voxel_size_angstrom), self.name, "mask")


def other_readings(
    sphere: Sphere, box: int, voxel_size_angstrom: float, origin_angstrom: Point
) -> Iterator[tuple[str, Sphere]]:
    """Yield what numbers of a sphere may mean, and the sphere in Å in the map's frame."""
    *centre, radius = sphere
    middle = box // 2 * voxel_size_angstrom
    units = (("pixels", voxel_size_angstrom), ("nm", 10.0), ("Å", 1.0))
    for start, whence in ((0.0, ""), (middle, " from the box centre")):
        for name, unit in units:
            x, y, z = (
                first + start + unit * value
                for first, value in zip(origin_angstrom, centre, strict=True)
            )
            if (start, unit) != (0.0, 1.0):
                yield f"{name}{whence}", (x, y, z, unit * radius)


def say_readings(readings: Sequence[tuple[str, Sphere]]) -> str:
    """Say which sphere was meant if its numbers were something else; a sentence, or nothing."""
    meant = "; if ".join(
        f"{meaning}, it is --focus {','.join(f'{value:.1f}' for value in sphere)}"
        for meaning, sphere in readings
    )
    return f"If these numbers are {meant}. " if meant else ""


def _say_fitting(
    sphere: Sphere, box: int, voxel_size_angstrom: float, low: Float[np.ndarray, " 3"]
) -> str:
    """Say which other readings of a sphere that does not fit the box would fit."""
    high = low + (box - 1) * voxel_size_angstrom
    fitting = []
    for meaning, meant in other_readings(sphere, box, voxel_size_angstrom, tuple(low)):
        centre, radius = np.array(meant[:3]), meant[3]
        room = min((centre - low).min(), (high - centre).min())
        if voxel_size_angstrom < radius <= room:
            fitting.append((meaning, meant))
    return say_readings(fitting)
