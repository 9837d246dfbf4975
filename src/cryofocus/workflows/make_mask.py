"""`cryofocus mask`: a region by sphere, density, atomic model or variance, on a map's grid."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float64
from pydantic import Field, model_validator

from cryofocus.arrays import Volume
from cryofocus.calls import checked
from cryofocus.data.grid_map import GridMap
from cryofocus.data.mask import FocusMask
from cryofocus.data.shapes.models import AtomicModel, Range
from cryofocus.errors import RegionError, SettingError
from cryofocus.maps.regions import (
    RegionContent,
    dense_region,
    describe_region,
    mask_around_points,
    soft_mask,
)
from cryofocus.maths.filters import lowpass
from cryofocus.option import Option
from cryofocus.settings import Settings
from cryofocus.workflows.run.new_names import require_new_maps
from cryofocus.workflows.variance.regions import FRACTION, SIGMA, Parting, read_region

logger = logging.getLogger(__name__)

SOFT_EDGE_ANGSTROM = 8.0
ATOM_RADIUS_ANGSTROM = 5.0
STRETCH = re.compile(r"(-?\d+)(?:-(-?\d+))?")


def read_stretches(text: str) -> tuple[Range, ...]:
    """Read stretches of residues such as 10-50,60.

    Raises:
        ValueError: When one is no number and no stretch.
    """
    found = [STRETCH.fullmatch(part) for part in text.split(",")]
    if None in found:
        raise ValueError(text)
    return tuple((int(one[1]), int(one[2] or one[1])) for one in found if one)


class ThresholdMaskSettings(Settings):
    """Which density, and how much around it. Exactly one of level and sigma is given.

    Attributes:
        level: Density above which a voxel belongs to the region, in units of the map.
        sigma: The same, in standard deviations above the map's mean.
        lowpass_angstrom: Filter the map to this resolution first, in Å.
        extend_angstrom: How far the mask extends beyond the density, in Å.
        soft_edge_angstrom: Width of the soft edge outside the region, in Å.
        largest_component: Keep only the largest connected piece.
    """

    level: float | None = None
    sigma: float | None = None
    lowpass_angstrom: float | None = Field(default=None, ge=0.1)
    extend_angstrom: float = Field(default=0.0, ge=0)
    soft_edge_angstrom: float = Field(default=SOFT_EDGE_ANGSTROM, ge=0)
    largest_component: bool = False

    @model_validator(mode="after")
    def _one_threshold(self) -> ThresholdMaskSettings:
        if (self.level is None) == (self.sigma is None):
            found = "neither" if self.level is None else "both"
            raise SettingError(
                f"threshold: found {found} of level and sigma, expected one. Give --level in "
                "units of the map or --sigma in standard deviations above its mean."
            )
        return self


class ModelMaskSettings(Settings):
    """Which atoms, and how much around them.

    Attributes:
        chains: Chains to take. Default: all.
        residues: Residue ranges to take. Default: all.
        radius_angstrom: The mask is 1 up to this distance from an atom, in Å.
        soft_edge_angstrom: Width of the soft edge outside the region, in Å.
    """

    chains: Annotated[tuple[str, ...], Option("--chain", metavar="A,B,...")] = ()
    residues: Annotated[
        tuple[Range, ...],
        Option(metavar="10-50,60,...", expected="numbers such as 10-50,60", read=read_stretches),
    ] = ()
    radius_angstrom: float = Field(default=ATOM_RADIUS_ANGSTROM, ge=0.1)
    soft_edge_angstrom: float = Field(default=SOFT_EDGE_ANGSTROM, ge=0)


class VarianceMaskSettings(Settings):
    """Which region of a variance map, and how much around it.

    The regions of `variance.mrc` are those that `cryofocus variance` proposed; another map, or
    one for which level, sigma or separation is given, is parted by its own values.

    Attributes:
        region: Number of the region; 1 holds most of the variance.
        fraction: Part the map anew: fraction of the largest variance above which a voxel counts
            (0.1 for maps that `cryofocus variance` has not parted).
        sigma: Part the map anew: standard deviations by which a voxel must exceed the map's own
            noise (5).
        separation_angstrom: Part the map anew, and split connected places whose peaks are at
            least this far apart, in Å.
        extend_angstrom: How far the mask extends beyond the region, in Å.
        soft_edge_angstrom: Width of the soft edge outside the region, in Å.
    """

    region: int = Field(default=1, ge=1)
    fraction: Annotated[float | None, Option("--level")] = Field(default=None, ge=0, le=1)
    sigma: float | None = Field(default=None, ge=0)
    separation_angstrom: float | None = Field(default=None, ge=0.1)
    extend_angstrom: float = Field(default=0.0, ge=0)
    soft_edge_angstrom: float = Field(default=SOFT_EDGE_ANGSTROM, ge=0)

    @property
    def parting(self) -> Parting | None:
        """How the map is parted anew, if it is."""
        if self.fraction is None and self.sigma is None and self.separation_angstrom is None:
            return None
        fraction = FRACTION if self.fraction is None else self.fraction
        sigma = SIGMA if self.sigma is None else self.sigma
        return Parting(fraction, sigma, self.separation_angstrom)


@dataclass(frozen=True)
class MadeMask:
    """A mask that was written and what it holds of the map."""

    path: Path
    content: RegionContent


@checked
def make_sphere_mask(
    sphere_angstrom: tuple[float, float, float, float],
    like: Path | str,
    output: Path | str,
    *,
    soft_edge_angstrom: float = SOFT_EDGE_ANGSTROM,
    overwrite: bool = False,
) -> MadeMask:
    """Write a sphere as a mask.

    Args:
        sphere_angstrom: x, y, z, radius in the map's frame, as ChimeraX shows them.
        like: Map whose grid and origin the mask gets.
        output: MRC file to write.
        soft_edge_angstrom: Width of the edge outside the radius.
        overwrite: Replace an existing file.

    Raises:
        InputError: When the map cannot be used, or the sphere leaves it.
        OutputError: When the output exists or cannot be written.
    """
    require_new_maps([Path(output)], overwrite=overwrite)
    grid = GridMap.read(like)
    return write_mask(Path(output), grid, sphere_mask(sphere_angstrom, grid, soft_edge_angstrom))


@checked
def make_threshold_mask(
    path: Path | str,
    output: Path | str,
    settings: ThresholdMaskSettings,
    *,
    overwrite: bool = False,
) -> MadeMask:
    """Write a mask of the density of a map.

    Args:
        path: Map.
        output: MRC file to write.
        settings: Which density, and how much around it.
        overwrite: Replace an existing file.

    Raises:
        InputError: When the map cannot be used, or holds no density at the level.
        OutputError: When the output exists or cannot be written.
    """
    require_new_maps([Path(output)], overwrite=overwrite)
    grid = GridMap.read(path)
    density = grid.data
    if settings.lowpass_angstrom is not None:
        density = lowpass(density, grid.voxel_size_angstrom, settings.lowpass_angstrom)
    level = _level(density, settings)
    region = dense_region(density, level, largest_component=settings.largest_component)
    if not region.any():
        filtered = " after filtering" if settings.lowpass_angstrom is not None else ""
        raise RegionError(
            f"{path}: no density at level {level:.4g}; the map reaches {density.max():.4g}"
            f"{filtered}. Give a lower --level or --sigma."
        )
    mask = soft_mask(
        region, grid.voxel_size_angstrom, settings.extend_angstrom, settings.soft_edge_angstrom
    )
    logger.info("level %.4g: %d voxels", level, np.count_nonzero(region))
    return write_mask(Path(output), grid, mask)


@checked
def make_model_mask(
    model: Path | str,
    like: Path | str,
    output: Path | str,
    settings: ModelMaskSettings | None = None,
    *,
    overwrite: bool = False,
) -> MadeMask:
    """Write a mask around the atoms of a model.

    Args:
        model: PDB or mmCIF file that fits the map.
        like: Map whose grid and origin the mask gets.
        output: MRC file to write.
        settings: Which atoms, and how much around them; all atoms if left out.
        overwrite: Replace an existing file.

    Raises:
        InputError: When model or map cannot be used, the selection is empty, or lies outside the
            map.
        OutputError: When the output exists or cannot be written.
    """
    settings = settings or ModelMaskSettings()
    require_new_maps([Path(output)], overwrite=overwrite)
    grid = GridMap.read(like)
    atoms = AtomicModel.read(model).select(settings.chains, settings.residues)
    points = atoms - np.asarray(grid.origin_angstrom)
    _require_inside(Path(model), atoms, points, grid)
    reach = (settings.radius_angstrom, settings.soft_edge_angstrom)
    mask = mask_around_points(points, grid.box, grid.voxel_size_angstrom, *reach)
    if not mask.any():
        raise RegionError(
            f"{model}: the mask is empty; atoms with a radius of {settings.radius_angstrom:g} Å "
            f"fall between the voxels of {grid.voxel_size_angstrom:g} Å. Give a larger --radius."
        )
    return write_mask(Path(output), grid, mask)


@checked
def make_variance_mask(
    path: Path | str,
    output: Path | str,
    settings: VarianceMaskSettings | None = None,
    *,
    overwrite: bool = False,
) -> MadeMask:
    """Write a mask of one region of a variance map.

    Args:
        path: Variance map, as `cryofocus variance` writes it.
        output: MRC file to write.
        settings: Which region, and how much around it; the strongest if left out.
        overwrite: Replace an existing file.

    Raises:
        InputError: When the map cannot be used.
        RegionError: When it holds no variance, or fewer regions than the number asked for.
        OutputError: When the output exists or cannot be written.
    """
    settings = settings or VarianceMaskSettings()
    require_new_maps([Path(output)], overwrite=overwrite)
    grid = GridMap.read(path)
    region = read_region(grid, settings.region, settings.parting)
    logger.info(
        "region %d, with %.0f %% of the variance: %d voxels",
        *(region.number, 100 * region.share, np.count_nonzero(region.voxels)),
    )
    mask = soft_mask(
        region.voxels,
        grid.voxel_size_angstrom,
        settings.extend_angstrom,
        settings.soft_edge_angstrom,
    )
    return write_mask(Path(output), grid, mask)


def _level(density: Volume, settings: ThresholdMaskSettings) -> float:
    if settings.level is not None:
        return settings.level
    mean, deviation = density.mean(dtype=np.float64), density.std(dtype=np.float64)
    return float(mean + (settings.sigma or 0.0) * deviation)


def _require_inside(
    model: Path,
    atoms: Float64[np.ndarray, "n 3"],
    points: Float64[np.ndarray, "n 3"],
    grid: GridMap,
) -> None:
    """Refuse atoms that all lie outside the map; warn of some."""
    last = (grid.box - 0.5) * grid.voxel_size_angstrom
    first = -0.5 * grid.voxel_size_angstrom
    inside = np.asarray(((points > first) & (points < last)).all(axis=1))
    if not inside.any():
        low = np.asarray(grid.origin_angstrom)
        high = low + (grid.box - 1) * grid.voxel_size_angstrom
        raise RegionError(
            f"{model}: the atoms lie outside the map; they span "
            f"{_spans(atoms.min(0), atoms.max(0))} Å along x, y, z, {grid.path} "
            f"{_spans(low, high)}. Fit the model into the map and save it in the map's frame."
        )
    if not inside.all():
        logger.warning(
            "%s: %d of %d atoms lie outside the map; the mask is cut off there.",
            *(model, np.count_nonzero(~inside), inside.size),
        )


def _spans(low: Float64[np.ndarray, " 3"], high: Float64[np.ndarray, " 3"]) -> str:
    return ", ".join(f"{a:.0f} to {b:.0f}" for a, b in zip(low, high, strict=True))


def sphere_mask(
    sphere_angstrom: tuple[float, float, float, float], grid: GridMap, soft_edge_angstrom: float
) -> Volume:
    """Return a sphere on a map's grid; x, y, z, radius in the map's frame."""
    return FocusMask.from_sphere(
        sphere_angstrom,
        grid.box,
        grid.voxel_size_angstrom,
        soft_edge_angstrom=soft_edge_angstrom,
        origin_angstrom=grid.origin_angstrom,
    ).data


def write_mask(output: Path, grid: GridMap, mask: Volume) -> MadeMask:
    """Write a mask in the place of a map, and say what is odd about it.

    Raises:
        OutputError: Disk full, no permission.
    """
    content = describe_region(mask, grid.data, grid.voxel_size_angstrom)
    if content.touches_edge:
        logger.warning(
            "%s: the mask touches the edge of the box and is cut off there. Make the region "
            "smaller, or use a map with a larger box.",
            output,
        )
    if content.density_fraction == 0:
        logger.warning(
            "%s: no density of %s lies inside the mask. Check the coordinates.", output, grid.path
        )
    grid.write(output, mask)
    return MadeMask(output, content)
