"""An image beside a projection: what it takes to compare them, and how that is measured.

An image is `s C P V` and noise: the density's slice P V, the particle's CTF C and intensity s.
Noise has a part added by the camera and a part that passed the CTF: each independent Fourier
coefficient of shell q and optics group g has variance `additive[g, q] + C^2 transmitted[g, q]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float32, Float64, Int

from cryofocus.consensus.band import Band
from cryofocus.consensus.images import PADDING, ImageChunk, ParticleImages
from cryofocus.kernels.contract import SliceKernels
from cryofocus.placement import Array, beside, fetch, namespace

# Enough images for spectra that are good to a percent in every shell.
NOISE_PARTICLES = 4000


@dataclass(frozen=True)
class NoiseModel:
    """Noise spectra per optics group, variances per coefficient of the unnormalised transform.

    Attributes:
        additive: `(group, n_shells)` float64, non-negative.
        transmitted: `(group, n_shells)` float64, non-negative.
    """

    additive: Float64[np.ndarray, "group n_shells"]
    transmitted: Float64[np.ndarray, "group n_shells"]

    def __post_init__(self) -> None:
        """Check that every variance is positive and finite."""
        total = self.additive + self.transmitted
        if not (np.isfinite(total).all() and (self.additive > 0).all()):
            message = "noise spectra hold values that are not positive and finite"
            raise ValueError(message)

    def precision(
        self,
        band: Band,
        groups: Int[np.ndarray, " n"],
        ctf: Float32[Array, "n point"],
    ) -> Float32[Array, "n point"]:
        """Return the inverse noise variance of every coefficient of the band."""
        xp, of_particle = namespace(ctf), beside(groups, ctf)
        additive = beside(self.additive[:, band.shells].astype(np.float32), ctf)
        transmitted = beside(self.transmitted[:, band.shells].astype(np.float32), ctf)
        variance = xp.take(transmitted, of_particle, axis=0)
        variance *= ctf
        variance *= ctf
        variance += xp.take(additive, of_particle, axis=0)
        return 1 / variance


@dataclass(frozen=True)
class ScalePrior:
    """Normal distribution of the particles' intensity scales, estimated over the set."""

    mean: float
    variance: float


@dataclass(frozen=True)
class ImageModel:
    """What it takes to compare an image with a projection.

    Attributes:
        noise: Noise spectra per optics group.
        scale_prior: Mean and variance of the particles' intensity scale.
    """

    noise: NoiseModel
    scale_prior: ScalePrior


def matched_chunk(
    chunk: ImageChunk,
    band: Band,
    noise: NoiseModel,
    scale: Float32[np.ndarray, " n"] | None = None,
) -> tuple[Complex64[Array, "n point"], Float32[Array, "n point"]]:
    """Return matched-filtered data `s C Y / sigma2` and precision `s^2 C^2 / sigma2`.

    An image written multiplied by its CTF is `C Y` already. Results lie where the images do; all
    intensities are 1 if left out.
    """
    ctf, once = chunk.ctf, chunk.ctf
    factor = 1.0 if scale is None else beside(scale[:, None], ctf)
    precision = noise.precision(band, chunk.groups, ctf)
    precision *= factor
    if chunk.is_premultiplied.any():
        xp, is_done = namespace(ctf), beside(chunk.is_premultiplied[:, None], ctf)
        once = xp.where(is_done, xp.ones_like(ctf), ctf)
    data = chunk.transforms * (once * precision)
    precision *= factor
    precision *= ctf
    precision *= ctf
    return data, precision


def scale_moments(
    band: Band,
    data: Complex64[Array, "n point"],
    precision: Float32[Array, "n point"],
    slices: Complex64[Array, "n point"],
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Return <Y, s C P V> and |s C P V|^2, both over the noise variance, at s = 1."""
    xp, hermitian = namespace(data), beside(band.hermitian, data)
    real, imaginary = xp.real(slices), xp.imag(slices)
    product = xp.real(data) * real + xp.imag(data) * imaginary
    power = precision * (real**2 + imaginary**2)
    linear, quadratic = (fetch(xp.matmul(one, hermitian)) for one in (product, power))
    return linear.astype(np.float64), quadratic.astype(np.float64)


def fit_scales(
    linear: Float64[np.ndarray, " n"], quadratic: Float64[np.ndarray, " n"], prior: ScalePrior
) -> Float32[np.ndarray, " n"]:
    """Posterior mean of each particle's scale, relative to the set's mean.

    The least-squares scale linear/quadratic has variance 1/quadratic; where that exceeds the
    scales' real spread, the estimate stays near the mean instead of following the noise.
    """
    if prior.variance <= 0:
        return np.ones(len(linear), np.float32)
    scale = (linear + prior.mean / prior.variance) / (quadratic + 1 / prior.variance)
    return np.asarray(np.clip(scale / prior.mean, 0.1, 10.0), np.float32)


def predicted(
    chunk: ImageChunk,
    slices: Complex64[np.ndarray, "n point"],
    scale: Float32[np.ndarray, " n"] | None = None,
) -> Complex64[np.ndarray, "n point"]:
    """Return `s C P V`; for an image written multiplied by its CTF, that times the CTF."""
    model = slices * (chunk.ctf if scale is None else chunk.ctf * scale[:, None])
    model *= np.where(chunk.is_premultiplied[:, None], chunk.ctf, np.float32(1))
    return np.asarray(model)


@dataclass(frozen=True)
class PowerSums:
    """Per-group shell sums from which a noise model is fitted; adding two adds their particles.

    Attributes:
        moments: `(group, 5, n_shells)`: sums over coefficients of 1, C^2, C^4, |E|^2, C^2 |E|^2.
    """

    moments: Float64[np.ndarray, "group 5 n_shells"]

    def __add__(self, other: PowerSums) -> PowerSums:
        """Add the particles of another sum."""
        return PowerSums(self.moments + other.moments)


def flat_noise(sums: PowerSums) -> NoiseModel:
    """Return the noise model that calls the whole mean power additive noise."""
    counts = np.maximum(sums.moments[:, 0], 1.0)
    additive = np.maximum(sums.moments[:, 3] / counts, np.finfo(np.float32).tiny)
    return NoiseModel(additive, np.zeros_like(additive))


def fit_noise(sums: PowerSums) -> NoiseModel:
    """Fit |E|^2 = b + C^2 a in every shell by least squares with a, b >= 0.

    A shell whose CTF hardly varies over its coefficients cannot tell a from b; its power then
    goes to b. The additive part keeps at least a thousandth of the power, so that no coefficient
    becomes infinitely precise.
    """
    ones, squares, fourths, power, cross = np.moveaxis(sums.moments, 1, 0)
    counts = np.maximum(ones, 1.0)
    mean_square, mean_power = squares / counts, power / counts
    contrast = fourths / counts - mean_square**2
    covariance = cross / counts - mean_square * mean_power
    is_determined = contrast > 1e-3 * np.maximum(mean_square, 1e-12) ** 2
    slope = np.where(is_determined, covariance / np.where(is_determined, contrast, 1.0), 0.0)
    ceiling = 0.999 * mean_power / np.maximum(mean_square, 1e-12)
    transmitted = np.clip(slope, 0.0, ceiling)
    additive = np.maximum(mean_power - transmitted * mean_square, np.finfo(np.float32).tiny)
    return NoiseModel(additive, transmitted)


def estimate_scale_prior(
    linear: Float64[np.ndarray, " n"], quadratic: Float64[np.ndarray, " n"]
) -> ScalePrior:
    """Fit mean and variance of the scales by moments, net of each estimate's own variance."""
    total = quadratic.sum()
    if total <= 0:
        return ScalePrior(1.0, 0.0)
    mean = linear.sum() / total
    excess = (quadratic * (linear / np.maximum(quadratic, 1e-12) - mean) ** 2).sum() - len(linear)
    spread = excess / total
    # A spread within three standard errors of nothing is nothing.
    error = np.sqrt(2.0 * len(linear)) / total
    # A mean far from 1 says that the map holds no signal the images could be scaled by.
    is_real = spread > 3 * error and 0.3 < mean < 3.0
    return ScalePrior(float(mean), float(spread) if is_real else 0.0)


def noise_sample(images: ParticleImages) -> Int[np.ndarray, " m"]:
    """Return the particles, evenly spread over the set, that noise is measured on."""
    n = min(NOISE_PARTICLES, len(images))
    return np.unique(np.linspace(0, len(images) - 1, n).astype(np.int64))


def first_noise(images: ParticleImages) -> NoiseModel:
    """Take the images' whole power for noise, until something is known of the signal."""
    return flat_noise(power_of_images(images, images.largest_band(), noise_sample(images)))


def power_of_images(
    images: ParticleImages, band: Band, sample: Int[np.ndarray, " n"]
) -> PowerSums:
    """Sum the power of a sample of images, signal and noise together."""
    total = None
    for chunk in images.chunks(band, sample):
        part = power_of_chunk(chunk, band, chunk.transforms, len(images.particles.optics))
        total = part if total is None else total + part
    assert total is not None
    return total


def power_of_chunk(
    chunk: ImageChunk, band: Band, signal: Complex64[np.ndarray, "n point"], n_groups: int
) -> PowerSums:
    """Sum the power of what a chunk shows, or of what is left of it, as it left the camera."""
    power = (signal.real**2 + signal.imag**2).astype(np.float32)
    # C E of a premultiplied image becomes E; near the CTF's zeros nothing is left to tell.
    safe = np.where(chunk.is_premultiplied[:, None], np.maximum(chunk.ctf**2, 1e-3), 1)
    return sum_powers(band, chunk.groups, chunk.ctf, (power / safe).astype(np.float32), n_groups)


def sum_powers(
    band: Band,
    groups: Int[np.ndarray, " n"],
    ctf: Float32[np.ndarray, "n point"],
    power: Float32[np.ndarray, "n point"],
    n_groups: int,
) -> PowerSums:
    """Sum residual powers against the powers of the CTF, shell by shell and group by group."""
    squared = ctf * ctf
    rows = (np.ones_like(ctf), squared, squared * squared, power, squared * power)
    per_particle = np.stack([band.shell_sums(row) for row in rows], axis=1)
    moments = np.zeros((n_groups, 5, band.n_shells))
    np.add.at(moments, groups, per_particle)
    return PowerSums(moments)


def slices_beside(
    images: ParticleImages,
    grid: Complex64[np.ndarray, "edge edge half"],
    band: Band,
    which: Int[np.ndarray, " n"],
    kernels: SliceKernels,
) -> Iterator[tuple[ImageChunk, Complex64[np.ndarray, "n point"]]]:
    """Yield prepared images of some particles, and the slices of a map at their poses."""
    columns = kernels.send(grid[..., None])
    for chunk in images.chunks(band, which):
        geometry = images.geometry(band, PADDING, grid.shape[0], chunk.particles)
        yield chunk, fetch(kernels.gather(columns, geometry))[..., 0]


def fit_residuals(
    images: ParticleImages,
    first_noise: NoiseModel,
    grid: Complex64[np.ndarray, "edge edge half"],
    sample: Int[np.ndarray, " n"],
    kernels: SliceKernels,
) -> tuple[NoiseModel, ScalePrior]:
    """Fit noise spectra and the spread of scales to what a map leaves of a sample of images.

    Args:
        images: Prepared images, at poses that belong to the map.
        first_noise: Noise under which the scales are measured.
        grid: Padded transform of the map.
        sample: Particles to look at.
        kernels: Slice kernels of the device.
    """
    band = images.largest_band()
    linear, quadratic, total = [], [], None
    for chunk, slices in slices_beside(images, grid, band, sample, kernels):
        data, precision = matched_chunk(chunk, band, first_noise)
        moments = scale_moments(band, data, precision, slices)
        linear.append(moments[0])
        quadratic.append(moments[1])
        residual = chunk.transforms - predicted(chunk, slices)
        part = power_of_chunk(chunk, band, residual, len(images.particles.optics))
        total = part if total is None else total + part
    assert total is not None
    prior = estimate_scale_prior(np.concatenate(linear), np.concatenate(quadratic))
    return fit_noise(total), prior
