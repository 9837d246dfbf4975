"""What a search has to know of the images beforehand: contrast, hand, grey scale and noise.

None of it can be measured without poses, so the poses of a sample are searched first, with the
images' whole power taken for noise and any intensity allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, Int

from cryofocus.arrays import Volume
from cryofocus.inference.consensus import fit_residuals, power_of_images
from cryofocus.inference.images import ParticleImages
from cryofocus.inference.noise import flat_noise
from cryofocus.inference.reconstruct import PADDING, map_to_grid
from cryofocus.kernels.contract import SliceKernels
from cryofocus.poses.evidence import ANY_SCALE
from cryofocus.poses.result import with_poses
from cryofocus.poses.scope import SearchScope
from cryofocus.poses.search import FoundPoses, PoseSearch, hold_images

# Enough images to tell contrast and hand, and for spectra that are good to a few per cent.
SAMPLE_PARTICLES = 160
SIGNIFICANCE = 4.0
"""Standard errors by which a mirrored reference has to fit better to be the right one."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A search that fits the images, and what was found on the way.

    Attributes
    ----------
    images : with the sign under which the reference fits.
    search : the reference on the images' grey scale, with their noise.
    gain : mean log-likelihood of a sampled image over nothing but noise.
    mirror_gain : the same with the mirrored reference.
    mirror_significance : their difference in standard errors; positive if the mirror fits better.
    """

    images: ParticleImages
    search: PoseSearch
    gain: float
    mirror_gain: float
    mirror_significance: float

    @property
    def is_mirrored(self) -> bool:
        """Whether the reference seems to be of the wrong hand."""
        return self.mirror_significance > SIGNIFICANCE


def calibrate(
    images: ParticleImages,
    volume: Volume,
    scope: SearchScope,
    kernels: SliceKernels,
    *,
    sign: int | None = None,
) -> Calibration:
    """Search a sample of the images and measure what the search of all needs.

    Parameters
    ----------
    images : prepared images; the sign of their treatment is a first guess.
    volume : reference on the images' grid, protein positive, in any grey scale.
    scope : what to search.
    kernels : slice kernels of the device.
    sign : contrast sign to keep; None tries both.
    """
    sample = _sample(len(images))
    noise = flat_noise(power_of_images(images, images.largest_band(), sample))

    def search(reference: Volume) -> PoseSearch:
        return PoseSearch.prepare(reference, images, noise, ANY_SCALE, scope, kernels)

    rough = search(volume)
    found = rough.find(images, kernels, sample)
    if sign is None:
        other = rough.find(images.flipped(), kernels, sample)
        if _gain(other).mean() > _gain(found).mean():
            images, found = images.flipped(), other
    mirrored = search(mirror_map(volume)).find(images, kernels, sample)
    difference = _gain(mirrored) - _gain(found)
    error = max(float(difference.std()) / np.sqrt(len(sample)), np.finfo(np.float64).tiny)
    search_all = _fit(images, volume, rough, found, sample, kernels)
    return Calibration(
        images,
        search_all,
        float(_gain(found).mean()),
        float(_gain(mirrored).mean()),
        float(difference.mean()) / error,
    )


def mirror_map(volume: Float32[np.ndarray, "box box box"]) -> Float32[np.ndarray, "box box box"]:
    """Return a map of the other hand: density at a goes to -a, about the centre voxel."""
    flipped = volume[::-1, ::-1, ::-1]
    return np.roll(flipped, 1, axis=(0, 1, 2)) if len(volume) % 2 == 0 else flipped.copy()


def _sample(n: int) -> Int[np.ndarray, " m"]:
    """Return particles spread evenly over the set."""
    return np.unique(np.linspace(0, n - 1, min(n, SAMPLE_PARTICLES)).astype(np.int64))


def _gain(found: FoundPoses) -> Float64[np.ndarray, " n"]:
    return found.poses.log_likelihood_gain


def _fit(
    images: ParticleImages,
    volume: Volume,
    rough: PoseSearch,
    found: FoundPoses,
    sample: Int[np.ndarray, " n"],
    kernels: SliceKernels,
) -> PoseSearch:
    """Bring the reference onto the images' grey scale, and measure noise and intensities."""
    some = with_poses(
        hold_images(images, sample), found.poses.rotation, found.poses.shift_angstrom
    )
    everything = np.arange(len(sample))
    edge = PADDING * len(volume)
    noise = rough.model.noise
    _, scale = fit_residuals(some, noise, map_to_grid(volume, edge), everything, kernels)
    scaled = np.asarray(volume * np.float32(scale.mean), np.float32)
    noise, scale = fit_residuals(some, noise, map_to_grid(scaled, edge), everything, kernels)
    return PoseSearch.prepare(
        scaled, images, noise, replace(scale, mean=1.0), rough.scope, kernels
    )
