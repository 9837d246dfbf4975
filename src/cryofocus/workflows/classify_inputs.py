"""What `classify` reads, checked to fit together before anything is written."""

from __future__ import annotations

from dataclasses import dataclass

from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.data.volume import read_volume
from cryofocus.errors import SettingError
from cryofocus.workflows.classify_request import ClassifyRequest


@dataclass(frozen=True, eq=False)
class Inputs:
    """Particles and the region in focus, on one grid."""

    particles: ParticleSet
    mask: FocusMask


def read_inputs(request: ClassifyRequest) -> Inputs:
    """Read the particle table and the region, and check that everything fits together.

    Raises
    ------
    InputError
        When a file cannot be used, or particles, images, region and settings disagree.
    """
    particles = ParticleSet.read(
        request.particles, datadir=request.datadir, supplement=request.supplement
    )
    particles.check_images()
    n_classes = request.settings.n_classes
    if len(particles) < 2 * n_classes:
        raise SettingError(
            f"classes: {n_classes} asked for, but {request.particles} holds only "
            f"{len(particles)} particle{'s' if len(particles) > 1 else ''}; expected at least two "
            "a class. Ask for fewer classes or give more particles."
        )
    return Inputs(particles, read_mask(request, particles))


def read_mask(request: ClassifyRequest, particles: ParticleSet) -> FocusMask:
    """Draw the focus sphere or read the mask file on the particles' grid.

    Raises
    ------
    InputError
        When the map or mask cannot be read.
    RegionError
        When the region does not fit the particles.
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
