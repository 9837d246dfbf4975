"""`cryofocus fit`: one map carried onto another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryofocus.data.grid_map import GridMap
from cryofocus.errors import InputError
from cryofocus.maps.align import FitSettings, FittedTransform, fit_rigid
from cryofocus.workflows.run import writing as atomic
from cryofocus.workflows.run.new_names import require_new_maps


@dataclass(frozen=True, eq=False)
class FittedMap:
    """A map that was moved: the files written, and how it was moved."""

    path: Path
    description: Path
    fit: FittedTransform


def fit(
    path: Path | str,
    target: Path | str,
    output: Path | str,
    *,
    mask: Path | str | None = None,
    settings: FitSettings | None = None,
    overwrite: bool = False,
) -> FittedMap:
    """Rotate and shift a map such that it agrees with another, and write it.

    Args:
        path: Map to move.
        target: Map that stays, on a grid of the same box and voxel size.
        output: MRC file to write, in the target's frame; the motion goes beside it as NAME.json.
        mask: Where the target counts.
        settings: Defaults if left out.
        overwrite: Replace existing files.

    Raises:
        InputError: When a map or the mask cannot be used, or lies on another grid.
        OutputError: When an output exists or cannot be written.
    """
    output = Path(output)
    description = output.with_suffix(".json")
    require_new_maps([output, description], overwrite=overwrite)
    fixed = GridMap.read(target)
    moving = fixed.read_partner(path)
    region = None if mask is None else fixed.read_mask(mask)
    for grid in (fixed, moving):
        if grid.data.min() == grid.data.max():
            raise InputError(
                f"{grid.path}: the same value in every voxel; expected a map with density. Check "
                "that this is the right file."
            )
    found = fit_rigid(moving.data, fixed.data, fixed.voxel_size_angstrom, region, settings)
    fixed.write(output, found.transform.move_map(moving.data, fixed.voxel_size_angstrom))
    atomic.write_json(description, _describe(found, moving, fixed))
    return FittedMap(output, description, found)


def _describe(found: FittedTransform, moving: GridMap, fixed: GridMap) -> dict[str, object]:
    """Say the motion about the box centre, and in the maps' own frames as ChimeraX takes it."""
    transform = found.transform
    centres = [
        np.asarray(grid.origin_angstrom) + (grid.box // 2) * grid.voxel_size_angstrom
        for grid in (moving, fixed)
    ]
    in_frames = centres[1] + transform.shift_angstrom - transform.rotation @ centres[0]
    return {
        "map": str(moving.path),
        "target": str(fixed.path),
        "rotation": transform.rotation.tolist(),
        "shift_angstrom": transform.shift_angstrom.tolist(),
        "angle_degrees": transform.angle_degrees,
        "axis": transform.axis.tolist(),
        "matrix_in_map_frames": np.column_stack([transform.rotation, in_frames]).tolist(),
        "correlation": found.correlation,
        "correlation_before": found.correlation_before,
    }
