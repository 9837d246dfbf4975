"""cryoSPARC's aberrations, and what of them RELION's coefficients say as well.

cryoSPARC gives the third-order terms as lengths in the wave aberration
`2 pi lambda^2 s^3 (tilt cos a + trefoil/3 cos 3a)`, with sines for the second components: a beam
tilt t gives `tilt_A = Cs sin t`. In RELION's sign the odd phase is minus this. `anisomag` is the
matrix of the magnification, in frequency space, less the identity. The fourth-order `tetra_A` and
the `shift_A` of the image have no published sign: they are kept in the file and not used.
Sources: discuss.cryosparc.com/t/17411 (tilt); asarnow/pyem (tilt, its sign); the prefactors are
those of the wave aberration in Haider's notation.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from cryofocus.maths.ctf import Microscope
from cryofocus.units import ANGSTROM_PER_MILLIMETRE, RADIAN_PER_MILLIRADIAN

Pair = tuple[float, float]
# Places of sin 3a and cos 3a among the odd Zernike coefficients.
TREFOIL_SIN, TREFOIL_COS, N_ODD = 2, 5, 6


def make_microscope(
    base: Microscope, tilt_angstrom: Pair, trefoil_angstrom: Pair, anisomag: tuple[float, ...]
) -> Microscope:
    """Add aberrations, as `ctf/tilt_A`, `ctf/trefoil_A` and `ctf/anisomag` say them.

    Raises:
        ValueError: If there is a tilt that the spherical aberration cannot explain.
    """
    odd: tuple[float, ...] = ()
    if any(trefoil_angstrom):
        factor = _trefoil_factor(base)
        coefficients = [0.0] * N_ODD
        coefficients[TREFOIL_COS] = factor * trefoil_angstrom[0]
        coefficients[TREFOIL_SIN] = factor * trefoil_angstrom[1]
        odd = tuple(coefficients)
    m00, m01, m10, m11 = anisomag
    return Microscope(
        base.voltage_kilovolt,
        base.spherical_aberration_mm,
        base.amplitude_contrast,
        beam_tilt_mrad=_tilt_mrad(base, tilt_angstrom),
        odd_zernike=odd,
        magnification_matrix=((1 + m00, m01), (m10, 1 + m11)),
    )


def tilt_angstrom(microscope: Microscope) -> Pair:
    """Give `ctf/tilt_A` of a beam tilt."""
    cs = microscope.spherical_aberration_mm * ANGSTROM_PER_MILLIMETRE
    x, y = (cs * math.sin(t * RADIAN_PER_MILLIRADIAN) for t in microscope.beam_tilt_mrad)
    return x, y


def trefoil_angstrom(microscope: Microscope) -> Pair:
    """Give `ctf/trefoil_A` of the threefold odd Zernike terms."""
    odd = microscope.odd_zernike + (0.0,) * N_ODD
    factor = _trefoil_factor(microscope)
    return odd[TREFOIL_COS] / factor, odd[TREFOIL_SIN] / factor


def anisomag(microscope: Microscope) -> Float[np.ndarray, " 4"]:
    """Give `ctf/anisomag`."""
    return np.ravel(np.array(microscope.magnification_matrix) - np.eye(2))


def describe_lost_aberrations(microscope: Microscope) -> list[str]:
    """Name the aberrations for which cryoSPARC's fields have no known place."""
    lost = []
    others = [
        c for i, c in enumerate(microscope.odd_zernike) if i not in (TREFOIL_SIN, TREFOIL_COS)
    ]
    if any(others):
        lost.append("odd Zernike terms other than trefoil")
    if any(microscope.even_zernike):
        lost.append("even Zernike terms")
    return lost


def _tilt_mrad(base: Microscope, tilt: Pair) -> Pair:
    if not any(tilt):
        return 0.0, 0.0
    cs = base.spherical_aberration_mm * ANGSTROM_PER_MILLIMETRE
    if not abs(cs) > max(abs(tilt[0]), abs(tilt[1])):
        raise ValueError(
            f"a beam tilt of {max(map(abs, tilt)):.4g} Å cannot come from a spherical aberration "
            f"of {base.spherical_aberration_mm:g} mm"
        )
    x, y = (math.asin(t / cs) / RADIAN_PER_MILLIRADIAN for t in tilt)
    return x, y


def _trefoil_factor(microscope: Microscope) -> float:
    """Radians times Å^3 of one Å of trefoil, in RELION's sign."""
    return -2 * math.pi / 3 * microscope.wavelength_angstrom**2
