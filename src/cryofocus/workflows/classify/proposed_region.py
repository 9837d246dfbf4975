"""Where the region in focus cuts what differs: what is said, and the region that would not."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryofocus.arrays import Volume
from cryofocus.data.mask import FocusMask
from cryofocus.errors import RegionError
from cryofocus.formatting import format_percent
from cryofocus.inference.result import ClassificationResult
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.maps.cut_block import CutBlock, find_cut_block
from cryofocus.maths.copies import filled_classes
from cryofocus.maths.masks import Vector
from cryofocus.maths.shells import shell_resolution_angstrom
from cryofocus.workflows.run.job import Finding, FindingCode, Severity

# A region that holds its block leaves out less than 1 % of the difference: soft edges, ripples.
LARGEST_SHARE = 0.05


@dataclass(frozen=True, eq=False)
class ProposedRegion:
    """A region that holds all of a block which the region in focus cuts.

    Attributes:
        block: What differs.
        soft_edge_angstrom: Width of the edge of its mask.
        crossing_angstrom: Where most of what is cut off lies, in the frame of the region in focus.
        sphere_angstrom: x, y, z, radius of a sphere that holds it, as `--focus` takes them; None
            where it would leave the box.
    """

    block: CutBlock
    soft_edge_angstrom: float
    crossing_angstrom: Vector
    sphere_angstrom: tuple[float, float, float, float] | None

    def mask(self, box: int) -> Volume:
        """Return its mask on the particles' grid, which is not kept meanwhile."""
        return self.block.mask(box, self.soft_edge_angstrom)


def propose_region(
    result: ClassificationResult, focus: FocusMask, settings: ClassifierSettings
) -> ProposedRegion | None:
    """Find the region that holds all of what the classes differ in.

    Returns:
        None where there are no classes, the region in focus holds it already, or whole maps are
            compared.
    """
    if not result.classes_found or settings.method.compares_whole_maps:
        return None
    filled = filled_classes(result.posteriors)
    voxel = focus.voxel_size_angstrom
    block = find_cut_block(
        [result.maps[k].halves for k in filled],
        result.class_weights[filled],
        focus.data,
        voxel,
        shell_resolution_angstrom(result.n_shells, len(focus.data), voxel),
    )
    if block is None or block.outside_share < LARGEST_SHARE or block.significance == 0:
        return None
    return ProposedRegion(
        block=block,
        soft_edge_angstrom=settings.soft_edge_angstrom,
        crossing_angstrom=_in_frame(block.crossing_angstrom, focus),
        sphere_angstrom=_sphere(block, focus, settings.soft_edge_angstrom),
    )


def judge_region(proposed: ProposedRegion | None, mask: Path) -> Iterator[Finding]:
    """Say where the region in focus cuts what differs, and how to have all of it.

    Args:
        proposed: The region that holds all of it; None where nothing is cut.
        mask: Where its mask is written.
    """
    if proposed is None:
        return
    block = proposed.block
    x, y, z = proposed.crossing_angstrom
    text = (
        f"The focus region cuts what differs: {format_percent(block.outside_share)} of the "
        "connected difference between class maps lies outside, most of it around "
        f"x, y, z = {x:.0f}, {y:.0f}, {z:.0f} Å (up to {block.significance:.0f} standard errors). "
        "Particles are told apart by the rest alone, which costs accuracy and may hide states; "
        "the ± of the classes' shares does not count what the cut hides. "
        "Classify again with "
        f"--mask {shlex.quote(str(mask))}, which holds all of it"
    )
    figures = {
        "outside_share": block.outside_share,
        "threshold": LARGEST_SHARE,
        "significance": block.significance,
        "significance_threshold": block.least_significance,
        "crossing_x_angstrom": x,
        "crossing_y_angstrom": y,
        "crossing_z_angstrom": z,
    }
    if proposed.sphere_angstrom is not None:
        text += (
            f"; a sphere that does, --focus {format_sphere(proposed.sphere_angstrom)}, takes in "
            "more of its surroundings"
        )
        names = (f"sphere_{name}_angstrom" for name in ("x", "y", "z", "radius"))
        figures |= dict(zip(names, proposed.sphere_angstrom, strict=True))
    yield Finding(
        code=FindingCode.REGION_CUTS,
        severity=Severity.WARNING,
        text=f"{text}.",
        figures=figures,
    )


def format_sphere(sphere_angstrom: tuple[float, float, float, float]) -> str:
    """Write a sphere as `--focus` takes it."""
    return ",".join(f"{value:.1f}" for value in sphere_angstrom)


def _in_frame(place_angstrom: Vector, focus: FocusMask) -> Vector:
    """Give a place from the box centre in the frame of the region in focus."""
    middle = len(focus.data) // 2 * focus.voxel_size_angstrom
    x, y, z = (
        round(first + middle + value, 1)
        for first, value in zip(focus.origin_angstrom, place_angstrom, strict=True)
    )
    return x, y, z


def _sphere(
    block: CutBlock, focus: FocusMask, soft_edge_angstrom: float
) -> tuple[float, float, float, float] | None:
    """Return the sphere that holds a block, if `--focus` would take it."""
    centre, radius = block.sphere()
    sphere = (*_in_frame(centre, focus), round(radius, 1))
    try:
        FocusMask.from_sphere(
            sphere,
            len(focus.data),
            focus.voxel_size_angstrom,
            soft_edge_angstrom=soft_edge_angstrom,
            origin_angstrom=focus.origin_angstrom,
        )
    except RegionError:
        return None
    return sphere
