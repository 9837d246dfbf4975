"""What `classify` reads, checked to fit together before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.data.volume import read_density_on_grid, read_volume
from cryofocus.errors import RegionError, SettingError
from cryofocus.inference.settings import AUTO
from cryofocus.maths.masks import Vector
from cryofocus.workflows.classify.groundwork import Groundwork
from cryofocus.workflows.classify.request import ClassifyRequest


@dataclass(frozen=True, eq=False)
class Inputs:
    """Particles, the region in focus and the maps given, on one grid.

    Attributes:
        particles: The particle set.
        mask: The region in focus; that of the particle for a strategy without one, and where the
            region is yet to be found.
        solvent: Mask that the consensus is multiplied by, or None.
        references: Maps to start from, one per class, or none.
        scaffold: Region that class maps are held together by, or None.
    """

    particles: ParticleSet
    mask: FocusMask
    solvent: FocusMask | None = None
    references: tuple[Float32[np.ndarray, "box box box"], ...] = ()
    scaffold: FocusMask | None = None


def read_inputs(request: ClassifyRequest, groundwork: Groundwork | None = None) -> Inputs:
    """Read the particle table and the region, and check that everything fits together.

    Args:
        request: What to read.
        groundwork: With the particles, if they were read before.

    Raises:
        InputError: When a file cannot be used, or particles, images, region and settings disagree.
    """
    particles = (groundwork or Groundwork()).read(request).particles
    n_classes = request.settings.least_classes
    if len(particles) < 2 * n_classes:
        raise SettingError(
            f"classes: {n_classes} asked for, but {request.particles} holds only "
            f"{len(particles)} particle{'s' if len(particles) > 1 else ''}; expected at least two "
            "per class. Ask for fewer classes or give more particles."
        )
    grid = (particles.box, particles.pixel_size_angstrom)
    references = tuple(read_density_on_grid(path, *grid) for path in request.references)
    origin = (0.0, 0.0, 0.0) if request.map is None else _read_origin(request.map, *grid)
    solvent, scaffold, mask = (
        None if path is None else FocusMask.from_file(path, *grid)
        for path in (request.solvent_mask, request.scaffold, request.mask)
    )
    soft_edge, strategy = (
        request.settings.soft_edge_angstrom,
        request.settings.method,
    )
    if isinstance(request.focus, tuple):
        mask = FocusMask.from_sphere(
            request.focus, *grid, soft_edge_angstrom=soft_edge, origin_angstrom=origin
        )
    elif request.mask is None:
        mask = solvent or FocusMask.whole(*grid, soft_edge_angstrom=soft_edge)
    assert mask is not None
    if strategy.needs_outside and request.focus != AUTO:
        mask.require_outside()
    return Inputs(particles, mask, solvent, references, scaffold)


def _read_origin(path: Path, box: int, pixel_size_angstrom: float) -> Vector:
    """Read where the first voxel of a map lies, in whose frame a sphere is given.

    Raises:
        RegionError: When the map is no box of the particles', and its header does not say where
            it was cut from.
    """
    density = read_volume(path)
    extent = max(density.data.shape) * (density.voxel_size_angstrom or pixel_size_angstrom)
    wanted = box * pixel_size_angstrom
    is_same = abs(extent - wanted) <= pixel_size_angstrom
    if not is_same and not any(density.origin_angstrom):
        raise RegionError(
            f"{path}: a box of {extent:.0f} Å that starts at 0, while the particles have one of "
            f"{wanted:.0f} Å; coordinates read in one are not those of the other. Give a map on "
            "the particles' box, or one whose header says where it begins."
        )
    return density.origin_angstrom
