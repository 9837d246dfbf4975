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
from cryofocus.consensus.noise.power import power_of_chunk
from cryofocus.consensus.noise.spectra import NoiseModel, fit_noise
from cryofocus.kernels.contract import SliceKernels
from cryofocus.placement import Array, beside, fetch, namespace


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

    An image written multiplied by its CTF is `C Y` already. One that counts for less than the
    others has as much less of both: its log-likelihood is multiplied by its weight. Results lie
    where the images do; all intensities are 1 if left out.
    """
    ctf, once = chunk.ctf, chunk.ctf
    factor = 1.0 if scale is None else beside(scale[:, None], ctf)
    precision = noise.precision(band, chunk.groups, ctf)
    if chunk.weight is not None:
        precision *= beside(chunk.weight[:, None], ctf)
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


def estimate_scale_prior(
    linear: Float64[np.ndarray, " n"],
    quadratic: Float64[np.ndarray, " n"],
    weight: Float32[np.ndarray, " n"] | None = None,
) -> ScalePrior:
    """Fit mean and variance of the scales by moments, net of each estimate's own variance.

    Args:
        linear: <Y, C P V> of each image, over its noise.
        quadratic: |C P V|^2 over its noise.
        weight: How much each counts, in both; all fully if left out.
    """
    n = len(linear) if weight is None else float(weight.sum(dtype=np.float64))
    total = quadratic.sum()
    if total <= 0:
        return ScalePrior(1.0, 0.0)
    mean = linear.sum() / total
    excess = (quadratic * (linear / np.maximum(quadratic, 1e-12) - mean) ** 2).sum() - n
    spread = excess / total
    # A spread within three standard errors of nothing is nothing.
    error = np.sqrt(2.0 * n) / total
    # A mean far from 1 says that the map holds no signal the images could be scaled by.
    is_real = spread > 3 * error and 0.3 < mean < 3.0
    return ScalePrior(float(mean), float(spread) if is_real else 0.0)


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
    weight = images.particles.weight
    weight = None if weight is None else weight[sample]
    prior = estimate_scale_prior(np.concatenate(linear), np.concatenate(quadratic), weight)
    return fit_noise(total), prior
