"""The density that electrons see of an atomic model, sampled on a map's grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
from jaxtyping import Float64

from cryofocus.arrays import Volume
from cryofocus.data.models import read_structure
from cryofocus.errors import RegionError
from cryofocus.maths.fourier import forward_3d, inverse_3d, resize_half_3d
from cryofocus.maths.grids import frequency_grid_2d

# Atoms are drawn on a grid so much finer than the map's, blurred to this many of its voxels
# (standard deviation) so that sampling them loses nothing; the blur is divided out afterwards.
FINER = 2
BLUR_VOXELS = 0.8


@dataclass(frozen=True)
class DensityGrid:
    """Where a model is sampled.

    Attributes:
        box: Edge in voxels.
        voxel_size_angstrom: Å per voxel.
        centre_angstrom: x, y, z of voxel `box//2` in the model's frame.
    """

    box: int
    voxel_size_angstrom: float
    centre_angstrom: tuple[float, float, float]

    @property
    def origin_angstrom(self) -> tuple[float, float, float]:
        """x, y, z of voxel (0, 0, 0) in the model's frame."""
        x, y, z = (c - self.box // 2 * self.voxel_size_angstrom for c in self.centre_angstrom)
        return x, y, z


def model_bounds(path: Path) -> Float64[np.ndarray, "2 3"]:
    """Return the lowest and the highest x, y, z of the atoms of a model.

    Raises:
        InputError: When the file cannot be read or holds no model.
    """
    return _bounds(read_structure(path))


def model_density(path: Path, grid: DensityGrid) -> Volume:
    """Sample the scattering density of a model, band-limited to the grid.

    Electron scattering factors (Peng, Ren, Dudarev & Whelan, Acta Cryst. A52 (1996) 257) with the
    atoms' own B factors.

    Args:
        path: PDB or mmCIF file.
        grid: Where to.

    Raises:
        InputError: When the file cannot be read or holds no model.
        RegionError: When atoms lie outside of the box.
    """
    structure = read_structure(path)
    _require_inside(path, structure, grid)
    edge, spacing = FINER * grid.box, grid.voxel_size_angstrom / FINER
    corner = np.array(grid.centre_angstrom) - edge // 2 * spacing
    structure.cell = gemmi.UnitCell(edge * spacing, edge * spacing, edge * spacing, 90, 90, 90)
    structure.spacegroup_hm = "P 1"
    move = gemmi.Transform()
    move.vec.fromlist((-corner).tolist())
    structure[0].transform_pos_and_adp(move)
    calculator = gemmi.DensityCalculatorE()
    calculator.grid.set_unit_cell(structure.cell)
    calculator.grid.spacegroup = gemmi.SpaceGroup("P 1")
    calculator.grid.set_size(edge, edge, edge)
    calculator.blur = 8 * np.pi**2 * (BLUR_VOXELS * spacing) ** 2
    calculator.add_model_density_to_grid(structure[0])
    # gemmi's axes are x, y, z.
    fine = np.ascontiguousarray(calculator.grid.array.transpose(2, 1, 0), np.float32)
    half = resize_half_3d(forward_3d(fine), edge, grid.box) / np.float32(FINER**3)
    return np.asarray(inverse_3d(half * _sharpen(grid, calculator.blur), grid.box))


def _sharpen(grid: DensityGrid, b_factor_square_angstrom: float) -> np.ndarray:
    """Undo a blur; zero beyond the sphere that every direction resolves."""
    fx, fy = frequency_grid_2d(grid.box, grid.voxel_size_angstrom)
    square = fy[:, :1, None] ** 2 + (fx**2 + fy**2)
    factor = np.exp(b_factor_square_angstrom * square / 4)
    return np.where(square < (0.5 / grid.voxel_size_angstrom) ** 2, factor, 0).astype(np.float32)


def _bounds(structure: gemmi.Structure) -> Float64[np.ndarray, "2 3"]:
    position = np.array([place.atom.pos.tolist() for place in structure[0].all()])
    return np.array([position.min(axis=0), position.max(axis=0)])


def _require_inside(path: Path, structure: gemmi.Structure, grid: DensityGrid) -> None:
    reach = np.abs(_bounds(structure) - np.array(grid.centre_angstrom)).max()
    half = grid.box * grid.voxel_size_angstrom / 2
    if reach > half:
        raise RegionError(
            f"{path}: its atoms reach {reach:.0f} Å from the centre, but {grid.box} pixels of "
            f"{grid.voxel_size_angstrom:g} Å only {half:.0f} Å. Give a larger --box or "
            "--pixel-size."
        )
