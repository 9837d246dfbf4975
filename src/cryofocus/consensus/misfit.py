"""Groups of images whose CTF or pixel size cannot be right: another one fits better by far.

A sample of a group's images is held against the consensus, and their power against the rings of
the CTF, under other defoci and pixel sizes than the table's. The images themselves stay as they
are, and so does what counts as noise, so that likelihoods can be compared
(docs/derivations/misfits.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Complex64, Float32, Float64, Int

from cryofocus.consensus.band import Band
from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.image_model import matched_chunk
from cryofocus.consensus.images import PADDING, ParticleImages
from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.consensus.profiles import odd_groups
from cryofocus.consensus.reconstruct import map_to_grid
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.ctf import Microscope
from cryofocus.maths.fourier import next_fast_len, resize_volume
from cryofocus.placement import fetch

Kind = Literal["set", "optics group", "micrograph"]
Fault = Literal["defocus", "pixel size"]

# Factors tried on what the table says. Tenfold errors are units taken for others, and -1 a sign.
DEFOCUS_FACTORS = (-1.0, 0.1, 0.5, 0.6, 0.71, 0.8, 0.9, 1.1, 1.25, 1.4, 1.7, 2.0, 10.0)
PIXEL_FACTORS = (0.93, 0.95, 0.97, 0.98, 0.99, 1.01, 1.02, 1.03, 1.05, 1.07)
SAMPLE_PARTICLES, SHELLS_TOGETHER = 128, 4
# Log-likelihood that is no accident: a right group loses as much, or more, by any factor.
LEAST_GAIN = 25.0
# Groups of fewer images say little, and differences between bands below these parts are natural.
SMALLEST = {"optics group": 50, "micrograph": 20}
LEAST_CHANGE = {"optics group": 0.03, "micrograph": 0.15}
# In standard deviations. Optics groups are few: looking into one that is right costs little.
SIGNIFICANT = {"optics group": 3.0, "micrograph": 6.0}
# The oddest groups of each kind that are looked into.
MOST_GROUPS = 12


@dataclass(frozen=True)
class Misfit:
    """A group whose images fit the consensus better with another defocus or pixel size.

    Attributes:
        kind: What the group is.
        group: Index of the optics group or micrograph in the particle set; 0 for the whole set.
        fault: What should be otherwise.
        factor: By which the table's value should about be multiplied.
        gain: Log-likelihood of the images looked at, over that with the table's value.
        n_images: How many were looked at.
    """

    kind: Kind
    group: int
    fault: Fault
    factor: float
    gain: float
    n_images: int


def find_misfits(
    consensus: Consensus, match: ImageMatch, n_shells: int, kernels: SliceKernels
) -> tuple[Misfit, ...]:
    """Find optics groups and micrographs, or else the whole set, that are told wrongly.

    Args:
        consensus: Images, their noise and the map.
        match: What was measured of every image, by which groups are chosen to be looked into.
        n_shells: Shells compared.
        kernels: Slice kernels of the device.
    """
    particles = consensus.images.particles
    trial = _Trial(consensus, n_shells, kernels)
    found: list[Misfit] = []
    optics, micrographs = particles.optics_of_particle, particles.micrograph_of_particle
    for group in _suspects(match, optics, "optics group"):
        found += trial.judge("optics group", group, np.flatnonzero(optics == group))
    told = {misfit.group for misfit in found}
    for group in _suspects(match, micrographs, "micrograph"):
        rows = np.flatnonzero(micrographs == group)
        if not told.intersection(optics[rows].tolist()):
            found += trial.judge("micrograph", group, rows)
    if not found:
        found += trial.judge("set", 0, np.arange(len(particles)))
    return tuple(found)


def _suspects(match: ImageMatch, groups: Int[np.ndarray, " particle"], kind: Kind) -> list[int]:
    odd = odd_groups(match, groups, SMALLEST[kind], LEAST_CHANGE[kind], SIGNIFICANT[kind])
    return list(odd)[:MOST_GROUPS]


class _Trial:
    """The consensus, to be held against images told to be otherwise."""

    def __init__(self, consensus: Consensus, n_shells: int, kernels: SliceKernels) -> None:
        self._images, self._kernels = consensus.images, kernels
        widest = _with_pixel(self._images, min(PIXEL_FACTORS))
        n_shells = min(n_shells, widest.largest_band().n_shells)
        self._band = Band.disc(self._images.particles.box, n_shells)
        self._grid = kernels.send(_lay_out(consensus.map.full, n_shells * widest.stretch))
        # Noise that passed the CTF is taken to be spread evenly, or it would tell the CTFs apart.
        even = consensus.noise.additive + 0.5 * consensus.noise.transmitted
        self._noise = NoiseModel(even, np.zeros_like(even))

    def judge(self, kind: Kind, group: int, rows: Int[np.ndarray, " n"]) -> Iterator[Misfit]:
        """Yield what is wrong with a group, if anything is."""
        sample = self._sample(rows)
        if not len(sample):
            return
        tried: dict[tuple[Fault, float], float] = {
            ("defocus", factor): self._evidence(_with_defocus(sample, factor))
            for factor in DEFOCUS_FACTORS
        }
        # Were all images of another size, so would be the map.
        for factor in PIXEL_FACTORS if kind != "set" else ():
            tried["pixel size", factor] = self._evidence(_with_pixel(sample, factor))
        (fault, factor), best = max(tried.items(), key=lambda item: item[1])
        gain = best - self._evidence(sample)
        if gain > LEAST_GAIN:
            yield Misfit(kind, group, fault, factor, gain, len(sample))

    def _sample(self, rows: Int[np.ndarray, " n"]) -> ParticleImages:
        """Return some of the images; of those written multiplied by their CTF, none."""
        particles = self._images.particles
        is_plain = np.array([not one.ctf_premultiplied for one in particles.optics])
        rows = rows[is_plain[particles.optics_of_particle[rows]]]
        n = min(SAMPLE_PARTICLES, len(rows))
        chosen = rows[np.unique(np.linspace(0, max(len(rows) - 1, 0), n).astype(np.int64))]
        # They are gone through once for everything that is tried.
        return self._images.held(chosen)

    def _evidence(self, images: ParticleImages) -> float:
        """Return the log-likelihood of consensus and rings, over that of noise without rings."""
        band, edge = self._band, self._grid.shape[0]
        linear, quadratic = np.zeros(band.n_shells), np.zeros(band.n_shells)
        powers, rings = [], []
        for chunk in images.chunks(band):
            data, precision = matched_chunk(chunk, band, self._noise)
            geometry = images.geometry(band, PADDING, edge, chunk.particles)
            slices = fetch(self._kernels.gather(self._grid, geometry))[..., 0]
            linear += band.shell_sums((data * slices.conj()).real).sum(axis=0)
            quadratic += band.shell_sums(precision * np.abs(slices) ** 2).sum(axis=0)
            powers.append(_shell_means(np.abs(chunk.transforms) ** 2, band))
            rings.append(_shell_means(chunk.ctf**2, band))
        # Filtering took more of the map's fine than of its coarse detail: of every few shells, the
        # intensity that fits best counts.
        starts = np.arange(1, band.n_shells, SHELLS_TOGETHER)
        parts = (np.add.reduceat(one, starts) for one in (linear, quadratic))
        of_map = sum(map(_evidence_of, *(part.tolist() for part in parts)))
        return of_map + _ring_evidence(np.concatenate(powers), np.concatenate(rings), band)


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

    Both are taken from what images and shells have in common, so that only rings of different
    defocus count. Power in units of its mean is exponentially distributed.
    """
    # Of the half plane alone: the other half says the same.
    counts = band.shell_counts()[1:] / 2
    tiny = np.finfo(np.float32).tiny
    relative = power / np.maximum(power.mean(axis=0), tiny)
    excess, ring = (_centred(one, counts) for one in (relative, ring))
    linear, quadratic = (float((excess * ring * counts).sum()), float((ring**2 * counts).sum()))
    return _evidence_of(linear, quadratic)


def _centred(
    values: Float64[np.ndarray, "n shell"], counts: Float32[np.ndarray, " shell"]
) -> Float64[np.ndarray, "n shell"]:
    """Subtract the means of shells, and then of images."""
    centred = values - values.mean(axis=0)
    return np.asarray(centred - (centred @ counts / counts.sum())[:, None])


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


def _with_defocus(images: ParticleImages, factor: float) -> ParticleImages:
    """Return the images with another defocus."""
    particles = images.particles
    ctf = replace(
        particles.ctf,
        defocus_u_angstrom=particles.ctf.defocus_u_angstrom * factor,
        defocus_v_angstrom=particles.ctf.defocus_v_angstrom * factor,
    )
    return replace(images, particles=replace(particles, ctf=ctf))


def _with_pixel(images: ParticleImages, factor: float) -> ParticleImages:
    """Return the images with another pixel size, by way of their magnification."""
    optics = tuple(
        replace(group, microscope=_magnified(group.microscope, 1 / factor))
        for group in images.particles.optics
    )
    return replace(images, particles=replace(images.particles, optics=optics))


def _magnified(microscope: Microscope, factor: float) -> Microscope:
    (a, b), (c, d) = microscope.magnification_matrix
    matrix = ((a * factor, b * factor), (c * factor, d * factor))
    return replace(microscope, magnification_matrix=matrix)
