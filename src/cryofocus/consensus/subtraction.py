"""Density outside a mask taken out of the images, each half set with its own map.

Image i becomes `Y_i - s_i C_i P_i (1 - m) V_h`: V_h is the map of the image's half set, m the mask
that is kept, s_i the particle's intensity. s_i is fitted with the whole map, kept part included,
because that is what the image shows: fitted with the removed part alone it would also count the
kept density that overlaps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex64, Float, Float32, Float64, Int, Int8

from cryofocus.consensus.band import Band
from cryofocus.consensus.half_grids import HalfGrids
from cryofocus.consensus.image_model import (
    ScalePrior,
    estimate_scale_prior,
    fit_scales,
    matched_chunk,
    predicted,
    scale_moments,
)
from cryofocus.consensus.images import CHUNK_PIXELS, ImageChunk, ParticleImages
from cryofocus.consensus.noise.power import power_of_chunk, power_of_images
from cryofocus.consensus.noise.spectra import NoiseModel, fit_noise, flat_noise
from cryofocus.consensus.sampling import masked
from cryofocus.execution.ahead import ahead
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.filters import filter_shells
from cryofocus.maths.shells import FSC_LIMIT, first_shell_below
from cryofocus.placement import fetch

# Enough images for the grey scale of a map, the noise and the spread of intensities.
FIT_PARTICLES = 2000

HalfMaps = tuple[Float32[np.ndarray, "box box box"], Float32[np.ndarray, "box box box"]]


@dataclass(frozen=True, eq=False)
class Subtraction:
    """Everything it takes to subtract from any of the images.

    Attributes:
        density: Two columns, the whole map and the part of it that is removed, in the grey scale
            of the images; one grid a half set, or a single one where half sets share a map.
        grey_scale: For each half set, what its map was multiplied by to get there.
        significance: For each half set, that factor over its standard error.
        noise: Noise spectra per optics group.
        scale_prior: Mean and variance of the particles' intensities.
    """

    density: HalfGrids
    grey_scale: tuple[float, float]
    significance: tuple[float, float]
    noise: NoiseModel
    scale_prior: ScalePrior

    @property
    def images(self) -> ParticleImages:
        """The prepared images."""
        return self.density.images

    @property
    def band(self) -> Band:
        """All shells whose slices stay on the grid."""
        return self.images.largest_band()

    def scales(
        self, chunk: ImageChunk, band: Band, whole: Complex64[np.ndarray, "n point"]
    ) -> Float32[np.ndarray, " n"]:
        """Fit the intensity of each particle: least squares, drawn to the set's mean by noise."""
        data, precision = matched_chunk(chunk, band, self.noise)
        moments = scale_moments(band, data, precision, whole)
        fitted = fit_scales(*moments, self.scale_prior)
        return np.asarray(fitted * self.scale_prior.mean, np.float32)

    def subtract(
        self, chunk: ImageChunk, band: Band
    ) -> tuple[ImageChunk, Float32[np.ndarray, " n"]]:
        """Return prepared images without the removed density, and their intensities."""
        slices = fetch(self.density.slices(band, chunk.particles))
        model, scale = self._model(chunk, band, slices)
        return replace(chunk, transforms=chunk.transforms - model), scale

    def pixels(
        self,
    ) -> Iterator[tuple[Float32[np.ndarray, "n file_box file_box"], Float32[np.ndarray, " n"]]]:
        """Yield all raw images without the removed density, and the particles' intensities.

        Some at a time, in order. Sign, normalisation, place and aberrations are those of the
        files.
        """
        images, helpers = self.images, self.images.helpers()
        alone = replace(images, threads=1) if helpers else images

        def read(which: Int[np.ndarray, " n"]) -> tuple[np.ndarray, ImageChunk]:
            raw = images.reader.read(which)
            return raw, alone.prepare(self.band, which, raw)

        def finish(
            seen: tuple[np.ndarray, ImageChunk, np.ndarray],
        ) -> tuple[np.ndarray, np.ndarray]:
            raw, chunk, slices = seen
            model, scale = self._model(chunk, self.band, slices)
            density = alone.restore(self.band, chunk.particles, model)
            levels = images.grey_scale(chunk.particles, raw)
            return raw - density * levels[:, None, None], scale

        size, everything = images.most_particles(CHUNK_PIXELS), np.arange(len(images))
        parts = [everything[start : start + size] for start in range(0, len(images), size)]
        seen = (
            (raw, chunk, fetch(self.density.slices(self.band, chunk.particles)))
            for raw, chunk in ahead(read, parts, helpers)
        )
        yield from ahead(finish, seen, helpers)

    def _model(
        self,
        chunk: ImageChunk,
        band: Band,
        slices: Complex64[np.ndarray, "n point 2"],
    ) -> tuple[Complex64[np.ndarray, "n point"], Float32[np.ndarray, " n"]]:
        """Return what the removed density looks like in prepared images, and the intensities."""
        scale = self.scales(chunk, band, slices[..., 0])
        return predicted(chunk, slices[..., 1], scale), scale


def fit_subtraction(
    images: ParticleImages,
    half_set: Int8[np.ndarray, " particle"],
    maps: HalfMaps,
    keep: Float32[np.ndarray, "file_box file_box file_box"],
    kernels: SliceKernels,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> Subtraction:
    """Bring maps onto the grey scale of the images and measure what the fit of a particle needs.

    A half map holds some noise of its own images, which would seem to be signal found in them:
    its grey scale is measured on the images of the other half set.

    Args:
        images: Prepared images.
        half_set: `(particle,)` 1 or 2.
        maps: One a half set, on the images' grid, in any grey scale; the same object for both
            where half sets share a map.
        keep: Mask from 0 to 1, on the grid of the files; density is removed where it is not 1.
        kernels: Slice kernels.
        advance: Called with the number of particles done, of twice `fit_sample(images)`.
    """
    band, sample = images.largest_band(), fit_sample(images)
    noise = flat_noise(power_of_images(images, band, sample))
    volumes = tuple(
        (volume, masked(volume, 1 - keep)) for volume in (maps[:1] if maps[1] is maps[0] else maps)
    )
    is_shared = len(volumes) == 1
    crossed = np.asarray(3 - half_set, np.int8)
    density = HalfGrids(images, None if is_shared else crossed, volumes, kernels)
    trial = Subtraction(density, (1.0, 1.0), (0.0, 0.0), noise, ScalePrior(1.0, 0.0))
    linear, quadratic = _sample_moments(trial, band, sample, advance)
    factors = np.ones(len(sample))
    grey, significance = [1.0, 1.0], [0.0, 0.0]
    halves = crossed[sample]
    for half in (1, 2):
        # Half sets that share a map share its grey scale too.
        rows = np.flatnonzero((halves == half) | is_shared)
        total = float(quadratic[rows].sum())
        if total > 0:
            grey[half - 1] = float(linear[rows].sum()) / total
            significance[half - 1] = float(linear[rows].sum()) / np.sqrt(total)
        factors[halves == half] = grey[half - 1]
    brought = tuple(
        (np.float32(factor) * whole, np.float32(factor) * removed)
        for (whole, removed), factor in zip(volumes, grey, strict=False)
    )
    scaled = replace(
        trial,
        density=replace(density, half_set=None if is_shared else half_set, volumes=brought),
        grey_scale=(grey[0], grey[1]),
        significance=(significance[0], significance[1]),
        scale_prior=estimate_scale_prior(
            linear * factors,
            quadratic * factors**2,
            None if images.particles.weight is None else images.particles.weight[sample],
        ),
    )
    return replace(scaled, noise=_measure_noise(scaled, band, sample, advance))


def fit_sample(images: ParticleImages) -> Int[np.ndarray, " m"]:
    """Return the particles, evenly spread over the set, that `fit_subtraction` looks at."""
    n = min(FIT_PARTICLES, len(images))
    return np.unique(np.linspace(0, len(images) - 1, n).astype(np.int64))


def filter_half_maps(halves: HalfMaps, fsc: Float[np.ndarray, " n_shells"]) -> HalfMaps:
    """Weight each shell of two half maps by their FSC, up to where it falls below 0.143.

    A half map is signal S plus noise N in each shell, and the FSC of two such maps is S/(S+N):
    the Wiener filter that brings a half map closest to the density itself. Beyond the last shell
    that holds more signal than chance, the noise of the map would only be added to the images.
    """
    weight = np.clip(fsc, 0.0, 1.0)
    weight[0] = 1.0
    weight[first_shell_below(fsc, FSC_LIMIT) :] = 0.0
    # Corners of the transform take the last value.
    weight = np.append(weight, 0.0)
    first, second = (np.asarray(filter_shells(half, weight), np.float32) for half in halves)
    return first, second


def _sample_moments(
    trial: Subtraction,
    band: Band,
    sample: Int[np.ndarray, " m"],
    advance: Callable[[int], None],
) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
    """Return <Y, C P V> and |C P V|^2 over the noise variance, for the whole map."""
    linear, quadratic = [], []
    for chunk in trial.images.chunks(band, sample):
        whole = fetch(trial.density.slices(band, chunk.particles))[..., 0]
        data, precision = matched_chunk(chunk, band, trial.noise)
        moments = scale_moments(band, data, precision, whole)
        linear.append(moments[0])
        quadratic.append(moments[1])
        advance(len(chunk.particles))
    return np.concatenate(linear), np.concatenate(quadratic)


def _measure_noise(
    scaled: Subtraction,
    band: Band,
    sample: Int[np.ndarray, " m"],
    advance: Callable[[int], None],
) -> NoiseModel:
    """Fit noise spectra to what a sample of images shows beyond the whole map."""
    n_groups = len(scaled.images.particles.optics)
    total = None
    for chunk in scaled.images.chunks(band, sample):
        whole = fetch(scaled.density.slices(band, chunk.particles))[..., 0]
        scale = scaled.scales(chunk, band, whole)
        left = chunk.transforms - predicted(chunk, whole, scale)
        part = power_of_chunk(chunk, band, left, n_groups)
        total = part if total is None else total + part
        advance(len(chunk.particles))
    assert total is not None
    return fit_noise(total)
