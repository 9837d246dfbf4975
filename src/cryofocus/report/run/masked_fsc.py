"""Fourier shell correlation of class maps inside the focus region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cryofocus.arrays import Volume
from cryofocus.data.mrc import read_header
from cryofocus.data.volume import read_volume
from cryofocus.formatting import format_resolution
from cryofocus.maps.resolution import measure_fsc
from cryofocus.maths.shells import is_resolved, resolved_shell
from cryofocus.report.run.results import RunResults

EDGE = 0.01
ROOM = 1.5
"""Edge of the cube that is compared, as a multiple of the region's."""
LEAST_VOXELS, MOST_VOXELS = 12, 256


@dataclass(frozen=True, eq=False)
class MaskedCurve:
    """Correlation of the half maps of a class inside the region, corrected for the mask.

    Attributes:
        frequency: 1/Å.
        fsc: Correlation.
        resolution_text: Where it falls below 0.143; that nothing is resolved where it is noise.
    """

    frequency: Float[np.ndarray, " m"]
    fsc: Float[np.ndarray, " m"]
    resolution_text: str


def measure_in_focus(results: RunResults) -> Mapping[int, MaskedCurve]:
    """Compare the half maps of every class in a cube around the focus region.

    Only this cube is read. Classes whose half maps are gone are left out, and all are where the
    region is very large or very small.

    Raises:
        FormatError: When a half map is damaged.
    """
    directory = results.directory
    mask = read_volume(directory.focus_mask).data
    if (cube := _cube_around(mask)) is None:
        return {}
    curves = {}
    for number in results.own_classes:
        paths = [directory.half_map(number, half) for half in (1, 2)]
        if all(path.is_file() for path in paths):
            halves = [np.asarray(read_header(path).open()[cube], np.float32) for path in paths]
            curves[number] = _measure(halves, mask[cube], results.job.pixel_size_angstrom)
    return curves


def _cube_around(mask: Volume) -> tuple[slice, slice, slice] | None:
    """Give the cube around a region and a margin; None where it is tiny or takes long."""
    box = len(mask)
    places = np.argwhere(mask > EDGE)
    if not len(places):
        return None
    low, high = places.min(axis=0), places.max(axis=0) + 1
    edge = min(2 * int(np.ceil(ROOM * (high - low).max() / 2)), box)
    if not LEAST_VOXELS <= edge <= MOST_VOXELS:
        return None
    z, y, x = np.clip((low + high - edge) // 2, 0, box - edge).tolist()
    return slice(z, z + edge), slice(y, y + edge), slice(x, x + edge)


def _measure(halves: list[Volume], mask: Volume, voxel_size_angstrom: float) -> MaskedCurve:
    first, second = halves
    fsc = measure_fsc(first, second, mask).corrected
    extent = len(mask) * voxel_size_angstrom
    grid = (len(mask), voxel_size_angstrom)
    text = "nothing resolved"
    if is_resolved(fsc):
        text = format_resolution(extent / resolved_shell(fsc), *grid)
    return MaskedCurve(np.arange(len(fsc)) / extent, fsc, text)
