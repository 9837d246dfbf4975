"""The region in focus as each image shows it: a circle, or the projection of a mask.

Only the pixels of this region enter the comparison of image and class in the strategy `mask2d`.
What lies before and behind the region along the view is seen as well; it cancels only as far as
the classes agree there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64

from cryofocus.consensus.band import Band
from cryofocus.consensus.images import PADDING, ParticleImages
from cryofocus.consensus.reconstruct import map_to_grid
from cryofocus.data.mask import FocusMask
from cryofocus.errors import RegionError
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.fourier import inverse_2d
from cryofocus.maths.masks import cosine_edge

CHUNK_PARTICLES = 256
# A projection that falls below this everywhere shows nothing of the mask.
LEAST_THICKNESS = 1e-3


@runtime_checkable
class ProjectedRegion(Protocol):
    """Weights of the pixels of each image, zero outside some rows."""

    def rows(self, which: Int[np.ndarray, " n"]) -> Int64[np.ndarray, "n row"]:
        """Return the rows of some images that hold the region, from 0 to box-1."""
        ...

    def weights(self, which: Int[np.ndarray, " n"]) -> Float32[np.ndarray, "n row box"]:
        """Return the weight of each pixel of these rows, from 0 to 1."""
        ...

    def areas(self, weights: Float32[np.ndarray, "n row box"]) -> Float64[np.ndarray, " n"]:
        """Return the area in square pixels that the log-likelihood counts."""
        ...


@dataclass(frozen=True, eq=False)
class Circle:
    """A sphere's outline: its radius around its projected centre.

    Attributes:
        box: Edge of the images in pixels.
        centres: `(particle, 2)` x, y of the projected centre in pixels, from the image centre.
        radius: In pixels.
        edge: Width of the soft edge outside the radius in pixels; 0 is a hard edge.
    """

    box: int
    centres: Float64[np.ndarray, "particle 2"]
    radius: float
    edge: float = 0.0

    def rows(self, which: Int[np.ndarray, " n"]) -> Int64[np.ndarray, "n row"]:
        """Return the rows that hold the circle, moved into the image where it leaves it."""
        reach = self.radius + self.edge
        n_rows = min(self.box, 2 * int(np.ceil(reach)) + 1)
        first = np.ceil(self.centres[which, 1] - reach).astype(np.int64) + self.box // 2
        first = np.clip(first, 0, self.box - n_rows)
        return np.asarray(first[:, None] + np.arange(n_rows), np.int64)

    def weights(self, which: Int[np.ndarray, " n"]) -> Float32[np.ndarray, "n row box"]:
        """Return 1 inside and 0 outside, with the soft edge between."""
        x = np.arange(self.box) - self.box // 2 - self.centres[which, 0:1]
        y = self.rows(which) - self.box // 2 - self.centres[which, 1:2]
        squared = (y * y)[:, :, None] + (x * x)[:, None, :]
        if self.edge == 0:
            return np.asarray(squared <= self.radius**2, np.float32)
        return np.asarray(cosine_edge(np.sqrt(squared) - self.radius, self.edge), np.float32)

    def areas(self, weights: Float32[np.ndarray, "n row box"]) -> Float64[np.ndarray, " n"]:
        """Return pi R^2 for a hard circle, as cisTEM counts it; the sum of weights otherwise."""
        if self.edge == 0:
            return np.full(len(weights), np.pi * self.radius**2)
        return _sum_weights(weights)


@dataclass(frozen=True, eq=False)
class Shadow:
    """A mask's projections.

    Attributes:
        shadows: `(particle, box, box)` weights from 0 to 1.
    """

    shadows: Float32[np.ndarray, "particle box box"]

    def rows(self, which: Int[np.ndarray, " n"]) -> Int64[np.ndarray, "n row"]:
        """Return all rows."""
        return np.broadcast_to(
            np.arange(self.shadows.shape[1]), (len(which), self.shadows.shape[1])
        )

    def weights(self, which: Int[np.ndarray, " n"]) -> Float32[np.ndarray, "n row box"]:
        """Return the projections."""
        return np.asarray(self.shadows[which])

    def areas(self, weights: Float32[np.ndarray, "n row box"]) -> Float64[np.ndarray, " n"]:
        """Return the sum of weights."""
        return _sum_weights(weights)


def project_sphere(images: ParticleImages, mask: FocusMask, edge_angstrom: float) -> Circle:
    """Return the circle that each image shows of a focus sphere.

    Args:
        images: Whose poses say where the sphere's centre lands.
        mask: A focus sphere.
        edge_angstrom: Width of the circle's soft edge; 0 is cisTEM's hard edge.
    """
    assert mask.centre_angstrom is not None
    assert mask.radius_angstrom is not None
    particles = images.particles
    pixel = particles.pixel_size_angstrom
    middle = np.asarray(mask.origin_angstrom) + (particles.box // 2) * pixel
    band, everything = Band.disc(particles.box, 1), np.arange(len(particles))
    geometry = images.geometry(band, PADDING, PADDING * particles.box, everything)
    from_middle = (np.asarray(mask.centre_angstrom) - middle) / pixel
    centres = geometry.matrices.astype(np.float64) @ from_middle
    return Circle(particles.box, centres, mask.radius_angstrom / pixel, edge_angstrom / pixel)


def project_mask(
    images: ParticleImages,
    mask: Float32[np.ndarray, "box box box"],
    threshold: float,
    kernels: SliceKernels,
    shadows: Float32[np.ndarray, "particle box box"],
) -> Shadow:
    """Project a mask along each view.

    Args:
        images: Whose poses give the views.
        mask: From 0 to 1 on the particles' grid.
        threshold: Fraction of each projection's largest value from which on a pixel counts; 0
            keeps the projection itself, with its largest value brought to 1, as weights.
        kernels: Slice kernels.
        shadows: Where the projections are stored.

    Raises:
        RegionError: When a view shows nothing of the mask.
    """
    box, band = mask.shape[0], images.largest_band()
    grid = map_to_grid(mask, PADDING * box)[..., None]
    for start in range(0, len(images), CHUNK_PARTICLES):
        which = np.arange(start, min(start + CHUNK_PARTICLES, len(images)))
        slices = kernels.gather(grid, images.geometry(band, PADDING, PADDING * box, which))
        thickness = inverse_2d(band.scatter(slices[..., 0]), box, threads=images.threads)
        largest = thickness.max(axis=(1, 2), keepdims=True)
        if largest.min() < LEAST_THICKNESS:
            raise RegionError(
                "focus mask: vanishes when projected along some views; expected a region of "
                "several voxels. Give a larger mask, or a sphere with --focus."
            )
        shadows[which] = shade(thickness / largest, threshold)
    return Shadow(shadows)


def shade(
    thickness: Float[np.ndarray, "n box box"], threshold: float
) -> Float32[np.ndarray, "n box box"]:
    """Turn relative thickness into weights; see `project_mask` for the threshold."""
    if threshold > 0:
        return np.asarray(thickness >= threshold, np.float32)
    return np.asarray(np.clip(thickness, 0, 1), np.float32)


def _sum_weights(weights: Float32[np.ndarray, "n row box"]) -> Float64[np.ndarray, " n"]:
    return np.asarray(weights.sum(axis=(1, 2), dtype=np.float64))
