"""How well images fit the consensus and the rings of their CTF, as their table has them.

Images stay as they are, and so does what counts as noise, so that log-likelihoods of the same
images told otherwise can be compared (docs/derivations/misfits.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float32, Float64, Int, Int8

from cryofocus.consensus.band import Band
from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.image_model import matched_chunk
from cryofocus.consensus.images import PADDING, ImageChunk, ParticleImages
from cryofocus.consensus.misfits.alternatives import PIXEL_FACTORS
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.consensus.reconstruct import map_to_grid
from cryofocus.consensus.subtraction import filter_half_maps
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.fourier import next_fast_len, resize_volume
from cryofocus.placement import Array, fetch, join_rows

SHELLS_TOGETHER = 4


@dataclass(frozen=True)
class Fit:
    """How well images fit.

    Attributes:
        to_map: Log-likelihood of the consensus, over that of noise.
        to_rings: Log-likelihood of the rings of the CTF in their power, over that of none.
    """

    to_map: float
    to_rings: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.to_map + self.to_rings


@dataclass(frozen=True)
class Sample:
    """Some of the images, in memory.

    Attributes:
        images: The images, as their table has them.
        half_set: `(particle,)` 1 or 2.
    """

    images: ParticleImages
    half_set: Int8[np.ndarray, " particle"]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)


class Evidence:
    """The consensus, to be held against images told one way or another.

    Every image is compared with the map of the other half set, which holds nothing of its noise:
    in a map that it is part of, an image finds itself, told as it was then.

    Args:
        consensus: Images, their noise and the half maps.
        half_set: `(particle,)` 1 or 2.
        n_shells: Shells compared.
        kernels: Slice kernels of the device.

    Attributes:
        consensus: As given.
    """

    def __init__(
        self,
        consensus: Consensus,
        half_set: Int8[np.ndarray, " particle"],
        n_shells: int,
        kernels: SliceKernels,
    ) -> None:
        self.consensus = consensus
        self._images, self._half_set, self._kernels = consensus.images, half_set, kernels
        widest = self._images.stretch / min(PIXEL_FACTORS)
        box = self._images.particles.box
        self._band = Band.disc(box, min(n_shells, int((box - 1) / (2 * widest) + 0.5)))
        halves = filter_half_maps(consensus.map.halves, consensus.map.fsc)
        reach = self._band.n_shells * widest
        self._grids = tuple(kernels.send(_lay_out(half, reach)) for half in halves)
        # Noise that passed the CTF is taken to be spread evenly, or it would tell the CTFs apart.
        even = consensus.noise.additive + 0.5 * consensus.noise.transmitted
        self._noise = NoiseModel(even, np.zeros_like(even))

    def sample(self, rows: Int[np.ndarray, " n"], most: int) -> Sample:
        """Return at most so many of the images; of those written multiplied by their CTF, none."""
        particles = self._images.particles
        is_plain = np.array([not one.ctf_premultiplied for one in particles.optics])
        rows = rows[is_plain[particles.optics_of_particle[rows]]]
        n = min(most, len(rows))
        chosen = rows[np.unique(np.linspace(0, max(len(rows) - 1, 0), n).astype(np.int64))]
        # They are gone through once for everything that is tried.
        return Sample(self._images.held(chosen), self._half_set[chosen])

    def of(self, sample: Sample, images: ParticleImages, *, any_sign: bool) -> Fit:
        """Return how well some images fit, told one way or another.

        Args:
            sample: The images.
            images: The same, told as is to be judged.
            any_sign: Whether bands of the map may be inverted, as they are in one that was made
                with wrong CTFs.
        """
        band = self._band
        linear, quadratic = np.zeros(band.n_shells), np.zeros(band.n_shells)
        powers, rings = [], []
        for chunk in images.chunks(band):
            data, precision = matched_chunk(chunk, band, self._noise)
            slices = self._slices(images, sample.half_set, chunk)
            linear += band.shell_sums((data * slices.conj()).real).sum(axis=0)
            quadratic += band.shell_sums(precision * np.abs(slices) ** 2).sum(axis=0)
            powers.append(_shell_means(np.abs(chunk.transforms) ** 2, band))
            rings.append(_shell_means(chunk.ctf**2, band))
        # Filtering took more of the map's fine than of its coarse detail: of every few shells, the
        # intensity that fits best counts.
        starts = np.arange(1, band.n_shells, SHELLS_TOGETHER)
        linear, quadratic = (np.add.reduceat(one, starts) for one in (linear, quadratic))
        fitting = np.abs(linear) if any_sign else linear
        to_map = sum(map(_evidence_of, fitting.tolist(), quadratic.tolist()))
        return Fit(to_map, _ring_evidence(np.concatenate(powers), np.concatenate(rings), band))

    def views(
        self, rows: Int[np.ndarray, " n"]
    ) -> tuple[Band, tuple[Complex64[np.ndarray, "n point"], ...]]:
        """Return the band, and the slices of both half maps at the poses of some particles."""
        band, images = self._band, self._images
        return band, tuple(self._cut(grid, images, rows) for grid in self._grids)

    def _slices(
        self, images: ParticleImages, half_set: Int8[np.ndarray, " particle"], chunk: ImageChunk
    ) -> Complex64[np.ndarray, "n point"]:
        """Return slices of the other half set's map."""
        rows = [np.flatnonzero(half_set[chunk.particles] == half) for half in (2, 1)]
        parts = [
            self._cut(grid, images, chunk.particles[mine])
            for grid, mine in zip(self._grids, rows, strict=True)
            if mine.size
        ]
        return np.asarray(join_rows(parts, np.concatenate(rows)))

    def _cut(
        self, grid: Array, images: ParticleImages, rows: Int[np.ndarray, " n"]
    ) -> Complex64[np.ndarray, "n point"]:
        geometry = images.geometry(self._band, PADDING, grid.shape[0], rows)
        return np.asarray(fetch(self._kernels.gather(grid, geometry))[..., 0])


def _shell_means(
    values: Float32[np.ndarray, "n point"], band: Band
) -> Float64[np.ndarray, "n shell"]:
    """Return means over the shells, without that of the mean grey value."""
    means = band.shell_sums(values) / np.maximum(band.shell_counts(), 1)
    return np.asarray(means[:, 1:], np.float64)


def _ring_evidence(
    power: Float64[np.ndarray, "n shell"], ring: Float64[np.ndarray, "n shell"], band: Band
) -> float:
    """Return the log-likelihood that power follows the squared CTF, over that it does not.

    Shell by shell, from what differs between images: how much of a shell's power has passed the
    CTF is its own. Power in units of its mean is exponentially distributed, and where density
    shows, it varies more, from view to view.
    """
    # Of the half plane alone: the other half says the same.
    counts = band.shell_counts()[1:] / 2
    tiny = np.finfo(np.float32).tiny
    excess = power / np.maximum(power.mean(axis=0), tiny) - 1
    ring = ring - ring.mean(axis=0)
    precision = 1 / np.maximum((excess**2).mean(axis=0), 1 / counts)
    linear, quadratic = ((one * ring).sum(axis=0) * precision for one in (excess, ring))
    return sum(map(_evidence_of, linear.tolist(), quadratic.tolist()))


def _evidence_of(linear: float, quadratic: float) -> float:
    """Return the log-likelihood of the best positive factor over that of none."""
    return max(linear, 0.0) ** 2 / (2 * quadratic) if quadratic > 0 else 0.0


def _lay_out(
    volume: Float32[np.ndarray, "box box box"], reach: float
) -> Complex64[np.ndarray, "edge edge half 1"]:
    """Put a map on a padded grid that is just large enough for slices of so many shells."""
    box = len(volume)
    small = min(box, next_fast_len(int(np.ceil(2 * reach)) + 2))
    # A transform of fewer voxels is weaker; the images were transformed at the full size.
    cropped = resize_volume(volume, small) * np.float32((box / small) ** 3)
    return map_to_grid(cropped, PADDING * small)[..., None]
