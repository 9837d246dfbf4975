"""What `classify` reads, checked to fit together before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.data.volume import read_volume, read_volume_on_grid
from cryofocus.errors import RegionError, SettingError
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.workflows.classify.request import ClassifyRequest


@dataclass(frozen=True, eq=False)
class Inputs:
    """Particles, the region in focus and the maps given, on one grid.

    Attributes:
        particles: The particle set.
        mask: The region in focus; for a strategy without one, that of the particle.
        solvent: Mask that the consensus is multiplied by, or None.
        references: Maps to start from, one a class, or none.
        scaffold: Region that class maps are held together by, or None.
    """

    particles: ParticleSet
    mask: FocusMask
    solvent: FocusMask | None = None
    references: tuple[Float32[np.ndarray, "box box box"], ...] = ()
    scaffold: FocusMask | None = None


def read_inputs(request: ClassifyRequest) -> Inputs:
    """Read the particle table and the region, and check that everything fits together.

    Raises:
        InputError: When a file cannot be used, or particles, images, region and settings disagree.
    """
    particles = ParticleSet.read(
        request.particles, datadir=request.datadir, supplement=request.supplement
    )
    n_classes = request.settings.n_classes
    if len(particles) < 2 * n_classes:
        raise SettingError(
            f"classes: {n_classes} asked for, but {request.particles} holds only "
            f"{len(particles)} particle{'s' if len(particles) > 1 else ''}; expected at least two "
            "a class. Ask for fewer classes or give more particles."
        )
    grid = (particles.box, particles.pixel_size_angstrom)
    solvent, scaffold = (
        None if path is None else FocusMask.from_file(path, *grid)
        for path in (request.solvent_mask, request.scaffold)
    )
    references = tuple(read_reference(path, *grid) for path in request.references)
    strategy = STRATEGIES[request.settings.strategy]
    if not strategy.needs_region:
        soft_edge_angstrom = request.settings.soft_edge_angstrom
        mask = solvent or FocusMask.whole(*grid, soft_edge_angstrom=soft_edge_angstrom)
    else:
        mask = read_mask(request, particles)
    if strategy.needs_outside:
        mask.require_outside()
    return Inputs(particles, mask, solvent, references, scaffold)


def read_reference(
    path: Path, box: int, voxel_size_angstrom: float
) -> Float32[np.ndarray, "box box box"]:
    """Read a map to start from.

    Raises:
        FormatError: When the file is no map or holds values that are not finite.
        RegionError: When it is empty or its grid is not the particles'.
    """
    volume = read_volume_on_grid(path, box, voxel_size_angstrom)
    if not volume.data.any():
        raise RegionError(f"{path}: empty; expected a map of a class to start from.")
    return volume.data


def read_mask(request: ClassifyRequest, particles: ParticleSet) -> FocusMask:
    """Draw the focus sphere or read the mask file on the particles' grid.

    Raises:
        InputError: When the map or mask cannot be read.
        RegionError: When the region does not fit the particles.
    """
    grid = (particles.box, particles.pixel_size_angstrom)
    if request.mask is not None:
        return FocusMask.from_file(request.mask, *grid)
    if request.focus is None:
        raise SettingError("focus: found nothing, expected a sphere. Give --focus X,Y,Z,R.")
    origin = (0.0, 0.0, 0.0)
    if request.map is not None:
        origin = read_volume(request.map).origin_angstrom
    return FocusMask.from_sphere(
        request.focus,
        *grid,
        soft_edge_angstrom=request.settings.soft_edge_angstrom,
        origin_angstrom=origin,
    )
