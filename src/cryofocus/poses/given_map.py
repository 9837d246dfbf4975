"""A map from elsewhere as the reference: brought to the images' grey scale, shell by shell.

Maps come sharpened, filtered and in any units. What counts is how much of each of their shells the
images show at their present poses: the least-squares factor

    a(shell) = sum_i Re<C_i Y_i / sigma2, P_i V> / sum_i <P_i V, C_i^2 / sigma2 P_i V>

of the shell in the images. Where poses are too far off to tell detail, it falls to nothing, so
that the band opens as they get better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from cryofocus.consensus.image_model import fit_residuals, matched_chunk, slices_beside
from cryofocus.consensus.images import PADDING, ParticleImages
from cryofocus.consensus.noise.power import first_noise, noise_sample
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.consensus.reconstruct import map_to_grid
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.filters import filter_shells
from cryofocus.poses.likelihood import PoseModel
from cryofocus.poses.reference import make_reference

# A shell counts while its factor is this many standard errors above zero.
SIGNIFICANCE = 4.0
# Every so many of the particles that noise is measured on are enough for a factor a shell.
SPARSE = 4


@dataclass(frozen=True, eq=False)
class MapFit:
    """How much of each shell of a map the images show.

    Attributes:
        linear: `(n_shells,)` sums over images.
        quadratic: `(n_shells,)` sums over images; the ratio of the two is the factor.
    """

    linear: Float64[np.ndarray, " n_shells"]
    quadratic: Float64[np.ndarray, " n_shells"]

    @property
    def factors(self) -> Float64[np.ndarray, " n_shells"]:
        """What each shell has to be multiplied by."""
        return np.asarray(self.linear / np.maximum(self.quadratic, np.finfo(np.float32).tiny))

    @property
    def significance(self) -> Float64[np.ndarray, " n_shells"]:
        """Of each factor, in standard errors; negative for inverted contrast."""
        power = np.maximum(self.quadratic, np.finfo(np.float32).tiny)
        return np.asarray(self.linear / np.sqrt(power))

    @property
    def is_inverted(self) -> bool:
        """Whether the images show the map with the opposite contrast."""
        return float((self.significance * np.abs(self.significance)).sum()) < 0

    @property
    def gain(self) -> float:
        """Log-likelihood of the sample over nothing but noise, with every factor at its best."""
        return float(0.5 * (np.maximum(self.significance, 0) ** 2).sum())

    @property
    def n_shells(self) -> int:
        """Shells up to the first that images do not show."""
        missing = np.flatnonzero(self.significance[1:] < SIGNIFICANCE)
        return int(missing[0]) + 1 if missing.size else len(self.linear)


def fit_map(
    images: ParticleImages,
    volume: Float32[np.ndarray, "box box box"],
    noise: NoiseModel,
    kernels: SliceKernels,
) -> MapFit:
    """Compare a sample of images with a map at their poses, shell by shell.

    Args:
        images: Prepared images.
        volume: Map on their grid, in any grey scale.
        noise: Noise spectra, or the images' whole power.
        kernels: Slice kernels of the device.
    """
    band, edge = images.largest_band(), PADDING * images.particles.box
    grid, sample = map_to_grid(volume, edge), noise_sample(images)[::SPARSE]
    linear, quadratic = np.zeros(band.n_shells), np.zeros(band.n_shells)
    for chunk, values in slices_beside(images, grid, band, sample, kernels):
        data, precision = matched_chunk(chunk, band, noise)
        product = data.real * values.real + data.imag * values.imag
        power = precision * (values.real**2 + values.imag**2)
        linear += band.shell_sums(product).sum(axis=0, dtype=np.float64)
        quadratic += band.shell_sums(power).sum(axis=0, dtype=np.float64)
    return MapFit(linear, quadratic)


def model_of_map(
    images: ParticleImages,
    volume: Float32[np.ndarray, "box box box"],
    fit: MapFit,
    n_shells: int,
    kernels: SliceKernels,
) -> PoseModel:
    """Make the model of a map: its shells as the images show them, and the noise beside it.

    Args:
        images: Prepared images.
        volume: Map on their grid, in any grey scale.
        fit: Of this map to these images.
        n_shells: Shells compared.
        kernels: Slice kernels of the device.
    """
    factors = np.maximum(fit.factors, 0)
    factors[fit.n_shells :] = 0
    matched = filter_shells(volume, np.append(factors, 0).astype(np.float32))
    grid = map_to_grid(matched, PADDING * images.particles.box)
    noise, scales = fit_residuals(images, first_noise(images), grid, noise_sample(images), kernels)
    return PoseModel(make_reference(matched, images, n_shells), noise, scales)


def mirrored(
    volume: Float32[np.ndarray, "box box box"],
) -> list[Float32[np.ndarray, "box box box"]]:
    """Return a map of the other hand in the four positions that programs give it.

    Mirrored in the planes x = 0, y = 0 and z = 0 through the box centre, and inverted through it.
    """
    axes: list[tuple[int, ...]] = [(2,), (1,), (0,), (0, 1, 2)]
    return [_flip(volume, flipped) for flipped in axes]


def _flip(
    volume: Float32[np.ndarray, "box box box"], axes: tuple[int, ...]
) -> Float32[np.ndarray, "box box box"]:
    """Reverse axes about voxel box//2; even boxes have one plane more on one side, which stays."""
    even = volume.shape[0] % 2 == 0
    return np.ascontiguousarray(
        np.roll(np.flip(volume, axes), 1, axes) if even else np.flip(volume, axes)
    )
