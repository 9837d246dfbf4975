"""What a sphere may have been meant to be: counted from the box centre, or in pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cryofocus.data.mask import FocusMask, Sphere
from cryofocus.errors import RegionError


def say_frames(mask: FocusMask, is_right: Callable[[FocusMask], bool]) -> str:
    """Say which other reading of a sphere would make sense; nothing of a mask file.

    Args:
        mask: The region as it was read.
        is_right: Whether a region could be meant.

    Returns:
        A sentence with a blank behind it, or nothing.
    """
    if mask.sphere is None:
        return ""
    for meaning, sphere in _readings(mask, mask.sphere):
        try:
            other = FocusMask.from_sphere(
                sphere,
                len(mask.data),
                mask.voxel_size_angstrom,
                soft_edge_angstrom=mask.voxel_size_angstrom,
                origin_angstrom=mask.origin_angstrom,
            )
        except RegionError:
            continue
        if is_right(other):
            numbers = ",".join(f"{value:.1f}" for value in sphere)
            return f"These numbers look like {meaning}: then it is --focus {numbers}. "
    return ""


def _readings(mask: FocusMask, sphere: Sphere) -> Iterator[tuple[str, Sphere]]:
    """Yield what numbers may mean, and the sphere in Å in the map's frame."""
    voxel, box = mask.voxel_size_angstrom, len(mask.data)
    x, y, z, radius = sphere
    a, b, c = mask.origin_angstrom
    middle = box // 2 * voxel
    yield "pixels", (a + x * voxel, b + y * voxel, c + z * voxel, radius * voxel)
    yield "Å from the box centre", (a + middle + x, b + middle + y, c + middle + z, radius)
    yield (
        "pixels from the box centre",
        (
            a + middle + x * voxel,
            b + middle + y * voxel,
            c + middle + z * voxel,
            radius * voxel,
        ),
    )
