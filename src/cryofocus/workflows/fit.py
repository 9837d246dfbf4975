"""`cryofocus fit`: a map or an atomic model carried onto a map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryofocus.arrays import Volume
from cryofocus.calls import checked
from cryofocus.data.grid_map import GridMap
from cryofocus.errors import InputError
from cryofocus.maps.align import FitSettings, FittedTransform, fit_rigid
from cryofocus.workflows.fit_record import box_centre, describe_fit
from cryofocus.workflows.run import writing as atomic
from cryofocus.workflows.run.new_names import require_new_maps, require_new_model


@dataclass(frozen=True, eq=False)
class FittedMap:
    """A map or model that was moved: the files written, and how it was moved."""

    path: Path
    description: Path
    fit: FittedTransform


@checked
def fit(
    path: Path | str,
    target: Path | str,
    output: Path | str,
    *,
    mask: Path | str | None = None,
    settings: FitSettings | None = None,
    overwrite: bool = False,
) -> FittedMap:
    """Rotate and shift a map, or an atomic model, such that it agrees with a map, and write it.

    Of a model, the density of its atoms is compared. Turned about its middle first, or with a
    local search as it lies, it ends in the target's frame.

    Args:
        path: Map to move, or a model: PDB or mmCIF, by its name.
        target: Map that stays; a map to move lies on a grid of the same box and voxel size.
        output: MRC file to write, in the target's frame, or a model in PDB or mmCIF; the motion
            goes beside it as NAME.json.
        mask: Where the target counts.
        settings: Defaults if left out.
        overwrite: Replace existing files.

    Raises:
        InputError: When a map, the model or the mask cannot be used, or lies on another grid.
        OutputError: When an output exists or cannot be written.
    """
    from cryofocus.workflows.fit_model import MODEL_SUFFIXES, is_model

    path, output, settings = Path(path), Path(output), settings or FitSettings()
    description = output.with_suffix(".json")
    moves_model = is_model(path)
    if moves_model:
        require_new_model([output, description], MODEL_SUFFIXES, overwrite=overwrite)
    else:
        require_new_maps([output, description], overwrite=overwrite)
    fixed = _require_density(GridMap.read(target))
    region = None if mask is None else fixed.read_mask(mask)
    move = _move_model if moves_model else _move_map
    found, record = move(path, output, fixed, region, settings)
    atomic.write_json(description, record)
    return FittedMap(output, description, found)


def _move_map(
    path: Path, output: Path, fixed: GridMap, region: Volume | None, settings: FitSettings
) -> tuple[FittedTransform, dict[str, Any]]:
    moving, voxel = _require_density(fixed.read_partner(path)), fixed.voxel_size_angstrom
    found = fit_rigid(moving.data, fixed.data, voxel, region, settings)
    fixed.write(output, found.transform.move_map(moving.data, voxel))
    return found, describe_fit({"map": str(path)}, found, box_centre(moving), fixed)


def _move_model(
    path: Path, output: Path, fixed: GridMap, region: Volume | None, settings: FitSettings
) -> tuple[FittedTransform, dict[str, Any]]:
    from cryofocus.workflows.fit_model import fit_density, moved_model

    found, centre = fit_density(path, fixed, region, settings)
    centres = centre, box_centre(fixed)
    atomic.write_text(output, moved_model(path, output, found.transform, centres))
    return found, describe_fit({"model": str(path)}, found, centre, fixed)


def _require_density(grid: GridMap) -> GridMap:
    if grid.data.min() == grid.data.max():
        raise InputError(
            f"{grid.path}: the same value in every voxel; expected a map with density. Check "
            "that this is the right file."
        )
    return grid
