"""The region in focus: a sphere or a mask file, brought onto the particles' grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from cryofocus.data.volume import VOXEL_TOLERANCE, Volume, read_volume
from cryofocus.errors import RegionError
from cryofocus.maths.masks import sphere_mask

Point = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class FocusMask:
    """The region classes may differ in.

    Attributes
    ----------
    data : `(box, box, box)` float32 in [0, 1], axes z, y, x, on the particles' grid.
    voxel_size_angstrom : Å per voxel.
    centre_angstrom, radius_angstrom : of a sphere, in the map's frame; None for a mask file.
    path : of a mask file; None for a sphere.
    """

    data: Float32[np.ndarray, "box box box"]
    voxel_size_angstrom: float
    centre_angstrom: Point | None = None
    radius_angstrom: float | None = None
    path: Path | None = None

    def __post_init__(self) -> None:
        """Check that the mask is a mask."""
        if not np.isfinite(self.data).all() or self.data.min() < 0 or self.data.max() > 1:
            message = (
                f"{self.name}: values from {np.nanmin(self.data):.4g} to "
                f"{np.nanmax(self.data):.4g}; expected a mask from 0 to 1. Threshold the map and "
                "give it a soft edge."
            )
            raise RegionError(message)
        if self.data.max() < 0.5:
            message = (
                f"{self.name}: empty (largest value {self.data.max():.3g}); expected a region "
                "that reaches 1. Check that the mask was not lost when it was resampled."
            )
            raise RegionError(message)

    @property
    def name(self) -> str:
        """How to speak of the mask in messages."""
        return str(self.path) if self.path is not None else "focus sphere"
