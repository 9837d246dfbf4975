"""The focused likelihood from its definition: direct sums in double precision, no shortcuts.

Nothing here calls the package; its classes serve as containers of parameters only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cryofocus.maths.ctf import CtfParameters, Microscope

PLANCK = 6.62607015e-34
ELECTRON_MASS = 9.1093837015e-31
ELEMENTARY_CHARGE = 1.602176634e-19
LIGHT_SPEED = 299_792_458.0


@dataclass(frozen=True)
class Plane:
    """All frequencies of a square image, x fastest, in 1/Å, and their rounded radii."""

    box: int
    fx: np.ndarray
    fy: np.ndarray
    radius: np.ndarray

    @classmethod
    def of(cls, box: int, pixel_size: float) -> Plane:
        """Return the plane of images of a box."""
        k = np.arange(box) - box // 2
        ky, kx = np.meshgrid(k, k, indexing="ij")
        step = 1 / (box * pixel_size)
        return cls(box, kx * step, ky * step, np.rint(np.sqrt(kx**2 + ky**2)))


def transform(image: np.ndarray) -> np.ndarray:
    """Sum an image against every plane wave of the full plane, phase origin at its centre."""
    box = len(image)
    k = np.arange(box) - box // 2
    wave = np.exp(-2j * np.pi * np.outer(k, k) / box)
    return np.asarray(wave @ image.astype(np.float64) @ wave.T)


def wavelength(voltage_kilovolt: float) -> float:
    """De Broglie wavelength in Å from the constants of nature."""
    energy = ELEMENTARY_CHARGE * voltage_kilovolt * 1e3
    relativistic = 1 + energy / (2 * ELECTRON_MASS * LIGHT_SPEED**2)
    return 1e10 * PLANCK / math.sqrt(2 * ELECTRON_MASS * energy * relativistic)


def contrast(
    parameters: CtfParameters, i: int, microscope: Microscope, f: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """-sin(gamma) of RELION's definition, with envelope and scale, at specimen frequencies."""
    fx, fy = f
    s2 = fx**2 + fy**2
    lam = wavelength(microscope.voltage_kilovolt)
    u, v = parameters.defocus_u_angstrom[i], parameters.defocus_v_angstrom[i]
    angle = np.arctan2(fy, fx) - math.radians(parameters.defocus_angle_degrees[i])
    defocus = (u + v) / 2 + (u - v) / 2 * np.cos(2 * angle)
    q0 = microscope.amplitude_contrast
    gamma = (
        -math.pi * lam * defocus * s2
        + math.pi / 2 * microscope.spherical_aberration_mm * 1e7 * lam**3 * s2**2
        - math.atan(q0 / math.sqrt(1 - q0**2))
        - math.radians(parameters.phase_shift_degrees[i])
    )
    envelope = np.exp(-parameters.b_factor_square_angstrom[i] * s2 / 4)
    return np.asarray(-np.sin(gamma) * envelope * parameters.ctf_scale[i])


def odd_phase(microscope: Microscope, f: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Phase factor of beam tilt and of the third odd coefficient, s^3 sin(3 azimuth)."""
    fx, fy = f
    tilt_x, tilt_y = (1e-3 * t for t in microscope.beam_tilt_mrad)
    lam = wavelength(microscope.voltage_kilovolt)
    strength = 2 * math.pi * microscope.spherical_aberration_mm * 1e7 * lam**2
    phase = -strength * (fx**2 + fy**2) * (fx * tilt_x + fy * tilt_y)
    if microscope.odd_zernike:
        phase = phase + microscope.odd_zernike[2] * (3 * fx**2 * fy - fy**3)
    return np.asarray(np.exp(1j * phase))


def specimen(microscope: Microscope, plane: Plane) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies of the specimen that an anisotropic magnification brings to the plane's."""
    (a, b), (c, d) = microscope.magnification_matrix
    return a * plane.fx + b * plane.fy, c * plane.fx + d * plane.fy


def project(
    points: np.ndarray, values: np.ndarray, rotation: np.ndarray, f: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Sum the plane waves of point densities (x, y, z in Å) seen along a pose."""
    places = points @ rotation[:2].T
    phase = np.multiply.outer(f[0], places[:, 0]) + np.multiply.outer(f[1], places[:, 1])
    return np.asarray(np.exp(-2j * np.pi * phase) @ values)


def image_of(
    slices: np.ndarray,
    imaging: tuple[CtfParameters, int, Microscope],
    shift: np.ndarray,
    plane: Plane,
) -> np.ndarray:
    """Image transform of a central slice: CTF, aberration, particle at minus its origin."""
    f = specimen(imaging[2], plane)
    displaced = np.exp(2j * np.pi * (plane.fx * shift[0] + plane.fy * shift[1]))
    return np.asarray(slices * contrast(*imaging, f) * odd_phase(imaging[2], f) * displaced)


def log_likelihood(
    image: np.ndarray, model: np.ndarray, variance: np.ndarray, in_band: np.ndarray
) -> float:
    """Gaussian log-likelihood up to its constant; mates are one coefficient, hence the half."""
    misfit = np.abs(image - model) ** 2 / variance
    return float(-0.5 * misfit[in_band].sum())
