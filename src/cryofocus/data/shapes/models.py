"""Atomic models (PDB and mmCIF, also gzipped): where chosen atoms are, and their density.

Coordinates are Å, x, y, z, in the frame the model was built in, which is the map's own: voxel
(0, 0, 0) of the map lies at the origin of its header. Of a file with several models the first is
read. Chains go by the names that ChimeraX and Coot show (auth_asym_id).
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
from jaxtyping import Float64, Int64

from cryofocus.arrays import Volume
from cryofocus.complaints import say_neighbour
from cryofocus.errors import FormatError, InputError, RegionError
from cryofocus.maths.bands import corner_3d_cropped
from cryofocus.maths.fourier import inverse_3d, next_fast_len
from cryofocus.maths.grids import frequency_grid_2d

MAX_CHAINS_SHOWN = 12
# Atoms are drawn on a grid so much finer than the map's, blurred to this many of its voxels
# (standard deviation) so that sampling them loses nothing; the blur is divided out afterwards.
FINER = 2
BLUR_VOXELS = 0.8
# Where an atom ends, in standard deviations of its widest Gaussian; electron scattering factors
# have terms up to this B factor, in Å².
N_SIGMA, LARGEST_FORM_FACTOR_B = 5.5, 201.0
# What no model has; beyond it numbers are damaged, and work and memory without bound.
FARTHEST_ANGSTROM = 1e6
LARGEST_B_FACTOR, LARGEST_OCCUPANCY = 1e4, 100.0
# Models shrink to a fifth or a tenth; what unpacks to more than this is none.
GZIP_FACTOR, GZIP_BYTES = 20, 1 << 20
MAX_REASON = 200

Range = tuple[int, int]


@dataclass(frozen=True, eq=False)
class AtomicModel:
    """Atoms of a model.

    Attributes:
        path: File it was read from.
        position_angstrom: `(atom, 3)` x, y, z.
        chain: Name of each atom's chain.
        residue: `(atom,)` number of each atom's residue, as in the file.
    """

    path: Path
    position_angstrom: Float64[np.ndarray, "atom 3"]
    chain: tuple[str, ...]
    residue: Int64[np.ndarray, " atom"]

    @classmethod
    def read(cls, path: Path | str) -> AtomicModel:
        """Read a model.

        Raises:
            InputError: When there is no such file.
            FormatError: When it is no model or has no atoms.
        """
        path = Path(path)
        structure = read_structure(path)
        try:
            atoms = [
                (chain.name, residue.seqid.num or 0)
                for chain in structure[0]
                for residue in chain
                for _ in residue
            ]
        except UnicodeDecodeError as error:
            raise FormatError(
                f"{path}: the name of a chain is no text ({error.reason}); expected UTF-8. "
                "Correct the file."
            ) from error
        chains, residues = zip(*atoms, strict=True)
        return cls(path, _positions(structure), chains, np.array(residues, np.int64))

    def select(
        self, chains: Sequence[str] = (), residues: Sequence[Range] = ()
    ) -> Float64[np.ndarray, "chosen 3"]:
        """Return the positions of chosen atoms: x, y, z in Å.

        Args:
            chains: Names of chains; all if empty.
            residues: First and last number of stretches of residues, both included; all if empty.

        Raises:
            RegionError: When a chain does not exist or no atom is left.
        """
        names = list(dict.fromkeys(self.chain))
        unknown = [name for name in chains if name not in names]
        if unknown:
            shown = ", ".join(names[:MAX_CHAINS_SHOWN])
            more = f" and {len(names) - MAX_CHAINS_SHOWN} more" * (len(names) > MAX_CHAINS_SHOWN)
            raise RegionError(
                f"{self.path}: no chain {', '.join(unknown)}; the model has {shown}{more}. Give "
                "names as ChimeraX shows them."
            )
        chosen = np.isin(np.array(self.chain), list(chains or names))
        span = self.residue[chosen]
        if residues:
            chosen &= np.any([(a <= self.residue) & (self.residue <= b) for a, b in residues], 0)
        if not chosen.any():
            raise RegionError(
                f"{self.path}: no atom in the selection; the residues of these chains are "
                f"numbered {span.min()} to {span.max()}. Give other numbers."
            )
        return self.position_angstrom[chosen]


def read_structure(path: Path) -> gemmi.Structure:
    """Read a model with everything that its file says of the atoms.

    Raises:
        InputError: When there is no such file.
        FormatError: When it is no model, has no atoms, or one of them is nowhere.
    """
    if not os.path.isfile(path):
        advice = say_neighbour(Path(path)) or "Check the path."
        raise InputError(f"{path}: cannot be read (no such file). {advice}")
    _refuse_blown_up(path)
    try:
        structure = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError, IndexError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FormatError(
            f"{path}: not an atomic model ({reason[:MAX_REASON]}); expected PDB or mmCIF. Check "
            "that this is the right file."
        ) from error
    if len(structure) == 0 or structure[0].count_atom_sites() == 0:
        raise FormatError(
            f"{path}: no atoms found; expected a model in PDB or mmCIF format. Check that "
            "this is the right file."
        )
    wrong = ~(np.abs(_positions(structure)) < FARTHEST_ANGSTROM).all(axis=1)
    if wrong.any():
        raise FormatError(
            f"{path}: atom {int(wrong.argmax()) + 1} of {len(wrong)} has coordinates that are no "
            f"numbers or beyond {FARTHEST_ANGSTROM:g} Å (atoms like this: {int(wrong.sum())}). "
            "Correct or remove these atoms."
        )
    return structure


def _positions(structure: gemmi.Structure) -> Float64[np.ndarray, "atom 3"]:
    return np.array([place.atom.pos.tolist() for place in structure[0].all()])


def _refuse_blown_up(path: Path) -> None:
    """Refuse a compressed file that a model does not make: nobody could hold what is in it."""
    if path.suffix != ".gz":
        return
    left = GZIP_FACTOR * path.stat().st_size + GZIP_BYTES
    try:
        with gzip.open(path) as handle:
            while piece := handle.read(min(left, GZIP_BYTES)):
                left -= len(piece)
                if left <= 0:
                    raise FormatError(
                        f"{path}: unpacks to more than {GZIP_FACTOR} times its size; expected a "
                        "model in PDB or mmCIF format. Check that this is the right file."
                    )
    except (EOFError, zlib.error, OSError) as error:
        raise FormatError(
            f"{path}: cannot be unpacked ({error}). The file is damaged; copy it again."
        ) from error


def bead_model(
    chain: str,
    centre_angstrom: Float64[np.ndarray, "bead 3"],
    sigma_angstrom: Float64[np.ndarray, " bead"],
    carbons: Float64[np.ndarray, " bead"],
) -> str:
    """Return the mmCIF text of a model whose atoms stand for Gaussian beads.

    Each is a carbon whose B factor is as wide as the bead and whose occupancy as heavy, a residue
    by itself.

    Args:
        chain: Name of the only chain.
        centre_angstrom: x, y, z of the beads.
        sigma_angstrom: Standard deviations of the beads.
        carbons: Weights of the beads, in carbon atoms.
    """
    structure, model, only = gemmi.Structure(), gemmi.Model(1), gemmi.Chain(chain)
    for number, place in enumerate(centre_angstrom.tolist()):
        residue, atom = gemmi.Residue(), gemmi.Atom()
        residue.name, residue.seqid = "UNK", gemmi.SeqId(str(number + 1))
        atom.name, atom.element, atom.pos = "CA", gemmi.Element("C"), gemmi.Position(*place)
        atom.b_iso = round(8 * math.pi**2 * float(sigma_angstrom[number]) ** 2, 2)
        atom.occ = round(float(carbons[number]), 2)
        residue.add_atom(atom)
        only.add_residue(residue)
    model.add_chain(only)
    structure.add_model(model)
    structure.spacegroup_hm = "P 1"
    return str(structure.make_mmcif_document().as_string())


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
    widest = _widest_spread(path, structure)
    blur = 8 * np.pi**2 * (BLUR_VOXELS * grid.voxel_size_angstrom / FINER) ** 2
    fine = _draw(structure, grid, blur, widest)
    middle = len(fine) // 2
    half = corner_3d_cropped(fine, grid.box, origin=middle, period=FINER * grid.box)
    half *= _sharpen(grid, blur) / np.float32(FINER**3)
    return np.asarray(inverse_3d(half, grid.box))


def _draw(structure: gemmi.Structure, grid: DensityGrid, blur: float, widest: float) -> Volume:
    """Draw the atoms finely, in the middle of a cube that holds them, at most the whole grid.

    Args:
        structure: Is moved.
        grid: Of the map.
        blur: B factor that is added to those of all atoms.
        widest: The largest of these.
    """
    spacing = grid.voxel_size_angstrom / FINER
    tail = N_SIGMA * math.sqrt((widest + LARGEST_FORM_FACTOR_B + blur) / (8 * np.pi**2))
    reach = np.abs(_bounds(structure) - np.array(grid.centre_angstrom)).max() + tail
    edge = min(next_fast_len(2 * math.ceil(reach / spacing)), FINER * grid.box)
    structure.cell = gemmi.UnitCell(edge * spacing, edge * spacing, edge * spacing, 90, 90, 90)
    structure.spacegroup_hm = "P 1"
    move = gemmi.Transform()
    move.vec.fromlist([edge // 2 * spacing - place for place in grid.centre_angstrom])
    structure[0].transform_pos_and_adp(move)
    calculator = gemmi.DensityCalculatorE()
    calculator.grid.set_unit_cell(structure.cell)
    calculator.grid.spacegroup = gemmi.SpaceGroup("P 1")
    calculator.grid.set_size(edge, edge, edge)
    calculator.blur = blur
    calculator.add_model_density_to_grid(structure[0])
    # gemmi's axes are x, y, z.
    return np.ascontiguousarray(calculator.grid.array.transpose(2, 1, 0), np.float32)


def _sharpen(grid: DensityGrid, b_factor_square_angstrom: float) -> np.ndarray:
    """Undo a blur; zero beyond the sphere that every direction resolves."""
    fx, fy = frequency_grid_2d(grid.box, grid.voxel_size_angstrom)
    square = fy[:, :1, None] ** 2 + (fx**2 + fy**2)
    factor = np.exp(b_factor_square_angstrom * square / 4)
    return np.where(square < (0.5 / grid.voxel_size_angstrom) ** 2, factor, 0).astype(np.float32)


def _widest_spread(path: Path, structure: gemmi.Structure) -> float:
    """Return the largest B factor along any direction, in Å².

    Raises:
        FormatError: When an occupancy or a B factor would spread an atom over nothing or
            everything.
    """
    atoms = [place.atom for place in structure[0].all()]
    isotropic, occupancy = np.array([(atom.b_iso, atom.occ) for atom in atoms]).T
    spread = np.abs(isotropic)
    for number, atom in enumerate(atoms):
        if atom.aniso.nonzero():
            b_factors = 8 * np.pi**2 * np.abs(atom.aniso.elements_pdb())
            spread[number] = np.maximum(spread[number], b_factors.max())
    is_sound = (spread <= LARGEST_B_FACTOR) & (isotropic >= 0)
    is_sound &= np.abs(occupancy) <= LARGEST_OCCUPANCY
    if not is_sound.all():
        wrong = int(is_sound.argmin())
        raise FormatError(
            f"{path}: atom {wrong + 1} has the occupancy {occupancy[wrong]:g} and the B factor "
            f"{isotropic[wrong]:g} Å²; expected up to {LARGEST_OCCUPANCY:g}, and 0 to "
            f"{LARGEST_B_FACTOR:g}. Correct or remove it."
        )
    return float(spread.max())


def _bounds(structure: gemmi.Structure) -> Float64[np.ndarray, "2 3"]:
    position = _positions(structure)
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
