"""Consensus map, noise spectra and per-particle intensity scale: what all classes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int8

from cryofocus.consensus.band_search import make_first_map
from cryofocus.consensus.image_model import ImageModel, ScalePrior, fit_residuals
from cryofocus.consensus.images import PADDING, ParticleImages
from cryofocus.consensus.noise.power import noise_sample
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.consensus.reach import TO_NYQUIST, Reach
from cryofocus.consensus.reconstruct import MapEstimate, map_to_grid
from cryofocus.consensus.sampling import masked
from cryofocus.kernels.contract import SliceKernels


@dataclass(frozen=True)
class Consensus:
    """What is common to all classes.

    Attributes:
        images: The prepared images, with the contrast sign that makes density positive, cropped to
            the band that maps are made in.
        map: Consensus map, half maps and FSC, on the grid of the cropped images.
        noise: Noise spectra per optics group.
        scale_prior: Mean and variance of the particles' intensity scale.
        skewness: Of the consensus density after the sign was chosen; large means a sure sign.
        made_gb: Memory foreseen for its making, which began in a wider band perhaps; 0 if unknown.
    """

    images: ParticleImages
    map: MapEstimate
    noise: NoiseModel
    scale_prior: ScalePrior
    skewness: float
    made_gb: float = 0.0

    @property
    def image_model(self) -> ImageModel:
        """What images hold besides density."""
        return ImageModel(self.noise, self.scale_prior)


def estimate_consensus(
    images: ParticleImages,
    half_set: Int8[np.ndarray, " particle"],
    kernels: SliceKernels,
    *,
    solvent: Float32[np.ndarray, "box box box"] | None = None,
    reach: Reach = TO_NYQUIST,
    advance: Callable[[int], None] = lambda _: None,
) -> Consensus:
    """Reconstruct all particles together and measure noise and scale against that map.

    Args:
        images: Prepared images; the density decides their contrast sign unless it is settled.
        half_set: `(particle,)` 1 or 2.
        kernels: Slice kernels of the device.
        solvent: Mask that the map is multiplied by once it is solved, on the grid of the images
            given; or None.
        reach: To which resolution the map is made.
        advance: Called with the number of particles done.
    """
    first = make_first_map(images, half_set, kernels, reach, advance=advance)
    images, noise, estimate = first.images, first.noise, first.map
    skewness = density_skewness(estimate.full)
    if skewness < 0 and not images.treatment.is_sign_settled:
        images, estimate, skewness = images.flipped(), _negated(estimate), -skewness
    if solvent is not None:
        one, other = estimate.halves
        estimate = replace(
            estimate,
            full=masked(estimate.full, solvent),
            halves=(masked(one, solvent), masked(other, solvent)),
        )
    grid = map_to_grid(estimate.full, PADDING * images.particles.box, threads=images.threads)
    noise, scale_prior = fit_residuals(images, noise, grid, noise_sample(images), kernels)
    return Consensus(images, estimate, noise, scale_prior, skewness, first.made_gb)


def refit_noise(
    consensus: Consensus, volume: Float32[np.ndarray, "box box box"], kernels: SliceKernels
) -> Consensus:
    """Return the consensus with the noise that images show beyond another map."""
    images = consensus.images
    grid = map_to_grid(volume, PADDING * images.particles.box, threads=images.threads)
    noise, _ = fit_residuals(images, consensus.noise, grid, noise_sample(images), kernels)
    return replace(consensus, noise=noise)


def density_skewness(volume: Float32[np.ndarray, "box box box"]) -> float:
    """Skewness of the density inside the inscribed sphere: positive where protein is white."""
    box = volume.shape[0]
    axis = np.arange(box) - box // 2
    inside = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 < (box // 2) ** 2
    centred = volume[inside].astype(np.float64)
    centred -= centred.mean()
    variance = max(float((centred**2).mean()), float(np.finfo(np.float32).tiny))
    return float((centred**3).mean() / variance**1.5)


def _negated(estimate: MapEstimate) -> MapEstimate:
    first, second = estimate.halves
    return replace(estimate, full=-estimate.full, halves=(-first, -second))
