"""What a table of particles says that is possible, but hardly meant: units, and parts of others.

A table may be joined from two, of which one has other units or was never refined; its numbers then
fall into two kinds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float

from cryofocus.data.optics import OpticsGroup
from cryofocus.data.particle_table import ParticleColumns
from cryofocus.maths.ctf import NO_CTF

# Radians taken for degrees are at most this.
LARGEST_RADIANS = float(np.pi)
# Angles of all directions spread by more than this, and are at most twice this.
SPREAD_RADIANS = float(np.pi) / 2
# Turned about all three axes by as much.
TURNED_BY_RADIANS_DEGREES = 6.0
# Astigmatism of a microscope that is hardly aligned at all.
LARGEST_ASTIGMATISM_ANGSTROM = 10000.0
# No image is taken closer to focus; without a phase plate hardly any set is on average.
LEAST_DEFOCUS_ANGSTROM, USUAL_DEFOCUS_ANGSTROM, FAR_DEFOCUS_ANGSTROM = 20.0, 4000.0, 1000.0
# Between the largest defocus of one kind and the smallest of the other, and between their medians.
GAP, APART = 2.0, 5.0
# Microscopes for biological specimens.
USUAL_KILOVOLT, USUAL_CS_MM, LARGEST_CONTRAST, LARGEST_TILT_MRAD = (60, 1500), (0.005, 10), 0.5, 10
LARGEST_STRETCH = 0.1
# What says something of a set, and part of it that is no accident.
MANY, PART, FEW, FEWEST = 20, 0.1, 5, 2
PARTICLES_PER_GROUP = 10


def doubts_of_table(columns: ParticleColumns) -> list[str]:
    """Say what is hardly meant of CTFs and optics groups."""
    used = [columns.optics[index] for index in np.unique(columns.optics_of_particle).tolist()]
    shows = any(group.microscope != NO_CTF for group in used)
    defocus = columns.ctf.defocus_u_angstrom[: len(columns.rotation) if shows else 0]
    return [*_of_ctf(columns), *_of_defocus(defocus), *_of_optics(used)] + (
        [
            f"{len(used)} optics groups for {len(columns.rotation)} particles; noise is measured "
            "per group. Where the optics differ by rounding only, give them one value"
        ]
        if len(used) > MANY and len(columns.rotation) < PARTICLES_PER_GROUP * len(used)
        else []
    )


def doubts_of_views(rotation: Float[np.ndarray, "n 3 3"]) -> list[str]:
    """Say what is hardly meant of poses.

    Args:
        rotation: Of all particles.
    """
    n = len(rotation)
    if n < MANY:
        return []
    said = []
    kinds = rotation[:, 0, 0] + 3.0 * rotation[:, 1, 1] + 7.0 * rotation[:, 2, 0]
    _, first, index, counts = np.unique(
        kinds, return_index=True, return_inverse=True, return_counts=True
    )
    common = int(np.argmax(counts))
    is_same = (index == common) & (rotation == rotation[first[common]]).all(axis=(1, 2))
    if is_same.all():
        return ["all particles have one and the same pose, which makes no map; refine them"]
    if _is_part(is_same):
        said.append(f"{is_same.sum()} of {n} particles have one and the same pose; refine them")
    along = rotation[:, 2, 2]
    is_flat = (along > 1 - 1e-12) & ~is_same
    if _is_part(is_flat):
        said.append(
            f"{is_flat.sum()} of {n} particles have rot and tilt 0, as 2-D classification leaves "
            "them; refine them"
        )
    turned = (np.trace(rotation, axis1=1, axis2=2) - 1) / 2
    is_little = (turned > np.cos(np.radians(TURNED_BY_RADIANS_DEGREES))) & ~is_same & ~is_flat
    if _is_part(is_little):
        said.append(
            f"{is_little.sum()} of {n} particles are turned by less than "
            f"{TURNED_BY_RADIANS_DEGREES:.0f} degrees; angles in radians look like this"
        )
    if (along > np.cos(np.radians(LARGEST_RADIANS + 0.5))).all():
        said.append(
            "all views lie within 4 degrees of one direction, which makes no map; a tilt in "
            "radians looks like this"
        )
    return said


def _is_part(chosen: Bool[np.ndarray, " n"]) -> bool:
    """Whether some particles are many, but not all."""
    return bool(max(FEW, PART * len(chosen)) <= chosen.sum() < len(chosen))


def _of_ctf(columns: ParticleColumns) -> Iterator[str]:
    phase, defocus = columns.ctf.phase_shift_degrees, columns.ctf.defocus_u_angstrom
    largest = float(phase.max(initial=0))
    if 0 < largest <= LARGEST_RADIANS:
        yield (
            f"phase shifts of at most {largest:.2f} degrees, next to none; if they are in "
            "radians, multiply them by 57.3"
        )
    usual = float(np.median(np.abs(defocus))) if len(defocus) else 0.0
    if LEAST_DEFOCUS_ANGSTROM <= usual < USUAL_DEFOCUS_ANGSTROM and not phase.any():
        yield (
            f"defoci of {usual:.0f} Å on average, closer to focus than most without a phase "
            "plate; if they are in nm, multiply them by 10"
        )
    astigmatism = np.abs(columns.ctf.defocus_v_angstrom - defocus)
    angle = columns.ctf.defocus_angle_degrees[astigmatism > 0]
    if len(np.unique(angle)) >= MANY and np.ptp(angle) > SPREAD_RADIANS >= np.abs(angle).max() / 2:
        yield (
            f"defocus angles of {angle.min():.2f} to {angle.max():.2f} degrees; if they are in "
            "radians, multiply them by 57.3"
        )
    if n := int((astigmatism > LARGEST_ASTIGMATISM_ANGSTROM).sum()):
        yield (
            f"{n} of {len(astigmatism)} particles have two defoci that differ by up to "
            f"{float(astigmatism.max()):.0f} Å; microscopes are aligned better than that"
        )
    if n := int((columns.ctf.ctf_scale < 0).sum()):
        yield f"{n} scale factors of the CTF are negative, which inverts these images"
    if n := int((columns.ctf.b_factor_square_angstrom < 0).sum()):
        yield f"{n} B factors of the CTF are negative, which lets it grow with frequency"


def _of_defocus(defocus: Float[np.ndarray, " n"]) -> Iterator[str]:
    """Compare the defoci of particles with each other."""
    n, size = len(defocus), np.abs(defocus)
    is_over = defocus < 0
    if n and is_over.all():
        yield (
            "all defoci are negative, which means overfocus; if underfocus is meant, change "
            "their signs"
        )
    elif is_over.any() and min(map(np.median, (size[is_over], size[~is_over]))) > (
        FAR_DEFOCUS_ANGSTROM
    ):
        yield f"{is_over.sum()} of {n} defoci are negative, which means overfocus"
    zeros = int((size == 0).sum())
    if n and zeros == n:
        yield "all defoci are 0; if the images show no CTF, give --ctf none"
    elif zeros:
        yield f"{zeros} of {n} defoci are 0; where they were not measured, remove these particles"
    ordered = np.sort(size[size > 0])
    if len(ordered) < MANY:
        return
    ratio = ordered[1:] / ordered[:-1]
    at = 1 + int(np.argmax(ratio))
    low, high = float(np.median(ordered[:at])), float(np.median(ordered[at:]))
    if ratio[at - 1] > GAP and high > APART * low and FEWEST <= at <= len(ordered) - FEWEST:
        yield (
            f"{at} of {n} defoci are {low:.0f} Å on average, the others {high:.0f} Å; if the two "
            "have different units, correct them"
        )


def _of_optics(optics: Sequence[OpticsGroup]) -> Iterator[str]:
    for group in optics:
        scope, name = group.microscope, f"optics group {group.number}"
        low, high = USUAL_KILOVOLT
        if not low <= scope.voltage_kilovolt <= high:
            yield f"{name}: a voltage of {scope.voltage_kilovolt:g} kV; most have 100 to 300"
        least, most = USUAL_CS_MM
        cs = abs(scope.spherical_aberration_mm)
        if cs > most or 0 < cs < least:
            hint = "; if it is in m, multiply it by 1,000" if cs < least else ""
            yield f"{name}: a spherical aberration of {cs:g} mm; most have 0.01 to 5{hint}"
        if scope.amplitude_contrast > LARGEST_CONTRAST and scope != NO_CTF:
            yield (
                f"{name}: an amplitude contrast of {scope.amplitude_contrast:g}; most have 0.07 "
                "to 0.2"
            )
        stretch = float(np.abs(np.array(scope.magnification_matrix) - np.eye(2)).max())
        if stretch > LARGEST_STRETCH:
            yield (
                f"{name}: a magnification matrix that changes images by {100 * stretch:.0f} %; "
                "most change them by less than 2 %"
            )
        tilt = float(np.hypot(*scope.beam_tilt_mrad))
        if tilt > LARGEST_TILT_MRAD:
            yield f"{name}: a beam tilt of {tilt:.3g} mrad; most have less than 1"
