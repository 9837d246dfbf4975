"""Contrast transfer function and the phase aberrations beside it.

Sign: protein is white, `ctf = sin(chi)` with
`chi = pi lambda dz s^2 - pi/2 Cs lambda^3 s^4 + phase shift + arcsin(w) - even aberrations`,
so that CTF(0) = +w, the amplitude contrast. Underfocus is positive. The defocus angle runs from +x
to the U axis; at azimuth a the defocus is `(U+V)/2 + (U-V)/2 cos(2 (a - angle))`.

Aberrations use RELION's coefficients: unnormalised Zernike polynomials of the spatial frequency
in 1/Å, in the order of increasing radial degree, phases in radians. An anisotropic magnification M
carries the frequency f of the image to `M f`, the frequency at which the specimen was sampled;
CTF, aberrations and projections are all evaluated there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from jaxtyping import Complex, Float, Int

from cryofocus.maths.grids import FrequencyGrid, frequency_grid_2d
from cryofocus.placement import Array, Send, is_on_host, namespace, stay
from cryofocus.units import (
    ANGSTROM_PER_MILLIMETRE,
    RADIAN_PER_MILLIRADIAN,
    electron_wavelength_angstrom,
)

ZernikeDegrees = Callable[[int], tuple[int, int]]
IDENTITY = ((1.0, 0.0), (0.0, 1.0))
# Images evaluated at a time: their phases stay in the processor's cache.
CHUNK = 64


@dataclass(frozen=True, eq=False)
class CtfParameters:
    """What differs between particles; every field is a float64 array (n,).

    Attributes:
        defocus_u_angstrom: Underfocus along the first principal axis.
        defocus_v_angstrom: Underfocus along the second.
        defocus_angle_degrees: From +x to the U axis (`rlnDefocusAngle`).
        phase_shift_degrees: Of a phase plate.
        b_factor_square_angstrom: Envelope `exp(-B s^2 / 4)`.
        ctf_scale: Multiplies the CTF.
    """

    defocus_u_angstrom: Float[np.ndarray, " n"]
    defocus_v_angstrom: Float[np.ndarray, " n"]
    defocus_angle_degrees: Float[np.ndarray, " n"]
    phase_shift_degrees: Float[np.ndarray, " n"]
    b_factor_square_angstrom: Float[np.ndarray, " n"]
    ctf_scale: Float[np.ndarray, " n"]

    def __post_init__(self) -> None:
        shapes = {getattr(self, field.name).shape for field in fields(self)}
        if len(shapes) != 1:
            raise ValueError(f"CTF parameters of different shapes {shapes}; expected one (n,)")

    def __len__(self) -> int:
        """Count the particles."""
        return len(self.defocus_u_angstrom)

    def take(self, indices: Int[np.ndarray, " m"]) -> CtfParameters:
        """Parameters of chosen particles, in the order asked for."""
        return CtfParameters(*(getattr(self, field.name)[indices] for field in fields(self)))


@dataclass(frozen=True)
class Microscope:
    """What an optics group shares.

    Attributes:
        voltage_kilovolt: Acceleration voltage.
        spherical_aberration_mm: Cs.
        amplitude_contrast: The share w of amplitude contrast (0 to 1).
        beam_tilt_mrad: x, y (`rlnBeamTiltX/Y`).
        odd_zernike: Coefficients (`rlnOddZernike`).
        even_zernike: Coefficients (`rlnEvenZernike`).
        magnification_matrix: M of the module's docstring (`rlnMagMat00` to `rlnMagMat11`).
    """

    voltage_kilovolt: float
    spherical_aberration_mm: float
    amplitude_contrast: float
    beam_tilt_mrad: tuple[float, float] = (0.0, 0.0)
    odd_zernike: tuple[float, ...] = ()
    even_zernike: tuple[float, ...] = ()
    magnification_matrix: tuple[tuple[float, float], tuple[float, float]] = IDENTITY

    def __post_init__(self) -> None:
        if not self.voltage_kilovolt > 0:
            raise ValueError(f"voltage {self.voltage_kilovolt} kV; expected a positive number")
        if not 0 <= self.amplitude_contrast <= 1:
            raise ValueError(f"amplitude contrast {self.amplitude_contrast}; expected 0 to 1")

    @property
    def wavelength_angstrom(self) -> float:
        """Relativistic wavelength of the electrons."""
        return electron_wavelength_angstrom(self.voltage_kilovolt)

    @property
    def has_odd_aberrations(self) -> bool:
        """Whether beam tilt or odd Zernike terms differ from zero."""
        return any(self.beam_tilt_mrad) or any(self.odd_zernike)


NO_CTF = Microscope(voltage_kilovolt=300.0, spherical_aberration_mm=0.0, amplitude_contrast=1.0)
"""Where nothing is defocused, its CTF is 1 at every frequency."""


def specimen_frequencies(
    microscope: Microscope, box: int, pixel_size_angstrom: float
) -> FrequencyGrid:
    """Frequencies `M f` at which the specimen was sampled, for the grid f of a half transform.

    Returns:
        fx: Along x, in 1/Å; the image's own grid if the magnification is isotropic.
        fy: Along y.
    """
    fx, fy = (f.astype(np.float64) for f in frequency_grid_2d(box, pixel_size_angstrom))
    (m00, m01), (m10, m11) = microscope.magnification_matrix
    return m00 * fx + m01 * fy, m10 * fx + m11 * fy


def evaluate_ctf(
    parameters: CtfParameters,
    microscope: Microscope,
    box: int,
    pixel_size_angstrom: float,
    *,
    send: Send = stay,
) -> Float[Array, "n box half"]:
    """CTF of every particle of one optics group.

    Args:
        parameters: Of n particles.
        microscope: Of their optics group.
        box: Edge of the images in pixels.
        pixel_size_angstrom: Å per pixel.
        send: Brings arrays to where the CTF shall lie.

    Returns:
        Real CTF with envelope and scale; odd aberrations are in `aberration_phase`.
    """
    basis = phase_basis(microscope, box, pixel_size_angstrom)
    ctf = ctf_on(basis, parameters, microscope, send=send)
    return namespace(ctf).reshape(ctf, (len(parameters), box, box // 2 + 1))


def ctf_on(
    basis: Float[np.ndarray, "5 point"],
    parameters: CtfParameters,
    microscope: Microscope,
    *,
    send: Send = stay,
) -> Float[Array, "n point"]:
    """Return what `evaluate_ctf` does at the points of a basis only; see `phase_basis`."""
    basis = send(basis)
    coefficients = send(_phase_coefficients(parameters, microscope))
    b_factor = parameters.b_factor_square_angstrom.astype(np.float32)
    scale = parameters.ctf_scale.astype(np.float32)
    has_envelope, is_scaled = b_factor.any(), (scale != 1).any()
    decay, factor = send(-0.25 * b_factor[:, None]), send(scale[:, None])
    xp, chunks = namespace(basis), []
    for start in range(0, max(len(parameters), 1), CHUNK):
        rows = slice(start, min(start + CHUNK, len(parameters)))
        ctf = _sines(coefficients[rows, :], basis)
        if has_envelope:
            ctf *= xp.exp(decay[rows, :] * basis[0:1, :])
        if is_scaled:
            ctf *= factor[rows, :]
        chunks.append(ctf)
    return chunks[0] if len(chunks) == 1 else xp.concat(chunks)


def aberration_phase(
    microscope: Microscope, box: int, pixel_size_angstrom: float
) -> Complex[np.ndarray, "box half"] | None:
    """Phase factor of the odd aberrations, what multiplies a projection beside the real CTF.

    Beam tilt of t rad delays the phase by `2 pi Cs lambda^2 s^2 (s.t)` (third-order coma).

    Returns:
        None if the optics group has neither beam tilt nor odd Zernike terms.
    """
    if not microscope.has_odd_aberrations:
        return None
    fx, fy = specimen_frequencies(microscope, box, pixel_size_angstrom)
    tilt_x, tilt_y = (t * RADIAN_PER_MILLIRADIAN for t in microscope.beam_tilt_mrad)
    cs_angstrom = microscope.spherical_aberration_mm * ANGSTROM_PER_MILLIMETRE
    coma = 2 * math.pi * cs_angstrom * microscope.wavelength_angstrom**2
    phase = -coma * (fx**2 + fy**2) * (fx * tilt_x + fy * tilt_y)
    phase += zernike_sum(microscope.odd_zernike, odd_zernike_degrees, fx, fy)
    return np.asarray(np.exp(1j * phase).astype(np.complex64))


def even_zernike_degrees(index: int) -> tuple[int, int]:
    """Degrees (m, n) of an even coefficient: azimuthal m = -n ... n, radial n = 0, 2, 4, ..."""
    half = math.isqrt(index)
    return 2 * (index - half * half - half), 2 * half


def odd_zernike_degrees(index: int) -> tuple[int, int]:
    """Degrees (m, n) of an odd coefficient: azimuthal m = -n ... n, radial n = 1, 3, 5, ..."""
    half = (math.isqrt(1 + 4 * index) - 1) // 2
    degree = 2 * half + 1
    return 2 * (index - half * (half + 1)) - degree, degree


def zernike_sum(
    coefficients: tuple[float, ...],
    degrees: ZernikeDegrees,
    x: Float[np.ndarray, "box half"],
    y: Float[np.ndarray, "box half"],
) -> Float[np.ndarray, "box half"]:
    """Sum of unnormalised Zernike polynomials at points x, y (not limited to the unit disc).

    Args:
        coefficients: One for each index.
        degrees: `even_zernike_degrees` or `odd_zernike_degrees`.
        x: Coordinates along x.
        y: Coordinates along y.

    Returns:
        Terms of negative m go with sin(|m| azimuth), others with cos(m azimuth).
    """
    radius, azimuth = np.hypot(x, y), np.arctan2(y, x)
    total: np.ndarray = np.zeros_like(radius)
    for index, coefficient in enumerate(coefficients):
        if coefficient:
            m, n = degrees(index)
            angular = np.cos(m * azimuth) if m >= 0 else np.sin(-m * azimuth)
            total += coefficient * _zernike_radial(abs(m), n, radius) * angular
    return total


def _zernike_radial(m: int, n: int, radius: np.ndarray) -> np.ndarray:
    """Radial Zernike polynomial R_n^m; Born and Wolf, Principles of Optics, section 9.2.1."""
    total: np.ndarray = np.zeros_like(radius)
    for k in range((n - m) // 2 + 1):
        numerator = (-1) ** k * math.factorial(n - k)
        outer, inner = (n + m) // 2 - k, (n - m) // 2 - k
        denominator = math.factorial(k) * math.factorial(outer) * math.factorial(inner)
        total += numerator / denominator * radius ** (n - 2 * k)
    return total


def _phase_coefficients(parameters: CtfParameters, microscope: Microscope) -> np.ndarray:
    """Weights (n, 5) of s^2, fx^2-fy^2, 2 fx fy, the group's own phase and 1 in the phase chi."""
    u, v = parameters.defocus_u_angstrom, parameters.defocus_v_angstrom
    twice_angle = 2 * np.radians(parameters.defocus_angle_degrees)
    scale = math.pi * microscope.wavelength_angstrom
    mean, astigmatism = scale * (u + v) / 2, scale * (u - v) / 2
    constant = np.radians(parameters.phase_shift_degrees) + math.asin(
        microscope.amplitude_contrast
    )
    columns = [
        mean,
        astigmatism * np.cos(twice_angle),
        astigmatism * np.sin(twice_angle),
        np.ones_like(mean),
        constant,
    ]
    return np.stack(columns, axis=-1).astype(np.float32)


@lru_cache(maxsize=8)
def phase_basis(
    microscope: Microscope, box: int, pixel_size_angstrom: float
) -> Float[np.ndarray, "5 pixel"]:
    """Return the functions of which phases chi are sums, on a half transform as one line.

    The first is s^2.
    """
    fx, fy = specimen_frequencies(microscope, box, pixel_size_angstrom)
    squared = fx**2 + fy**2
    basis = np.stack(
        [squared, fx**2 - fy**2, 2 * fx * fy, _fixed_phase(microscope, fx, fy), np.ones_like(fx)]
    )
    packed = basis.reshape(len(basis), -1).astype(np.float32)
    packed.setflags(write=False)
    return packed


def _sines(coefficients: Array, basis: Array) -> Array:
    """Return the sines (n, n_pixels) of sums of the basis."""
    if not is_on_host(basis):
        xp = namespace(basis)
        return xp.sin(xp.matmul(coefficients, basis))
    # Not matmul: BLAS threads that wait for each other cost more than this small product.
    phase = np.einsum("nk,kp->np", coefficients, basis)
    return np.sin(phase, out=phase)


def _fixed_phase(microscope: Microscope, fx: np.ndarray, fy: np.ndarray) -> np.ndarray:
    """Spherical aberration and even Zernike terms: the phase all particles of a group share."""
    cs_angstrom = microscope.spherical_aberration_mm * ANGSTROM_PER_MILLIMETRE
    cubed = microscope.wavelength_angstrom**3
    phase = -math.pi / 2 * cs_angstrom * cubed * (fx**2 + fy**2) ** 2
    return np.asarray(phase - zernike_sum(microscope.even_zernike, even_zernike_degrees, fx, fy))
