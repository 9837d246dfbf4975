"""What a table may have meant instead: the same images, told with other numbers.

Each is a factor on what the table says. Some are tried only lest they be taken for a mistake:
shifts that are merely inaccurate fit better when they are smaller, whatever their unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cryofocus.consensus.images import ParticleImages
from cryofocus.data.particles import ParticleSet
from cryofocus.maths.ctf import CtfParameters, Microscope

Kind = Literal["set", "optics group", "micrograph"]
Fault = Literal["defocus", "defocus angle", "astigmatism", "pixel size", "shift", "pose"]
Change = Callable[[ParticleSet, float], ParticleSet]

# Factors tried on what the table says. Tenfold errors are units taken for others, and -1 a sign.
DEFOCUS_FACTORS = (-1.0, 0.1, 0.5, 0.6, 0.71, 0.8, 0.9, 1.1, 1.25, 1.4, 1.7, 2.0, 10.0)
DEGREES_PER_RADIAN = float(np.degrees(1.0))
# Of a group among others.
PIXEL_FACTORS = (0.93, 0.95, 0.97, 0.98, 0.99, 1.01, 1.02, 1.03, 1.05, 1.07)
# Of all images: binned, or cut, after the pixel size was noted.
BINNINGS = (0.25, 1 / 3, 0.5, 2 / 3, 1.5, 2.0, 3.0, 4.0)
# Where pixels are about 1 Å, so are shifts in pixels; and shifts that are somewhat smaller may as
# well be better guesses.
LEAST_UNIT, SMALL_UNIT = 1.2, 1 / 3
# Those of larger pixels among them. What is this close to a unit is it.
SAME_FACTOR = 0.1
PARTS_OF_SHIFTS = (0.0, 0.25, 1 / 3, 0.5, 2 / 3, 0.8)


@dataclass(frozen=True)
class Alternative:
    """One thing that a table may have meant.

    Attributes:
        fault: What would be otherwise.
        factor: By which the table's value is multiplied.
        change: Gives the particles told so.
        is_mistake: Whether somebody may have meant it. If not, and it fits best, nothing is known.
    """

    fault: Fault
    factor: float
    change: Change
    is_mistake: bool = True

    def tell(self, images: ParticleImages) -> ParticleImages:
        """Return images told so; their pixels stay as they are."""
        return replace(images, particles=self.change(images.particles, self.factor))


def alternatives(kind: Kind, pixel_size_angstrom: float) -> Iterator[Alternative]:
    """Yield what the table may mean of a group, or of all images.

    Args:
        kind: What the group is.
        pixel_size_angstrom: Of its images in the files, by which shifts may be off.
    """
    for factor in DEFOCUS_FACTORS:
        yield Alternative("defocus", factor, with_defocus)
    for factor in (-1.0, DEGREES_PER_RADIAN):
        yield Alternative("defocus angle", factor, with_defocus_angle)
    yield Alternative("astigmatism", -1.0, with_astigmatism)
    if kind == "set":
        # The map is made of these images, and as large in pixels as they are. Where the table
        # gives shifts in pixels, these are right.
        for factor in BINNINGS:
            yield Alternative("pixel size", factor, with_pixels_of_all)
            yield Alternative("pixel size", factor, with_frequencies)
    else:
        for factor in PIXEL_FACTORS:
            yield Alternative("pixel size", factor, with_pixel_size)
    yield from _of_shifts(pixel_size_angstrom)


def _of_shifts(pixel_size_angstrom: float) -> Iterator[Alternative]:
    units = [
        unit
        for unit in (pixel_size_angstrom, 1 / pixel_size_angstrom)
        if unit > LEAST_UNIT or unit <= SMALL_UNIT
    ]
    for factor in (-1.0, *units):
        yield Alternative("shift", factor, with_shifts)
    guesses = {*PARTS_OF_SHIFTS, *(unit**power for unit in units for power in (0.5, 1.5))}
    for factor in sorted(guesses):
        if all(abs(factor / unit - 1) > SAME_FACTOR for unit in units):
            yield Alternative("shift", factor, with_shifts, is_mistake=False)


def with_shifts(particles: ParticleSet, factor: float) -> ParticleSet:
    """Return the particles with shifts multiplied by a factor."""
    return replace(particles, shift_angstrom=particles.shift_angstrom * factor)


def with_poses_of_others(particles: ParticleSet) -> ParticleSet:
    """Return the particles, each seen from where another is."""
    return replace(particles, rotation=np.roll(particles.rotation, len(particles) // 2, axis=0))


def with_defocus(particles: ParticleSet, factor: float) -> ParticleSet:
    """Return the particles with defoci multiplied by a factor."""
    ctf = particles.ctf
    defoci = (factor * ctf.defocus_u_angstrom, factor * ctf.defocus_v_angstrom)
    return replace(particles, ctf=_with_defoci(ctf, *defoci))


def with_pixel_size(particles: ParticleSet, factor: float) -> ParticleSet:
    """Return the particles with another pixel size, by way of their magnification."""
    return _with_microscopes(particles, lambda scope: _magnified(scope, 1 / factor))


def with_defocus_angle(particles: ParticleSet, factor: float) -> ParticleSet:
    """Return the particles with defocus angles multiplied by a factor."""
    ctf = particles.ctf
    angle = factor * ctf.defocus_angle_degrees
    return replace(particles, ctf=replace(ctf, defocus_angle_degrees=angle))


def with_astigmatism(particles: ParticleSet, factor: float) -> ParticleSet:
    """Return the particles with differences of their defoci multiplied by a factor."""
    ctf = particles.ctf
    mean = (ctf.defocus_u_angstrom + ctf.defocus_v_angstrom) / 2
    half = factor * (ctf.defocus_u_angstrom - ctf.defocus_v_angstrom) / 2
    return replace(particles, ctf=_with_defoci(ctf, mean + half, mean - half))


def with_pixels_of_all(particles: ParticleSet, factor: float) -> ParticleSet:
    """Return the particles with another pixel size, that of their map too."""
    return with_shifts(with_frequencies(particles, factor), 1 / factor)


def with_frequencies(particles: ParticleSet, factor: float) -> ParticleSet:
    """Return the particles with the CTFs that larger pixels have."""
    ctf = particles.ctf
    wider = replace(
        _with_defoci(ctf, ctf.defocus_u_angstrom / factor**2, ctf.defocus_v_angstrom / factor**2),
        b_factor_square_angstrom=ctf.b_factor_square_angstrom / factor**2,
    )
    return _with_microscopes(
        replace(particles, ctf=wider),
        lambda scope: replace(
            scope, spherical_aberration_mm=scope.spherical_aberration_mm / factor**4
        ),
    )


def _with_defoci(ctf: CtfParameters, u: np.ndarray, v: np.ndarray) -> CtfParameters:
    return replace(ctf, defocus_u_angstrom=u, defocus_v_angstrom=v)


def _with_microscopes(
    particles: ParticleSet, change: Callable[[Microscope], Microscope]
) -> ParticleSet:
    optics = tuple(
        replace(group, microscope=change(group.microscope)) for group in particles.optics
    )
    return replace(particles, optics=optics)


def _magnified(microscope: Microscope, factor: float) -> Microscope:
    (a, b), (c, d) = microscope.magnification_matrix
    matrix = ((a * factor, b * factor), (c * factor, d * factor))
    return replace(microscope, magnification_matrix=matrix)
