"""What a search has to know of the images beforehand: contrast, grey scale and noise.

None of it can be measured without poses, so the poses of a sample are searched first, with the
images' whole power taken for noise and any intensity allowed. The hand of the reference is not
among them: a mirrored map has the same projections (docs/derivations/pose-search.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from cryofocus.arrays import AnyArray, Volume
from cryofocus.consensus.image_model import ScalePrior, fit_residuals
from cryofocus.consensus.images import PADDING, ParticleImages
from cryofocus.consensus.noise.power import power_of_images
from cryofocus.consensus.noise.spectra import NoiseModel, flat_noise
from cryofocus.consensus.reconstruct import map_to_grid
from cryofocus.kernels.contract import SliceKernels
from cryofocus.poses.evidence import ANY_SCALE
from cryofocus.poses.result import with_poses
from cryofocus.poses.scope import SearchScope
from cryofocus.poses.search import FoundPoses, PoseSearch, hold_images

# Enough images to tell the contrast, and for spectra that are good to a few per cent.
SAMPLE_PARTICLES = 160


@dataclass(frozen=True, eq=False)
class Calibration:
    """What was measured of the images.

    Attributes:
        sign: Contrast sign under which the reference fits.
        grey_scale: What the reference has to be multiplied by.
        noise: Noise spectra.
        scale_variance: Of the particles' intensities, around 1.
        gain: Mean log-likelihood of a sampled image over nothing but noise.
    """

    sign: int
    grey_scale: float
    noise: NoiseModel
    scale_variance: float
    gain: float

    def treat(self, images: ParticleImages) -> ParticleImages:
        """Return the images with the sign under which the reference fits."""
        return images if images.treatment.sign == self.sign else images.flipped()

    def prepare(
        self, images: ParticleImages, volume: Volume, scope: SearchScope, kernels: SliceKernels
    ) -> PoseSearch:
        """Lay the reference out on the images' grey scale, with their noise."""
        scaled = np.asarray(volume * np.float32(self.grey_scale), np.float32)
        prior = ScalePrior(1.0, self.scale_variance)
        return PoseSearch.prepare(scaled, images, self.noise, prior, scope, kernels)

    def as_arrays(self) -> dict[str, AnyArray]:
        """Return every number by name, to be kept in a file."""
        return {
            "calibration": np.array([self.sign, self.grey_scale, self.scale_variance, self.gain]),
            "additive_noise": self.noise.additive,
            "transmitted_noise": self.noise.transmitted,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Calibration:
        """Take what `as_arrays` gave."""
        sign, grey_scale, variance, gain = arrays["calibration"].tolist()
        noise = NoiseModel(arrays["additive_noise"], arrays["transmitted_noise"])
        return cls(int(sign), grey_scale, noise, variance, gain)


def calibrate(
    images: ParticleImages,
    volume: Volume,
    scope: SearchScope,
    kernels: SliceKernels,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> Calibration:
    """Search a sample of the images and measure what the search of all needs.

    Args:
        images: Prepared images; both contrast signs are tried unless theirs is settled.
        volume: Reference on the images' grid, protein positive, in any grey scale.
        scope: What to search.
        kernels: Slice kernels of the device.
        advance: Called with the number of particles done, `n_searches` times the sample in all.
    """
    sample = choose_sample(len(images))
    noise = flat_noise(power_of_images(images, images.largest_band(), sample))

    search = PoseSearch.prepare(volume, images, noise, ANY_SCALE, scope, kernels)
    found = search.find(images, kernels, sample, advance=advance)
    if not images.treatment.is_sign_settled:
        other = search.find(images.flipped(), kernels, sample, advance=advance)
        if other.log_likelihood_gain.mean() > found.log_likelihood_gain.mean():
            images, found = images.flipped(), other
    grey_scale, noise, variance = _fit(images, volume, noise, found, sample, kernels)
    return Calibration(
        images.treatment.sign,
        grey_scale,
        noise,
        variance,
        float(found.log_likelihood_gain.mean()),
    )


def n_searches(images: ParticleImages) -> int:
    """Count the searches of the sample that `calibrate` makes."""
    return 1 if images.treatment.is_sign_settled else 2


def choose_sample(n: int) -> Int[np.ndarray, " m"]:
    """Return the particles, spread evenly over the set, that calibration looks at."""
    return np.unique(np.linspace(0, n - 1, min(n, SAMPLE_PARTICLES)).astype(np.int64))


def _fit(
    images: ParticleImages,
    volume: Volume,
    noise: NoiseModel,
    found: FoundPoses,
    sample: Int[np.ndarray, " n"],
    kernels: SliceKernels,
) -> tuple[float, NoiseModel, float]:
    """Measure the reference's grey scale, the noise beyond it, and the spread of intensities."""
    some = with_poses(hold_images(images, sample), found.rotation, found.shift_angstrom)
    rows, grid = np.arange(len(sample)), map_to_grid(volume, PADDING * len(volume))
    _, scale = fit_residuals(some, noise, grid, rows, kernels)
    # Of images that show nothing, the best poses still agree a little with the reference.
    grey_scale = scale.mean if scale.mean > 0 else 1.0
    noise, scale = fit_residuals(some, noise, grid * np.complex64(grey_scale), rows, kernels)
    return grey_scale, noise, scale.variance
