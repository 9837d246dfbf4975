"""How well an image matches the consensus, band by band of resolution: sums over its coefficients.

An image of the particle shows the consensus at about the intensity of the others, in every band,
and its noise is modulated by the CTF that the table gives. Noise without a particle, a broken
particle, a wrong pose and a wrong CTF each leave a trace in one or the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Complex64, Float32, Float64, Int

from cryofocus.consensus.band import Band
from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.noise.power import noise_sample
from cryofocus.maths.fourier import forward_3d
from cryofocus.maths.shells import shell_mean_3d
from cryofocus.placement import Array, beside, fetch, namespace

N_BANDS = 6
# Every so many of the particles on which noise is measured tell how much their bands say.
SPARSE = 16


@dataclass(frozen=True, eq=False)
class ImageMatch:
    """Sums over the coefficients of each image, its intensity taken to be 1.

    With image Y, CTF C, slice of the consensus P V and variance of the noise sigma2:

    Attributes:
        n_coefficients: `(particle, band)` of the whole plane that the image holds.
        linear: `(particle, band)` <Y, C P V> / sigma2.
        quadratic: `(particle, band)` |C P V|^2 / sigma2, the information on the intensity.
        power: `(particle, band)` |Y - C P V|^2 / sigma2.
        modulated: `(particle, band)` the same, weighted with C^2 / sigma2 in any unit.
        weight: `(particle, band)` C^2 / sigma2 in that unit.
        square_weight: `(particle, band)` the square of it.
    """

    n_coefficients: Float64[np.ndarray, "particle band"]
    linear: Float64[np.ndarray, "particle band"]
    quadratic: Float64[np.ndarray, "particle band"]
    power: Float64[np.ndarray, "particle band"]
    modulated: Float64[np.ndarray, "particle band"]
    weight: Float64[np.ndarray, "particle band"]
    square_weight: Float64[np.ndarray, "particle band"]

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.linear)

    @property
    def sums(self) -> tuple[Float64[np.ndarray, "particle band"], ...]:
        """What differs between particles, in order."""
        return (
            *(self.n_coefficients, self.linear, self.quadratic, self.power),
            *(self.modulated, self.weight, self.square_weight),
        )

    def take(self, which: Int[np.ndarray, " m"]) -> ImageMatch:
        """Return those of some of the particles."""
        return ImageMatch(*(one[which] for one in self.sums))

    def put(self, which: Int[np.ndarray, " m"], part: ImageMatch) -> None:
        """Write the sums of some of the particles, in place."""
        for array, rows in zip(self.sums, part.sums, strict=True):
            array[which] = rows


def allocate_match(n_particles: int, edges: Sequence[int]) -> ImageMatch:
    """Return room for the sums of so many particles, in the bands between the edges."""
    return ImageMatch(*(np.empty((n_particles, len(edges) - 1)) for _ in fields(ImageMatch)))


def join_matches(parts: Sequence[ImageMatch]) -> ImageMatch:
    """Put the particles of all parts one after the other; a single part is not copied."""
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(part.sums for part in parts), strict=True)
    return ImageMatch(*map(np.concatenate, columns))


def choose_bands(consensus: Consensus, n_shells: int) -> tuple[int, ...]:
    """Divide shells into bands that tell about equally much of an image's intensity.

    Args:
        consensus: Its map, noise, and the CTFs of a few of its images decide.
        n_shells: Shells to divide; the one of the mean grey value is in no band.

    Returns:
        First shell of every band, and the one past the last.
    """
    weight = weight_by_shell(consensus, n_shells)
    volume = consensus.map.full
    power = shell_mean_3d(np.abs(forward_3d(volume)) ** 2, len(volume))
    told = weight * power[: len(weight)]
    told[0] = 0
    upto = np.cumsum(told) / max(float(told.sum()), float(np.finfo(np.float32).tiny))
    inner = np.searchsorted(upto, np.arange(1, N_BANDS) / N_BANDS) + 1
    return tuple(np.unique([1, *inner.tolist(), len(weight)]).tolist())


def weight_by_shell(consensus: Consensus, n_shells: int) -> Float64[np.ndarray, " shell"]:
    """Return what a map's power in each shell counts for in an image: CTF^2 over noise, summed.

    Args:
        consensus: Its noise, and the CTFs of a few of its images.
        n_shells: Shells wanted; no more than the images have.
    """
    images = consensus.images
    band = Band.disc(images.particles.box, min(n_shells, images.largest_band().n_shells))
    chunk = images.load(band, noise_sample(images)[::SPARSE])
    weight = consensus.noise.precision(band, chunk.groups, chunk.ctf) * chunk.ctf**2
    return np.asarray(band.shell_sums(weight).mean(axis=0), np.float64)


def measure_match(
    band: Band,
    edges: tuple[int, ...],
    matched: tuple[Complex64[Array, "n point"], Float32[Array, "n point"]],
    slices: Complex64[Array, "n point"],
) -> ImageMatch:
    """Sum over the bands of some images.

    Args:
        band: Points of the images.
        edges: From `choose_bands`.
        matched: From `matched_chunk`, all intensities 1.
        slices: Of the consensus, at the images' poses.
    """
    data, weight = matched
    xp = namespace(data)
    of_band = _indicators(band, edges)
    columns = beside(of_band, data)
    real, imaginary = xp.real(data), xp.imag(data)
    slice_real, slice_imaginary = xp.real(slices), xp.imag(slices)
    # Whether or not images were written multiplied by their CTF.
    tiny = float(np.finfo(np.float32).tiny)
    left = (real - weight * slice_real) ** 2 + (imaginary - weight * slice_imaginary) ** 2
    power = left / xp.maximum(weight, xp.full_like(weight, tiny))
    # On any scale: contrasts are ratios, and squares of small weights would be lost.
    relative = weight / xp.mean(weight)
    terms = (
        xp.astype(weight > 0, weight.dtype),
        *(real * slice_real + imaginary * slice_imaginary,),
        *(weight * (slice_real**2 + slice_imaginary**2),),
        *(power, power * relative, relative, relative**2),
    )
    sums = (fetch(xp.matmul(term, columns)).astype(np.float64) for term in terms)
    return ImageMatch(*sums)


def _indicators(band: Band, edges: tuple[int, ...]) -> Float32[np.ndarray, "point band"]:
    """Return 0, or the weight of the point in the whole plane, for every point and band."""
    number = np.searchsorted(edges, band.shells, side="right") - 1
    is_in = number[:, None] == np.arange(len(edges) - 1)
    return np.asarray(is_in * band.hermitian[:, None], np.float32)
