"""How well a class explains an image inside a projected region, and occupancies from that.

Two published definitions: cisTEM's squared difference at unit noise variance, and Frealign's,
which fits the class's scale inside the region and keeps a running sigma
(docs/derivations/mask2d.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float, Float32, Float64, Int
from scipy.special import logsumexp

from cryofocus.inference.mask2d.projected_mask import ProjectedRegion
from cryofocus.inference.mask2d.white_images import WhiteImages
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.fourier import inverse_2d_rows

LOG_TWO_PI = float(np.log(2 * np.pi))
# Classes whose log-likelihood lies this far below the best get nothing of a particle.
OCCUPANCY_CUT = 10.0
LARGEST_SIGMA = 100.0
# A running sigma further than this factor from the image's own deviation is not trusted.
SIGMA_FACTOR = 3.0


@dataclass(frozen=True, eq=False)
class Compared:
    """All particles against all classes.

    Attributes:
        log_likelihood: `(particle, n_classes)`.
        sigma: `(particle, n_classes)` noise relative to signal (cisTEM) or deviation of the
            residual (Frealign); only its ratios between particles count.
    """

    log_likelihood: Float64[np.ndarray, "particle n_classes"]
    sigma: Float64[np.ndarray, "particle n_classes"]


def compare(
    images: WhiteImages,
    region: ProjectedRegion | None,
    references: Complex64[np.ndarray, "edge edge half n_classes"],
    kernels: SliceKernels,
    running_sigma: Float64[np.ndarray, " particle"] | None,
) -> Compared:
    """Compare every image with every class inside the region, a chunk at a time.

    Args:
        images: Whitened images.
        region: What of each image counts; None for all of it.
        references: Padded grids of the class maps.
        kernels: Slice kernels.
        running_sigma: `(particle,)` for Frealign's definition; None for cisTEM's.
    """
    shape = (len(images), references.shape[3])
    log_likelihood, sigma = np.empty(shape), np.empty(shape)
    for chunk in images.chunks():
        which = images.particles[chunk]
        seen = images.transforms[chunk] * images.low_pass
        predicted = kernels.gather(references, images.geometry.take(chunk))
        predicted *= (images.response[chunk] * images.low_pass)[:, :, None]
        if region is None:
            log_likelihood[which] = _whole_likelihood(images, seen, predicted)
            sigma[which] = relative_noise(images, seen, predicted)
            continue
        weights, rows = region.weights(which), region.rows(which)
        if running_sigma is None:
            difference = seen[:, :, None] - predicted
            power = weigh_square(_window(images, difference, rows), weights)
            mean_square = power / np.maximum(weights.sum(axis=(1, 2)), 1)[:, None]
            log_likelihood[which] = unit_variance_likelihood(mean_square, region.areas(weights))
            sigma[which] = relative_noise(images, seen, predicted)
        else:
            both = np.concatenate([seen[:, :, None], predicted], axis=2)
            variance = BandVariance(
                images.full_variance[chunk], _band_variance(images, seen), running_sigma[which]
            )
            log_likelihood[which], sigma[which] = fitted_scale_likelihood(
                _window(images, both, rows), weights, variance
            )
    return Compared(log_likelihood, sigma)


def _whole_likelihood(
    images: WhiteImages,
    seen: Complex64[np.ndarray, "n point"],
    predicted: Complex64[np.ndarray, "n point n_classes"],
) -> Float64[np.ndarray, "n n_classes"]:
    """Return the log-likelihood over all pixels, from the coefficients (Parseval)."""
    box = images.band.box
    difference = (seen[:, :, None] - predicted).view(np.float32)
    power = (images.band.hermitian @ (difference * difference)).astype(np.float64)
    power = power[:, 0::2] + power[:, 1::2]
    return unit_variance_likelihood(power / box**4, np.full(len(seen), float(box**2)))


def unit_variance_likelihood(
    mean_square: Float[np.ndarray, "n n_classes"], area: Float[np.ndarray, " n"]
) -> Float64[np.ndarray, "n n_classes"]:
    """Return -1/2 (msq + ln 2 pi) A: noise of variance 1, no scale fitted (cisTEM).

    Args:
        mean_square: Weighted mean of the squared difference inside the region.
        area: Of the region in square pixels.
    """
    return np.asarray(-0.5 * (mean_square + LOG_TWO_PI) * area[:, None], np.float64)


@dataclass(frozen=True, eq=False)
class BandVariance:
    """Variances of pixels: over all frequencies, in the band, and the running sigma.

    Attributes:
        full: `(n,)` variance of the whole image, not filtered.
        band: `(n,)` variance of the whole image after the low-pass filter.
        sigma: `(n,)` running sigma of earlier cycles.
    """

    full: Float64[np.ndarray, " n"]
    band: Float64[np.ndarray, " n"]
    sigma: Float64[np.ndarray, " n"]

    @property
    def noise(self) -> Float64[np.ndarray, " n"]:
        """The running sigma squared where it is near the band's deviation, else the band's."""
        ratio = self.sigma / np.sqrt(self.band)
        is_near = (ratio > 1 / SIGMA_FACTOR) & (ratio < SIGMA_FACTOR)
        return np.where(is_near, self.sigma**2, self.band)


def fitted_scale_likelihood(
    pixels: Float32[np.ndarray, "n row box component"],
    weights: Float32[np.ndarray, "n row box"],
    variance: BandVariance,
) -> tuple[Float64[np.ndarray, "n n_classes"], Float64[np.ndarray, "n n_classes"]]:
    """Return Frealign's log-likelihood and the residual's deviation inside the region.

    Means are removed and the class's scale is fitted inside the region; the number of
    independent pixels is that of the region times the band's share of the image's variance.

    Args:
        pixels: The image (first component) and every class's prediction.
        weights: Of the pixels.
        variance: Of the image.
    """
    n, n_components = len(pixels), pixels.shape[3]
    flat = pixels.reshape(n, -1, n_components).astype(np.float64)
    weight = weights.reshape(n, -1).astype(np.float64)
    count = np.maximum(weight.sum(axis=1), 1.0)
    flat -= (weight[:, None] @ flat) / count[:, None, None]
    image, classes = flat[:, :, 0], flat[:, :, 1:]
    weighted = weight * image
    cross = (weighted[:, None] @ classes)[:, 0]
    power = (weight[:, None] @ classes**2)[:, 0]
    own = (weighted * image).sum(axis=1)
    explained = np.divide(cross**2, power, out=np.zeros_like(cross), where=power > 0)
    residual = np.maximum(own[:, None] - explained, 0) / count[:, None]
    n_independent = count * variance.noise / variance.full
    log_likelihood = (
        -0.5
        * n_independent[:, None]
        * (residual / variance.noise[:, None] + np.log(2 * np.pi * variance.noise)[:, None])
    )
    return log_likelihood, np.sqrt(residual)


def update_occupancies(
    log_likelihood: Float64[np.ndarray, "particle n_classes"],
    mean_occupancy: Float64[np.ndarray, " n_classes"],
) -> tuple[Float64[np.ndarray, "particle n_classes"], Float64[np.ndarray, " particle"]]:
    """Return new occupancies (sum 1) and each particle's log-likelihood over all classes.

    An occupancy is proportional to the class's old mean occupancy times its likelihood; classes
    whose log-likelihood is 10 or more below the particle's best get none (cisTEM, Frealign).
    """
    below = log_likelihood.max(axis=1, keepdims=True) - log_likelihood
    tiny = np.finfo(np.float64).tiny
    joint = log_likelihood + np.log(np.maximum(mean_occupancy, tiny))
    joint[below >= OCCUPANCY_CUT] = -np.inf
    evidence = logsumexp(joint, axis=1)
    occupancy = np.exp(joint - evidence[:, None])
    return occupancy / occupancy.sum(axis=1, keepdims=True), evidence


def particle_weights(
    occupancy: Float64[np.ndarray, "particle n_classes"], sigma: Float64[np.ndarray, " particle"]
) -> Float32[np.ndarray, "particle n_classes"]:
    """Return the weights (occ / <occ>) (<sigma> / sigma)^2 of the class reconstructions."""
    mean = np.maximum(occupancy.mean(axis=0), np.finfo(np.float64).tiny)
    quality = (sigma.mean() / sigma) ** 2
    return np.asarray(occupancy / mean * quality[:, None], np.float32)


def weigh_square(
    pixels: Float32[np.ndarray, "n row box component"], weights: Float32[np.ndarray, "n row box"]
) -> Float64[np.ndarray, "n component"]:
    """Return the weighted sum of squares of each component."""
    n, n_components = len(pixels), pixels.shape[3]
    squares = (pixels * pixels).reshape(n, -1, n_components)
    return np.asarray((weights.reshape(n, 1, -1) @ squares)[:, 0], np.float64)


def relative_noise(
    images: WhiteImages,
    seen: Complex64[np.ndarray, "n point"],
    predicted: Complex64[np.ndarray, "n point n_classes"],
) -> Float64[np.ndarray, "n n_classes"]:
    """Return the deviation of image minus fitted class over that of the fitted class.

    Over the whole image in the band: sqrt(var(X - a A) / var(a A)) with a = <X, A> / <A, A>.
    """
    weight = images.band.hermitian
    linear = ((np.conj(seen) * weight)[:, None] @ predicted)[:, 0].real.astype(np.float64)
    numbers = predicted.view(np.float32)
    quadratic = (weight @ (numbers * numbers)).astype(np.float64)
    quadratic = quadratic[:, 0::2] + quadratic[:, 1::2]
    own = ((seen.real**2 + seen.imag**2) @ weight).astype(np.float64)
    explained = np.divide(linear**2, quadratic, out=np.zeros_like(linear), where=quadratic > 0)
    least = own[:, None] / LARGEST_SIGMA**2
    left = np.maximum(own[:, None] - explained, 0)
    return np.asarray(np.sqrt(left / np.maximum(explained, least)))


def _band_variance(
    images: WhiteImages, seen: Complex64[np.ndarray, "n point"]
) -> Float64[np.ndarray, " n"]:
    power = (seen.real**2 + seen.imag**2) @ images.band.hermitian
    return np.asarray(power, np.float64) / images.band.box**4


def _window(
    images: WhiteImages,
    packed: Complex64[np.ndarray, "n point component"],
    rows: Int[np.ndarray, "n row"],
) -> Float32[np.ndarray, "n row box component"]:
    """Return the rows of the images of packed coefficients."""
    band = images.band
    n_columns = int(band.columns.max()) + 1
    half = np.zeros((len(packed), band.box, n_columns, packed.shape[2]), np.complex64)
    half[:, band.rows, band.columns] = packed
    return inverse_2d_rows(half, band.box, rows, threads=images.threads)
