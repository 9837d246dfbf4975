"""From exact projections to particle images: noise, CTF, envelope, noise (docs/humanoid.md).

    image = CTF envelope (projection + first noise) + second noise

Both noise layers are white Gaussian and drawn in real space, so every Fourier coefficient has its
full, Hermitian-consistent statistics. With the unnormalised forward transform a layer of pixel
variance v has variance v box^2 a coefficient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex64, Float, Float32, Float64

from cryofocus.errors import SettingError
from cryofocus.maths.ctf import CtfParameters, Microscope, evaluate_ctf
from cryofocus.maths.fourier import forward_2d, hermitian_weights, inverse_2d
from cryofocus.simulate.phantom import Phantom
from cryofocus.simulate.projection import project_parts, project_states
from cryofocus.simulate.states import part_amplitudes

_CHUNK_PIXELS = 128 * 80 * 80
_CHUNK_PARTICLES = 128


@dataclass(frozen=True)
class Views:
    """How every particle was imaged; one row per particle.

    Attributes:
        euler_degrees: True rot, tilt, psi.
        rotation: The same poses as matrices A.
        shift_angstrom: True `rlnOriginX/YAngst`.
        ctf: CTF parameters, envelope included as the B factor.
    """

    euler_degrees: Float64[np.ndarray, "n 3"]
    rotation: Float64[np.ndarray, "n 3 3"]
    shift_angstrom: Float64[np.ndarray, "n 2"]
    ctf: CtfParameters

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.rotation)


@dataclass(frozen=True)
class Specimens(Views):
    """What every particle of a humanoid set truly is, and how it was imaged.

    Attributes:
        states: Columns `states.MOVING`.
    """

    states: Bool[np.ndarray, "n 6"]


@dataclass(frozen=True)
class Camera:
    """Sampling and optics common to a set.

    Attributes:
        box: Edge of the images in pixels.
        pixel_size_angstrom: Å per pixel.
        microscope: Voltage, spherical aberration, amplitude contrast.
    """

    box: int
    pixel_size_angstrom: float
    microscope: Microscope


@dataclass(frozen=True)
class NoiseLevels:
    """Pixel variances of the two noise layers.

    Attributes:
        before_ctf: Variance a of the layer that passes the CTF and the envelope.
        after_ctf: Variance b of the layer added last.
    """

    before_ctf: float
    after_ctf: float

    def coefficient_variance(
        self, ctf: Float32[np.ndarray, "n box half"], box: int
    ) -> Float32[np.ndarray, "n box half"]:
        """Variance of each Fourier coefficient of the noise, `box^2 (b + CTF^2 a)`."""
        scale = np.float32(box * box)
        after, before = np.float32(self.after_ctf), np.float32(self.before_ctf)
        return np.asarray(scale * (after + before * ctf * ctf))


@dataclass(frozen=True)
class SignalPower:
    """Means over a set that fix the noise levels.

    Attributes:
        before_ctf: Pixel variance of the noiseless images before CTF and envelope.
        after_ctf: The same after them.
        ctf_square: Mean square of CTF times envelope over all coefficients.
    """

    before_ctf: float
    after_ctf: float
    ctf_square: float


def chunks(n_particles: int, box: int) -> Iterator[slice]:
    """Yield consecutive ranges of particles, fewer at a time for larger images.

    Noise is seeded per chunk, so the ranges are part of what a seed means.
    """
    size = max(1, min(_CHUNK_PARTICLES, _CHUNK_PIXELS // box**2))
    for start in range(0, n_particles, size):
        yield slice(start, min(start + size, n_particles))


def project_chunk(
    phantom: Phantom, specimens: Specimens, camera: Camera, rows: slice
) -> Complex64[np.ndarray, "n parts box half"]:
    """Project all parts of the phantom at the true poses of some particles."""
    return project_parts(
        phantom,
        specimens.rotation[rows],
        specimens.shift_angstrom[rows],
        camera.box,
        camera.pixel_size_angstrom,
    )


def combine_parts(
    parts: Complex64[np.ndarray, "n parts box half"], states: Bool[np.ndarray, "n 6"]
) -> Complex64[np.ndarray, "n box half"]:
    """Sum the parts that each particle's state shows."""
    return np.asarray(np.einsum("np,npyx->nyx", part_amplitudes(states), parts))


def chunk_ctf(views: Views, camera: Camera, rows: slice) -> Float32[np.ndarray, "n box half"]:
    """CTF times envelope of some particles."""
    indices = np.arange(rows.start, rows.stop)
    optics = (camera.microscope, camera.box, camera.pixel_size_angstrom)
    return np.asarray(evaluate_ctf(views.ctf.take(indices), *optics))


def measure_signal(phantom: Phantom, specimens: Specimens, camera: Camera) -> SignalPower:
    """Measure the power of a phantom's noiseless images; see `measure_power`."""

    def project(rows: slice) -> Complex64[np.ndarray, "n box half"]:
        amplitudes = part_amplitudes(specimens.states[rows])
        pose = specimens.rotation[rows], specimens.shift_angstrom[rows]
        return project_states(phantom, amplitudes, pose, camera.box, camera.pixel_size_angstrom)

    return measure_power(project, specimens, camera)


def measure_power(
    project: Callable[[slice], Complex64[np.ndarray, "n box half"]], views: Views, camera: Camera
) -> SignalPower:
    """Measure the power of the noiseless images over the whole set and the whole image.

    Projections are before the CTF; variances are about each image's mean, averaged over the set.
    """
    box = camera.box
    weight = np.broadcast_to(hermitian_weights(box), (box, box // 2 + 1)).astype(np.float64)
    without_mean = weight.copy()
    without_mean[0, 0] = 0.0
    before = after = square = 0.0
    for rows in chunks(len(views), box):
        signal = project(rows)
        power = signal.real**2 + signal.imag**2
        ctf_square = chunk_ctf(views, camera, rows) ** 2
        before += float(np.sum(power * without_mean))
        after += float(np.sum(power * ctf_square * without_mean))
        square += float(np.sum(ctf_square * weight))
    n = len(views)
    return SignalPower(before / (n * box**4), after / (n * box**4), square / (n * box**2))


def unit_noise(power: SignalPower, snr: float, first_snr: float) -> tuple[float, NoiseLevels]:
    """Scale density and noise so that all noise together has a mean pixel variance of one.

    Returns:
        What to multiply the density by, and the pixel variances of the layers then.

    Raises:
        SettingError: As `noise_levels`.
    """
    levels = noise_levels(power, snr, first_snr)
    total = levels.before_ctf * power.ctf_square + levels.after_ctf
    scaled = NoiseLevels(levels.before_ctf / total, levels.after_ctf / total)
    return total**-0.5, scaled


def noise_levels(power: SignalPower, snr: float, first_snr: float) -> NoiseLevels:
    """Choose both layers so that the set has the requested signal-to-noise ratios.

    Args:
        power: Measured signal.
        snr: Final ratio: signal variance after CTF and envelope over the variance of all noise.
        first_snr: Ratio of the first layer: signal variance before the CTF over the layer's.

    Returns:
        Pixel variances in the units of the phantom.

    Raises:
        SettingError: If the first layer alone already exceeds all noise that `snr` allows.
    """
    before = power.before_ctf / first_snr
    after = power.after_ctf / snr - before * power.ctf_square
    if after <= 0.0:
        limit = power.after_ctf / (before * power.ctf_square)
        raise SettingError(
            f"snr: found {snr:g}, but the noise before the CTF (ratio {first_snr:g}) alone brings "
            f"it down to {limit:.3g}; ask for less than that"
        )
    return NoiseLevels(before_ctf=before, after_ctf=after)


def image_gains(
    signal: Complex64[np.ndarray, "n box half"],
    ctf: Float32[np.ndarray, "n box half"],
    noise: NoiseLevels,
    snr: float,
) -> Float32[np.ndarray, " n"]:
    """Return what to multiply each image's signal by so that it has its own signal-to-noise ratio.

    Args:
        signal: Half transforms of noiseless projections, before the CTF.
        ctf: CTF times envelope.
        noise: Of the set; it stays as it is.
        snr: Variance of an image's signal after CTF and envelope over that of its noise.
    """
    box = signal.shape[1]
    weight = np.broadcast_to(hermitian_weights(box), (box, box // 2 + 1)).astype(np.float64)
    without_mean = weight.copy()
    without_mean[0, 0] = 0.0
    ctf_square = ctf.astype(np.float64) ** 2
    power = (signal.real**2 + signal.imag**2) * ctf_square
    seen = (power * without_mean).sum(axis=(1, 2)) / box**4
    passed = (ctf_square * weight).sum(axis=(1, 2)) / box**2
    wanted = snr * (noise.after_ctf + noise.before_ctf * passed)
    return np.asarray(np.sqrt(wanted / seen), np.float32)


def form_images(
    signal: Complex64[np.ndarray, "n box half"],
    ctf: Float32[np.ndarray, "n box half"],
    noise: NoiseLevels,
    rng: np.random.Generator,
) -> Float32[np.ndarray, "n box box"]:
    """Add noise, multiply by CTF and envelope, and add noise again.

    The signal is half transforms of noiseless projections, `ctf` is CTF times envelope; protein is
    white in the images.
    """
    shape = (len(signal), signal.shape[1], signal.shape[1])
    first = _white_noise(shape, noise.before_ctf, rng)
    images = inverse_2d((signal + forward_2d(first)) * ctf, shape[1])
    return np.asarray(images + _white_noise(shape, noise.after_ctf, rng))


def _white_noise(
    shape: tuple[int, int, int], variance: float, rng: np.random.Generator
) -> Float32[np.ndarray, "n box box"]:
    sample = rng.standard_normal(shape, dtype=np.float32)
    sample *= np.float32(np.sqrt(variance))
    return sample


def random_ctf(
    n_particles: int,
    defocus_range_angstrom: tuple[float, float],
    b_factor_square_angstrom: float,
    rng: np.random.Generator,
) -> CtfParameters:
    """Draw defocus uniformly, with a little astigmatism in a random direction.

    Args:
        n_particles: Number of particles.
        defocus_range_angstrom: Smallest and largest mean defocus, underfocus positive.
        b_factor_square_angstrom: Envelope exp(-B s^2 / 4) of every particle.
        rng: Source of the draws.
    """
    mean = rng.uniform(*defocus_range_angstrom, size=n_particles)
    half_difference = rng.uniform(0.0, 150.0, size=n_particles)
    return CtfParameters(
        defocus_u_angstrom=mean + half_difference,
        defocus_v_angstrom=mean - half_difference,
        defocus_angle_degrees=rng.uniform(0.0, 180.0, size=n_particles),
        phase_shift_degrees=np.zeros(n_particles),
        b_factor_square_angstrom=np.full(n_particles, float(b_factor_square_angstrom)),
        ctf_scale=np.ones(n_particles),
    )


def random_shifts(
    n_particles: int, sd_angstrom: float, rng: np.random.Generator
) -> Float[np.ndarray, "n 2"]:
    """Draw Gaussian shifts of the given standard deviation per axis."""
    return rng.normal(0.0, sd_angstrom, size=(n_particles, 2))
