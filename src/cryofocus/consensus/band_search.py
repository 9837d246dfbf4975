"""The first map of all particles, in a band just wide enough for what its half maps agree on.

A map of some of the particles in a narrow band, widened until its half maps fall to zero within
it, says how wide a band that of all particles needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int, Int8

from cryofocus.consensus.grey_levels import level_pixel_sizes
from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.memory import MapMemory, fits, require_memory
from cryofocus.consensus.noise.power import first_noise
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.consensus.reach import Reach, end_of_agreement, with_margin
from cryofocus.consensus.reconstruct import MapEstimate, MapSource, reconstruct_maps
from cryofocus.consensus.sampling import sample_map
from cryofocus.kernels.contract import SliceKernels
from cryofocus.logs import get_logger
from cryofocus.maths.shells import shell_resolution_angstrom

logger = get_logger(__name__)

# Particles that are looked at first: a part of all, but so many at least.
PART_OF_PARTICLES, FEWEST_PARTICLES = 10, 500
FIRST_SHELLS, WIDER = 40, 1.6
# A band is narrowed once it is known to be too wide by more than this.
WORTH_NARROWING = 0.85


@dataclass(frozen=True, eq=False)
class FirstMap:
    """The map of all particles, all intensities taken to be 1.

    Attributes:
        images: Cropped to the band.
        noise: The images' whole power, taken for noise.
        map: On the grid of the cropped images.
        made_gb: Memory foreseen for making it, in the widest band that was tried.
    """

    images: ParticleImages
    noise: NoiseModel
    map: MapEstimate
    made_gb: float


def make_first_map(
    images: ParticleImages,
    half_set: Int8[np.ndarray, " particle"],
    kernels: SliceKernels,
    reach: Reach,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> FirstMap:
    """Make the map of all particles to where it is asked for, or to where half maps agree.

    Args:
        images: Prepared images, not cropped.
        half_set: `(particle,)` 1 or 2.
        kernels: Slice kernels of the device.
        reach: What is asked for.
        advance: Called with the number of particles done; those of a sample do not count.
    """
    images, n_shells = level_pixel_sizes(images, half_set, kernels), reach.shells(images)
    if n_shells is not None:
        return _make(images.cropped(n_shells), half_set, kernels, advance)
    rows, least = _sample(half_set), reach.least(images)
    if len(rows) == len(images):
        found, end = _widen(images, half_set, kernels, max(FIRST_SHELLS, least))
        advance(len(images))
    else:
        some, share = images.take(rows), len(rows) / len(images)
        found, end = _widen(some, half_set[rows], kernels, FIRST_SHELLS, share)
        n_shells = found.images.largest_band().n_shells if end is None else with_margin(end)
        found, end = _widen(images, half_set, kernels, max(n_shells, least), advance=advance)
    return found if end is None else _narrow(found, images, max(with_margin(end), least))


def _widen(
    images: ParticleImages,
    half_set: Int8[np.ndarray, " particle"],
    kernels: SliceKernels,
    n_shells: int,
    share: float = 1.0,
    *,
    advance: Callable[[int], None] | None = None,
) -> tuple[FirstMap, int | None]:
    """Make maps in wider and wider bands, until half maps fall to zero within; say where.

    Who counts particles is told, in the log, when that takes more than one pass.
    """
    count, cropped = advance or _ignore, images.cropped(n_shells)
    while True:
        found = _make(cropped, half_set, kernels, count)
        n_shells = found.images.largest_band().n_shells
        end = end_of_agreement(found.map.fsc[:n_shells], share)
        if end is not None or found.images.file_box is None:
            return found, end
        cropped, narrow = images.cropped(int(WIDER * n_shells)), _end_angstrom(cropped)
        if not fits(cropped, kernels):
            logger.warning(
                "half maps still agree at %.2f Å, where maps end because of the memory that may "
                "be used; more --memory would show how far they do.",
                narrow,
            )
            return found, None
        if advance is not None:
            logger.info(
                "half maps still agree at %.2f Å, where their band ends; they are made again, to "
                "%.2f Å",
                narrow,
                _end_angstrom(cropped),
            )
        count = _ignore


def _end_angstrom(images: ParticleImages) -> float:
    """Return the resolution of the last shell of some images."""
    particles, last = images.particles, images.largest_band().n_shells - 1
    return shell_resolution_angstrom(last, particles.box, particles.pixel_size_angstrom)


def _ignore(_: int) -> None:
    """Count nothing."""


def _make(
    images: ParticleImages,
    half_set: Int8[np.ndarray, " particle"],
    kernels: SliceKernels,
    advance: Callable[[int], None],
) -> FirstMap:
    """Make the map of all of some images.

    Raises:
        SettingError: When memory does not hold it.
    """
    require_memory(images, kernels)
    noise, n = first_noise(images), len(images)
    source = MapSource(images, noise, np.ones(n, np.float32), half_set)
    weight = images.particles.weight
    # What does not count need not be read.
    counts = np.ones((n, 1), np.float32) if weight is None else np.sign(weight)[:, None]
    (estimate,) = reconstruct_maps(source, counts, kernels, advance=advance)
    return FirstMap(images, noise, estimate, MapMemory.of(images, kernels, 1).consensus)


def _narrow(found: FirstMap, images: ParticleImages, n_shells: int) -> FirstMap:
    """Leave out what a band holds beyond so many shells, if that is much."""
    fitting = images.cropped(n_shells)
    box = fitting.particles.box
    if box > WORTH_NARROWING * found.images.particles.box:
        return found
    estimate, n = found.map, fitting.largest_band().n_shells
    first, second = (sample_map(half, box) for half in estimate.halves)
    noise = NoiseModel(found.noise.additive[:, :n], found.noise.transmitted[:, :n])
    cropped = MapEstimate(
        sample_map(estimate.full, box), (first, second), estimate.fsc[: box // 2 + 1]
    )
    fitting = replace(fitting, treatment=found.images.treatment)
    return FirstMap(fitting, noise, cropped, found.made_gb)


def _sample(half_set: Int8[np.ndarray, " particle"]) -> Int[np.ndarray, " m"]:
    """Return some of the particles, as many of each half set, or all of a small set."""
    n = max(FEWEST_PARTICLES, len(half_set) // PART_OF_PARTICLES)
    if 2 * n > len(half_set):
        return np.arange(len(half_set))
    parts = []
    for half in (1, 2):
        rows = np.flatnonzero(half_set == half)
        parts.append(rows[np.linspace(0, len(rows) - 1, min(n // 2, len(rows))).astype(np.int64)])
    return np.unique(np.concatenate(parts))
