"""An atomic model carried onto a map: rigid, by the density of its atoms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
from jaxtyping import Float

from cryofocus.data.grid_map import GridMap
from cryofocus.data.shapes.models import DensityGrid, model_bounds, model_density, read_structure
from cryofocus.errors import RegionError, SettingError
from cryofocus.maps.align import FitSettings, FittedTransform, fit_rigid
from cryofocus.maps.rigid import RigidTransform
from cryofocus.workflows.fit_record import box_centre

MODEL_SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif")
# The columns of a PDB file hold no longer name of a chain.
LONGEST_PDB_CHAIN = 2


def is_model(path: Path) -> bool:
    """Whether a file is an atomic model, by its name."""
    unpacked = path.with_suffix("") if path.suffix == ".gz" else path
    return unpacked.suffix.lower() in MODEL_SUFFIXES


def fit_density(
    path: Path, fixed: GridMap, mask: np.ndarray | None, settings: FitSettings
) -> tuple[FittedTransform, Float[np.ndarray, " 3"]]:
    """Fit the density of a model to a map.

    Args:
        path: PDB or mmCIF file.
        fixed: Map that stays.
        mask: Where the map counts; the sphere in the box otherwise.
        settings: A local search starts where the model is, a global one from its middle.

    Returns:
        The motion, and the point in the model's frame about which it turns, which goes to the
            map's box centre before the shift.

    Raises:
        InputError: When the model cannot be used.
        RegionError: When it does not fit into the map's box.
    """
    low, high = model_bounds(path)
    is_local = settings.search == "local"
    centre = box_centre(fixed) if is_local else (low + high) / 2
    half = fixed.box * fixed.voxel_size_angstrom / 2
    reach = float(np.maximum(np.abs(low - centre), np.abs(high - centre)).max())
    if reach > half:
        place = "from the box centre of the map" if is_local else "from its middle"
        raise RegionError(
            f"{path}: its atoms reach {reach:.0f} Å {place}, but the box of {fixed.path} only "
            f"{half:.0f} Å. " + ("Leave out --local." if is_local else "Give the part it shows.")
        )
    x, y, z = (float(value) for value in centre)
    grid = DensityGrid(fixed.box, fixed.voxel_size_angstrom, (x, y, z))
    density = model_density(path, grid)
    found = fit_rigid(density, fixed.data, fixed.voxel_size_angstrom, mask, settings)
    # A model that was brought to the middle was not compared as it lay.
    return found if is_local else replace(found, correlation_before=None), centre


def moved_model(
    path: Path,
    output: Path,
    transform: RigidTransform,
    centres: tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]],
) -> str:
    """Return the text of a model that was moved, all its models alike.

    Args:
        path: PDB or mmCIF file.
        output: Name of the file to write, which says its format.
        transform: Rotation and shift.
        centres: The point about which it turns, and where that goes before the shift.

    Raises:
        SettingError: When a PDB file cannot hold the names of the chains.
    """
    structure = read_structure(path)
    motion = gemmi.Transform()
    motion.mat.fromlist(transform.rotation.tolist())
    offset = centres[1] + transform.shift_angstrom - transform.rotation @ centres[0]
    motion.vec.fromlist(offset.tolist())
    for model in structure:
        model.transform_pos_and_adp(motion)
    if output.suffix.lower() not in (".pdb", ".ent"):
        return str(structure.make_mmcif_document().as_string())
    names = [chain.name for chain in structure[0]]
    long = [name for name in names if len(name) > LONGEST_PDB_CHAIN]
    if long:
        raise SettingError(
            f"{output}: a PDB file has no room for the chain {long[0]}. Choose a name that ends "
            "in .cif."
        )
    return str(structure.make_pdb_string())
