"""Images whose noise has unit variance in every pixel, kept for all cycles.

An image's transform is divided by the standard deviation of its noise, coefficient by
coefficient, and multiplied by the box edge, so that the inverse transform is an image of noise
of variance 1. What a class predicts of it is its slice times `response`, the CTF treated alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex64, Float32, Float64, Int

from cryofocus.consensus.background import Background
from cryofocus.consensus.band import Band
from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.ground import Allocate
from cryofocus.consensus.image_model import matched_chunk
from cryofocus.consensus.images import ImageChunk
from cryofocus.consensus.match import ImageMatch, allocate_match, measure_match
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.kernels.contract import SliceGeometry
from cryofocus.maths.fourier import next_fast_len
from cryofocus.maths.grids import coarse_box
from cryofocus.maths.masks import cosine_edge
from cryofocus.maths.rotations import order_by_view
from cryofocus.placement import fetch

# Width of the low-pass filter's edge in 1/Å, centred on the classification limit (cisTEM's).
LOW_PASS_WIDTH = 1 / 20
# An image written multiplied by its CTF says nothing where the CTF is smaller than this.
LEAST_CTF = 0.03
# Of an image that does not count, so much is left that its variances are numbers.
LEAST_WEIGHT = np.float32(1e-8)
CHUNK_PARTICLES = 256
# Padding of the references' grids. A cycle spends most of its time waiting for nodes of the grid;
# half the padding of final maps costs less than 0.002 of kappa.
PADDING = 1.5


@dataclass(frozen=True, eq=False)
class WhiteImages:
    """Whitened transforms of all particles on one band, similar views next to each other.

    Slices of similar views touch the same nodes of a grid, which are then still in the cache.

    Attributes:
        particles: `(particle,)` index into the particle set of each row of the other arrays.
        band: Points of the particle's half plane.
        low_pass: `(point,)` amplitude of the classification's low-pass filter.
        geometry: Where each particle's slice cuts the padded grid of the references.
        transforms: `(particle, point)` whitened, unfiltered.
        response: `(particle, point)` what multiplies a slice to give the class's prediction.
        full_variance: `(particle,)` variance of a pixel over all frequencies.
        extent_angstrom: Edge of the particle's box.
        reference_box: Edge of the references: the particle's box, sampled as coarsely as the band
            allows.
        threads: Threads of the Fourier transforms.
        match: How well each particle's image matches a background, in the order of the particle
            set; None where none was given.
    """

    particles: Int[np.ndarray, " particle"]
    band: Band
    low_pass: Float32[np.ndarray, " point"]
    geometry: SliceGeometry
    transforms: Complex64[np.ndarray, "particle point"]
    response: Float32[np.ndarray, "particle point"]
    full_variance: Float64[np.ndarray, " particle"]
    extent_angstrom: float
    reference_box: int
    threads: int
    match: ImageMatch | None = None

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.transforms)

    @property
    def voxel_size_angstrom(self) -> float:
        """Å per voxel of the references."""
        return self.extent_angstrom / self.reference_box

    def chunks(self) -> Iterator[slice]:
        """Yield all rows, a bounded number at a time."""
        for start in range(0, len(self), CHUNK_PARTICLES):
            yield slice(start, min(start + CHUNK_PARTICLES, len(self)))


def whiten_images(
    consensus: Consensus,
    n_shells: int,
    against: tuple[Background, tuple[int, ...]] | None = None,
    *,
    allocate: Allocate = np.empty,
    advance: Callable[[int], None] = lambda _: None,
) -> WhiteImages:
    """Whiten every image: one pass over the stack.

    Args:
        consensus: Images and noise.
        n_shells: Shells that enter the classification; the low-pass filter is at one half at the
            last of them.
        against: What images are matched with, and edges of the bands; or None.
        allocate: Makes the arrays.
        advance: Called with the number of particles done.
    """
    images, noise = consensus.images, consensus.noise
    particles, full = images.particles, images.largest_band()
    extent = particles.box * particles.pixel_size_angstrom
    low_pass = low_pass_filter(full, extent, (n_shells - 1) / extent)
    n_wanted = int(full.shells[low_pass > 0].max()) + 1
    reference_box = coarse_box(particles.box, int(np.ceil(n_wanted * images.stretch)))
    edge = next_fast_len(int(np.ceil(PADDING * reference_box)))
    padding = edge / reference_box
    # The outermost points of a slice need neighbours on the grid.
    n_fitting = int((edge // 2 - 1) / (padding * images.stretch) + 0.5)
    band = Band.disc(particles.box, min(n_wanted, n_fitting))
    enters = full.shells < band.n_shells
    shape = (len(images), len(band))
    transforms, response = allocate(shape, np.complex64), allocate(shape, np.float32)
    full_variance = np.empty(len(images))
    order = order_by_view(particles.rotation[:, 2])
    row_of_particle = np.argsort(order)
    match = None if against is None else allocate_match(len(images), against[1])
    for chunk in images.chunks(full):
        rows = row_of_particle[chunk.particles]
        white, seen = whiten_chunk(chunk, full, noise)
        power = (white.real**2 + white.imag**2) @ full.hermitian
        is_held = full.shells < chunk.held_shells[:, None]
        full_variance[rows] = power / ((is_held @ full.hermitian) * full.box**2)
        transforms[rows], response[rows] = white[:, enters], seen[:, enters]
        if match is not None and against is not None:
            match.put(chunk.particles, _match(chunk, full, noise, *against))
        advance(len(rows))
    geometry = images.geometry(band, padding, edge, order)
    return WhiteImages(
        particles=order,
        band=band,
        low_pass=low_pass[enters],
        geometry=geometry,
        transforms=transforms,
        response=response,
        full_variance=full_variance,
        extent_angstrom=extent,
        reference_box=reference_box,
        threads=images.threads,
        match=match,
    )


def _match(
    chunk: ImageChunk,
    band: Band,
    noise: NoiseModel,
    background: Background,
    edges: tuple[int, ...],
) -> ImageMatch:
    slices = fetch(background.slices(band, chunk.particles))[..., 0]
    return measure_match(band, edges, matched_chunk(chunk, band, noise), slices)


def whiten_chunk(
    chunk: ImageChunk, band: Band, noise: NoiseModel
) -> tuple[Complex64[np.ndarray, "n point"], Float32[np.ndarray, "n point"]]:
    """Return whitened transforms and responses of some images.

    One that counts for less than the others is fainter: its log-likelihood is weighed. An image
    written multiplied by its CTF is divided by it first, except near its zeros, where it is left
    close to zero together with its response.
    """
    white = np.sqrt(noise.precision(band, chunk.groups, chunk.ctf)) * np.float32(band.box)
    if chunk.weight is not None:
        white *= np.sqrt(np.maximum(chunk.weight, LEAST_WEIGHT))[:, None]
    response = chunk.ctf * white
    if chunk.is_premultiplied.any():
        rows = chunk.is_premultiplied
        white[rows] /= _away_from_zero(chunk.ctf[rows])
        response[rows] = chunk.ctf[rows] ** 2 * white[rows]
    return chunk.transforms * white, response


def low_pass_filter(
    band: Band, extent_angstrom: float, limit: float
) -> Float32[np.ndarray, " point"]:
    """Return a low-pass filter with a raised-cosine edge centred on the limit (in 1/Å)."""
    columns_rows = band.grid_points(1)
    frequency = np.hypot(columns_rows[:, 0], columns_rows[:, 1]) / extent_angstrom
    return cosine_edge(frequency - (limit - LOW_PASS_WIDTH / 2), LOW_PASS_WIDTH)


def _away_from_zero(ctf: Float32[np.ndarray, "n point"]) -> Float32[np.ndarray, "n point"]:
    is_small: Bool[np.ndarray, "n point"] = np.abs(ctf) < LEAST_CTF
    return np.where(is_small, np.copysign(np.float32(LEAST_CTF), ctf), ctf)
