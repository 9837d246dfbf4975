"""The .json file that `fit` writes beside what it moved: the motion, and how well both agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict

from cryofocus.data.grid_map import GridMap
from cryofocus.errors import InputError
from cryofocus.maps.align import FittedTransform
from cryofocus.maps.rigid import RigidTransform
from cryofocus.workflows.run.reading import explain_damage

Row = tuple[float, float, float]


class FitRecord(BaseModel):
    """What has to be there to move something else the same way.

    Attributes:
        map: Map that was moved; None where it was a model.
        rotation: Rows of the rotation about the box centre.
        shift_angstrom: After it, along x, y and z.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    map: Path | None = None
    rotation: tuple[Row, Row, Row]
    shift_angstrom: Row

    @property
    def transform(self) -> RigidTransform:
        """The motion.

        Raises:
            ValueError: When the matrix is not a rotation.
        """
        return RigidTransform(np.array(self.rotation), np.array(self.shift_angstrom))


def describe_fit(
    moved: dict[str, str],
    found: FittedTransform,
    centre_angstrom: Float[np.ndarray, " 3"],
    fixed: GridMap,
) -> dict[str, Any]:
    """Say the motion about the box centre, and in the frames of both as ChimeraX takes it.

    Args:
        moved: What was moved: `map` or `model`, and its path.
        found: Motion and correlation.
        centre_angstrom: x, y, z in the frame of what was moved about which it was turned.
        fixed: The map that stayed.
    """
    transform = found.transform
    in_frames = box_centre(fixed) + transform.shift_angstrom - transform.rotation @ centre_angstrom
    return {
        **moved,
        "target": str(fixed.path),
        "rotation": transform.rotation.tolist(),
        "shift_angstrom": transform.shift_angstrom.tolist(),
        "angle_degrees": transform.angle_degrees,
        "axis": transform.axis.tolist(),
        "matrix_in_map_frames": np.column_stack([transform.rotation, in_frames]).tolist(),
        "correlation": found.correlation,
        "correlation_before": found.correlation_before,
    }


def box_centre(grid: GridMap) -> Float[np.ndarray, " 3"]:
    """Return x, y, z of a map's box centre in its own frame."""
    middle = (grid.box // 2) * grid.voxel_size_angstrom
    return np.asarray(np.asarray(grid.origin_angstrom) + middle)


def read_motion(path: Path | str) -> RigidTransform:
    """Read the motion of a map that was fitted to another.

    Args:
        path: The .json file that `fit` wrote beside the map.

    Raises:
        FormatError: When it is missing or damaged.
        InputError: When a model was moved, not a map.
    """
    path = Path(path)
    with explain_damage(path, "Give the .json file that cryofocus fit wrote beside the map."):
        record = FitRecord.model_validate_json(path.read_bytes())
        motion = record.transform
    if record.map is None:
        raise InputError(
            f"{path}: the motion of a model; expected that of a map, in whose frame the particles "
            "are. Fit the map of the particles: cryofocus fit MAP --to OTHER."
        )
    return motion
